"""Looking at wallets, and the business day that everything here is judged by."""

from datetime import date, datetime
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx
from siyu.merchant.shops import service as shops
from siyu.money.stored_value import queries
from siyu.money.stored_value.contracts import WalletMovement, WalletRow


async def today(tx: ReadTx) -> date:
    """The business day of the shop."""
    return clock.business_day(clock.now(), await shops.get_time_zone(tx))


async def get_wallet(tx: ReadTx, member_id: UUID) -> WalletRow | None:
    """A member's wallet as of today; None when nothing ever happened to it."""
    return await queries.get_wallet(tx, member_id, await today(tx))


async def list_wallets(
    tx: ReadTx, before: tuple[datetime, UUID] | None, limit: int
) -> list[WalletRow]:
    """The wallets of the shop, newest first; `before` is the last one seen."""
    return await queries.list_wallets(tx, await today(tx), before, limit)


async def list_statement(
    tx: ReadTx, member_id: UUID, before_no: int | None, limit: int
) -> list[WalletMovement]:
    """The lines that explain a balance, newest first; `before_no` is the last one seen."""
    return await queries.list_movements(tx, member_id, before_no, limit)
