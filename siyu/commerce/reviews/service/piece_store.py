"""Pieces of gifts that their receivers may review."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from siyu.commerce.reviews.contracts import ReviewableLine
from siyu.kernel.db import ReadTx, Tx

_PIECE = """order_id, line_no, piece_no, sku_id, product_id, product_no, title, option_values,
  image_url, 1 as quantity, received_at"""


async def admit_piece(tx: Tx, member_id: UUID, piece: ReviewableLine) -> None:
    """Whoever received a piece of a gift may review it, as a buyer may a line. Harmless when said
    twice.
    """
    await tx.run(
        """insert into reviews.pieces (shop_id, order_id, line_no, piece_no, member_id, sku_id,
             product_id, product_no, title, option_values, image_url, received_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing""",
        tx.shop_id,
        piece.order_id,
        piece.line_no,
        piece.piece_no,
        member_id,
        piece.sku_id,
        piece.product_id,
        piece.product_no,
        piece.title,
        piece.option_values,
        piece.image_url,
        piece.received_at,
    )


async def withdraw_piece(tx: Tx, order_id: UUID, line_no: int, piece_no: int) -> None:
    """Its money went back: it is not reviewed any more; what was said of it stays."""
    await tx.run(
        """delete from reviews.pieces
           where shop_id = $1 and order_id = $2 and line_no = $3 and piece_no = $4""",
        tx.shop_id,
        order_id,
        line_no,
        piece_no,
    )


async def get_piece(
    tx: ReadTx, member_id: UUID, order_id: UUID, line_no: int, piece_no: int
) -> ReviewableLine | None:
    """A piece that this member has; None for any other."""
    return await tx.maybe(
        ReviewableLine,
        f"""select {_PIECE} from reviews.pieces where shop_id = $1 and member_id = $2
              and order_id = $3 and line_no = $4 and piece_no = $5""",
        tx.shop_id,
        member_id,
        order_id,
        line_no,
        piece_no,
    )


async def list_waiting_pieces(
    tx: ReadTx, member_id: UUID, since: datetime
) -> Sequence[ReviewableLine]:
    """Pieces that a member received after a moment and has not reviewed, newest first, at most
    1,000.
    """
    return await tx.all(
        ReviewableLine,
        f"""select {_PIECE} from reviews.pieces p
            where shop_id = $1 and member_id = $2 and received_at > $3
              and not exists (select from reviews.reviews r where r.shop_id = p.shop_id
                and r.order_id = p.order_id and r.line_no = p.line_no and r.piece_no = p.piece_no)
            order by received_at desc, order_id desc limit 1000""",
        tx.shop_id,
        member_id,
        since,
    )
