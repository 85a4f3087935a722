"""What goes instead: the receiver of a gift may take something else of equal price."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.fulfilment import queries
from siyu.commerce.fulfilment.contracts import ConsignmentNotFound, NothingLeft
from siyu.commerce.ordering import service as ordering
from siyu.kernel.db import ReadTx, Tx


class Substitute(msgspec.Struct, frozen=True):
    """What is packed instead of a line of the order."""

    consignment_id: UUID
    line_no: int
    title: str
    option_values: list[str]
    image_url: str | None


async def swap(tx: Tx, consignment_id: UUID, line_no: int, sku: SkuForSale) -> None:
    """Let a consignment send this SKU instead of what its order's line says, piece for piece; the
    order and its money stay as they are.

    Raises ConsignmentNotFound, and NothingLeft once any of the line was sent or refunded.
    """
    found = await queries.get_consignment(tx, consignment_id)
    if found is None:
        raise ConsignmentNotFound
    await ordering.lock_order(tx, found.order_id)
    shares = await queries.list_shares(tx, [consignment_id])
    share = next((one for one in shares if one.line_no == line_no), None)
    if share is None or share.sent or share.cancelled:
        raise NothingLeft(line_no=line_no, left=0)
    await tx.run(
        """insert into fulfilment.substitutes (shop_id, consignment_id, line_no, sku_id, title,
             option_values, image_url)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (shop_id, consignment_id, line_no) do update set sku_id = $4, title = $5,
             option_values = $6, image_url = $7""",
        tx.shop_id,
        consignment_id,
        line_no,
        sku.sku_id,
        sku.title,
        sku.option_values,
        sku.image_url,
    )


async def list_substitutes(
    tx: ReadTx, consignment_ids: Sequence[UUID]
) -> dict[tuple[UUID, int], Substitute]:
    """What goes instead, by consignment and line."""
    found = await tx.all(
        Substitute,
        """select consignment_id, line_no, title, option_values, image_url
           from fulfilment.substitutes where shop_id = $1 and consignment_id = any($2::uuid[])""",
        tx.shop_id,
        list(consignment_ids),
    )
    return {(one.consignment_id, one.line_no): one for one in found}
