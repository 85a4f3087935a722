"""Verbs of the ledger: post, hold, balance, reverse, tell."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.i18n import Language
from siyu.kernel.ids import first_id_at, new_id
from siyu.money.ledger import queries, rules
from siyu.money.ledger.contracts import (
    AccountRow,
    AlreadyReversed,
    Balance,
    BalanceShort,
    Book,
    Entry,
    EntryConflict,
    EntryId,
    EntryUnknown,
    HoldId,
    HoldOver,
    HoldRow,
    HoldState,
    HoldUnknown,
    OutsideSum,
    Sentence,
    StoredEntry,
)
from siyu.money.ledger.queries import NewEntry


async def post(tx: Tx, entry: Entry) -> EntryId:
    """Book an entry; see `post_many`."""
    return (await post_many(tx, [entry]))[0]


async def post_many(tx: Tx, entries: Sequence[Entry]) -> list[EntryId]:
    """Book entries, all or none, in one round trip; their ids in the order given.

    Idempotent: a key that is booked already with the same content gives the id it has. Raises
    BalanceShort when an owned account would fall under its floor or into what is held,
    EntryConflict when a key books other content. Owners' accounts stay locked until the commit.
    """
    now = clock.now()
    return await _post(
        tx,
        [
            NewEntry(EntryId(new_id()), entry, rules.check_entry(entry), entry.at or now)
            for entry in entries
        ],
    )


async def _post(tx: Tx, entries: Sequence[NewEntry]) -> list[EntryId]:
    if not entries:
        return []
    posted = await queries.insert_entries(tx, entries, _changes(entries))
    written = set(posted.written)
    if len(written) == len(entries):
        return [one.entry_id for one in entries]
    stored = {one.key: one for one in await queries.list_by_key(tx, [e.entry.key for e in entries])}
    for one in entries:
        known = stored.get(one.entry.key)
        if known and not rules.says_the_same(one.entry, one.reverses, known):
            raise EntryConflict(key=one.entry.key)
    if posted.short:
        # A repeat must not be refused for the money it spent itself the first time.
        fresh = [one for one in entries if one.entry.key not in stored]
        if len(fresh) == len(entries):
            raise BalanceShort(books=sorted(set(posted.short)))
        again = dict(zip((one.entry.key for one in fresh), await _post(tx, fresh), strict=True))
        return [again.get(one.entry.key) or stored[one.entry.key].entry_id for one in entries]
    return [stored[one.entry.key].entry_id for one in entries]


def _changes(entries: Sequence[NewEntry]) -> dict[queries.AccountKey, int]:
    """What owned accounts gain or lose. Empty when none loses: then nothing is to be judged, and
    the trigger locks them in the same order."""
    changes: dict[queries.AccountKey, int] = {}
    for one in entries:
        for leg in one.legs:
            if leg.owner is not None:
                account = (leg.book, leg.owner, leg.asset)
                gain = leg.amount * rules.BOOKS[leg.book].side
                changes[account] = changes.get(account, 0) + gain
    return changes if any(change < 0 for change in changes.values()) else {}


async def reverse(
    tx: Tx, entry_id: EntryId, key: str, note: str = "", *, kind: str = "reversal"
) -> EntryId:
    """Take an entry back by a new one with opposite legs, for the same order and ref.

    Idempotent by key. Raises AlreadyReversed under another key, EntryUnknown, BalanceShort.
    """
    found = await queries.get_entry(tx, entry_id)
    if found is None:
        raise EntryUnknown(entry_id=str(entry_id))
    legs = rules.opposite(rules.legs_of(found))
    entry = Entry(key, kind, legs, order_id=found.order_id, ref=found.ref, note=note)
    reversal = await queries.get_reversal(tx, entry_id)
    if reversal is not None and reversal.key != key:
        raise AlreadyReversed(entry_id=str(entry_id))
    new = NewEntry(EntryId(new_id()), entry, rules.check_entry(entry), clock.now(), entry_id)
    return (await _post(tx, [new]))[0]


# --- holds ----------------------------------------------------------------------------------------


async def hold(
    tx: Tx,
    *,
    key: str,
    book: Book,
    owner: UUID,
    amount: int,
    asset: str = "CNY",
    order_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> HoldId:
    """Set `amount` > 0 minor units of an account aside until it is settled, voided or expires.

    Idempotent by key, whatever became of the hold. Raises BalanceShort when less is available
    (a hold never takes more than there is, however low the floor), EntryConflict when the key
    holds something else.
    """
    assert amount > 0 and rules.BOOKS[book].is_owned
    wanted = HoldRow(
        hold_id=HoldId(new_id()), key=key, book=book, owner=owner, asset=asset, amount=amount,
        state=HoldState.PENDING, order_id=order_id, expires_at=expires_at, entry_id=None,
    )  # fmt: skip
    made, available = await queries.lock_and_hold(tx, wanted, clock.now())
    if made:
        return wanted.hold_id
    known = await queries.get_hold_of_key(tx, key)
    if known is None:
        raise BalanceShort(books=[book], available=available, wanted=amount)
    if (known.book, known.owner, known.asset, known.amount) != (book, owner, asset, amount):
        raise EntryConflict(key=key)
    return known.hold_id


async def settle_hold(tx: Tx, hold_id: HoldId, entry: Entry) -> EntryId:
    """Post a pending hold together with its entry; see `settle_holds`."""
    return await settle_holds(tx, [hold_id], entry)


async def settle_holds(tx: Tx, hold_ids: Sequence[HoldId], entry: Entry) -> EntryId:
    """Post pending holds together with the one entry that takes their amounts.

    The entry may take less than was held, never more; the rest is free again. A hold that is still
    pending settles even after its time, for only the worker expires it (F044). Idempotent by the
    entry's key. Raises HoldOver when a hold ended another way, HoldUnknown.
    """
    held = await queries.lock_holds(tx, hold_ids)
    if len(held) != len(set(hold_ids)):
        raise HoldUnknown
    if any(one.state is not HoldState.PENDING for one in held):
        posted = await queries.list_by_key(tx, [entry.key])
        if {one.entry_id for one in held} != {one.entry_id for one in posted}:
            raise HoldOver(states=sorted({one.state for one in held}))
        return await post(tx, entry)
    rules.check_settlement(entry, held)
    now = clock.now()
    entry_id = EntryId(new_id())
    await queries.move_holds(tx, hold_ids, HoldState.POSTED, now, entry_id)
    new = NewEntry(entry_id, entry, rules.check_entry(entry), entry.at or now)
    if await _post(tx, [new]) != [entry_id]:
        raise EntryConflict(key=entry.key)  # the entry stands without its hold: a bug
    return entry_id


async def void_hold(tx: Tx, hold_id: HoldId) -> bool:
    """Free a pending hold; False when it has already ended (a repeat is harmless)."""
    return bool(await queries.move_holds(tx, [hold_id], HoldState.VOIDED, clock.now()))


async def list_holds(tx: ReadTx, order_id: UUID) -> list[HoldRow]:
    """The holds made for an order, the oldest first."""
    return await queries.list_holds(tx, order_id)


# --- reading --------------------------------------------------------------------------------------


async def balance(tx: ReadTx, book: Book, owner: UUID | None = None, asset: str = "CNY") -> Balance:
    """An account in the normal direction of its book (what is owed: credit > 0); exact now."""
    assert rules.BOOKS[book].is_owned == (owner is not None)
    return await queries.get_balance(tx, book, owner, asset)


async def lock_balance(tx: Tx, book: Book, owner: UUID, asset: str = "CNY") -> Balance:
    """As `balance` of an owned account, which nobody else moves until this transaction ends."""
    assert rules.BOOKS[book].is_owned
    [found] = await queries.lock_balances(tx, book, [owner], asset)
    return found


async def lock_balances(tx: Tx, book: Book, owners: Iterable[UUID], asset: str = "CNY") -> None:
    """Nobody else moves these owned accounts until this transaction ends. Whoever books for
    several owners, one call after the other, says so first: each in its own order, two
    transactions would wait for each other."""
    assert rules.BOOKS[book].is_owned
    await queries.lock_balances(tx, book, sorted(set(owners)), asset)


async def set_floor(tx: Tx, book: Book, owner: UUID, floor: int | None, asset: str = "CNY") -> None:
    """Say how low postings may take an owned account (None: no limit); holds still need what is
    there. An account below a new floor stays, and may only rise. Stored value is never below 0."""
    assert rules.BOOKS[book].is_owned and book not in (Book.PRINCIPAL, Book.BONUS)
    await queries.insert_account(tx, book, owner, asset, floor)


async def find_entry(tx: ReadTx, key: str) -> StoredEntry | None:
    """The entry booked under a key."""
    return next(iter(await queries.list_by_key(tx, [key])), None)


async def list_story(tx: ReadTx, order_id: UUID) -> list[StoredEntry]:
    """All entries of an order with their legs, the oldest first."""
    return await queries.list_story(tx, order_id)


async def tell_order(tx: ReadTx, order_id: UUID, language: Language) -> list[Sentence]:
    """The story of an order's money, a sentence per entry, in words a finance person reads."""
    return rules.tell(await queries.list_story(tx, order_id), language)


