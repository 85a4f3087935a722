"""What the ledger's tests share: entries as a shop books them, and the truths."""

from uuid import UUID

from siyu.kernel.db import ReadTx, Tx, reading
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.ledger.invariants import INVARIANTS


def payment(amount: int = 1200, order_id: UUID | None = None, key: str | None = None) -> Entry:
    order_id = order_id or new_id()
    legs = [Leg(Book.WECHAT, amount), Leg(Book.SALES, -amount)]
    return Entry(key or f"payment:{order_id}", "payment", legs, order_id, order_id)


def top_up(member: UUID, amount: int, bonus: int = 0) -> Entry:
    legs = [
        Leg(Book.WECHAT, amount),
        Leg(Book.BONUS_COST, bonus),
        Leg(Book.PRINCIPAL, -amount, member),
        Leg(Book.BONUS, -bonus, member),
    ]
    return Entry(f"top_up:{new_id()}", "top_up", legs)


def spending(member: UUID, amount: int, key: str | None = None) -> Entry:
    legs = [Leg(Book.PRINCIPAL, amount, member), Leg(Book.SALES, -amount)]
    return Entry(key or f"spend:{new_id()}", "balance_spent", legs)


async def rich_member(tx: Tx, amount: int) -> UUID:
    """A member with that much stored value."""
    member = new_id()
    await ledger.post(tx, top_up(member, amount))
    return member


async def broken(tx: ReadTx) -> dict[str, int]:
    """The truths that do not hold in the shop of the transaction."""
    found = {name: len(await tx.connection.fetch(sql)) for name, sql in INVARIANTS.items()}
    return {name: count for name, count in found.items() if count}


async def truths_hold(shop: ShopId) -> None:
    async with reading(shop) as tx:
        assert await broken(tx) == {}


async def counts(tx: ReadTx) -> tuple[int, int]:
    """How many entries and legs the shop has."""
    return (
        await tx.value("select count(*) from ledger.entries where shop_id = $1", tx.shop_id),
        await tx.value("select count(*) from ledger.legs where shop_id = $1", tx.shop_id),
    )