async def list_entries(
    tx: ReadTx,
    *,
    book: Book | None = None,
    owner: UUID | None = None,
    order_id: UUID | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[StoredEntry]:
    """Entries with a leg in this book and of this owner, or of an order; the newest first,
    older than `before`."""
    books = [book] if book else [one for one, words in rules.BOOKS.items() if words.is_owned]
    return await queries.list_entries(
        tx,
        books=books if book or owner else None,
        owner=owner,
        order_id=order_id,
        before=before,
        limit=limit,
    )


async def list_accounts(tx: ReadTx) -> list[AccountRow]:
    """The trial balance: each book and asset, all owners together."""
    return await queries.list_accounts(tx)


async def sum_outside(tx: ReadTx, refs: Sequence[UUID]) -> list[OutsideSum]:
    """What the entries of each ref did to our balance at WeChat; refs without entries are left
    out."""
    return await queries.sum_outside(tx, refs)


async def list_outside_refs(tx: ReadTx, since: datetime, until: datetime) -> list[UUID]:
    """The refs whose entries, written from `since` on, moved our balance at WeChat before
    `until`."""
    return await queries.list_outside_refs(tx, first_id_at(since), until)


async def first_outside_at(tx: ReadTx) -> datetime | None:
    """When money first moved at WeChat; None when it never did."""
    return await queries.get_first_outside(tx)
