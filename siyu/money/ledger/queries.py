"""All SQL of the ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx, filters
from siyu.money.ledger.contracts import (
    AccountRow,
    Balance,
    Book,
    Entry,
    EntryId,
    HoldId,
    HoldRow,
    HoldState,
    Leg,
    OutsideSum,
    StoredEntry,
)

NOBODY = UUID(int=0)

AccountKey = tuple[Book, UUID, str]
"""Book, owner, asset."""


class NewEntry(msgspec.Struct, frozen=True):
    """An entry ready to be written: `legs` without zeros, `at` known."""

    entry_id: EntryId
    entry: Entry
    legs: list[Leg]
    at: datetime
    reverses: EntryId | None = None


class Posted(msgspec.Struct, frozen=True):
    """What a try to post did: the entries that are new, or the books that were short."""

    written: list[EntryId]
    short: list[Book]


# Owners' accounts are locked in the order of their keys and judged in the version that the lock
# waited for; those that are new are opened in their place, or one that another batch opens would be
# locked out of order. One that is short stops the whole batch. A key that is taken writes nothing,
# neither entry nor legs. At the end of the statement the triggers move the balances.
_POST = """
with touched as materialized (
  select * from unnest($17::text[], $18::uuid[], $19::text[], $20::bigint[])
    as t (book, owner, asset, change)),
locked as (
  insert into ledger.accounts as a (shop_id, book, owner, asset, posted, held, floor)
  select $1, book, owner, asset, 0, 0, ledger.usual_floor(book) from touched
  order by book, owner, asset
  on conflict (shop_id, book, owner, asset) do update set floor = a.floor
  returning book, owner, asset, posted - held as available, floor),
short as materialized (
  select book from touched join locked using (book, owner, asset)
  where change < 0 and available + change < floor),
made as (
  insert into ledger.entries (shop_id, entry_id, key, kind, leg_count, order_id, ref, reverses,
    note, happened_at)
  select $1, w.* from unnest($2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::uuid[],
    $7::uuid[], $8::uuid[], $9::text[], $10::timestamptz[]) as w
  where not exists (select from short)
  on conflict (shop_id, key) do nothing returning entry_id),
kept as (
  insert into ledger.legs (shop_id, entry_id, leg_no, book, owner, asset, units)
  select $1, s.* from unnest($11::uuid[], $12::smallint[], $13::text[], $14::uuid[], $15::text[],
    $16::bigint[]) as s (entry_id, leg_no, book, owner, asset, units)
  where s.entry_id in (select entry_id from made))
select array(select entry_id from made) as written, array(select book from short) as short
"""


async def insert_entries(
    tx: Tx, entries: Sequence[NewEntry], changes: Mapping[AccountKey, int]
) -> Posted:
    """Write all whose key is new in one trip, or none when an account is short.

    changes: per owned account what it gains (> 0) or loses in its normal direction.
    """
    legs = [
        (one.entry_id, number, leg.book, leg.owner or NOBODY, leg.asset, leg.amount)
        for one in entries
        for number, leg in enumerate(one.legs, 1)
    ]
    entry_ids, numbers, books, owners, assets, units = zip(*legs, strict=True)
    accounts = sorted(changes)
    return await tx.one(
        Posted,
        _POST,
        tx.shop_id,
        [one.entry_id for one in entries],
        [one.entry.key for one in entries],
        [one.entry.kind for one in entries],
        [len(one.legs) for one in entries],
        [one.entry.order_id for one in entries],
        [one.entry.ref for one in entries],
        [one.reverses for one in entries],
        [one.entry.note for one in entries],
        [one.at for one in entries],
        entry_ids,
        numbers,
        books,
        owners,
        assets,
        units,
        [account[0] for account in accounts],
        [account[1] for account in accounts],
        [account[2] for account in accounts],
        [changes[account] for account in accounts],
    )


_ENTRY = """select e.entry_id, e.key, e.kind, e.order_id, e.ref, e.reverses, e.note,
  e.happened_at as at,
  (select jsonb_agg(jsonb_build_object('book', l.book, 'owner', nullif(l.owner, ledger.nobody()),
     'asset', l.asset, 'amount', l.units) order by l.leg_no)
   from ledger.legs l where l.shop_id = e.shop_id and l.entry_id = e.entry_id) as legs
from ledger.entries e"""


async def get_entry(tx: ReadTx, entry_id: UUID) -> StoredEntry | None:
    """An entry with its legs."""
    return await tx.maybe(
        StoredEntry, f"{_ENTRY} where e.shop_id = $1 and e.entry_id = $2", tx.shop_id, entry_id
    )


async def list_by_key(tx: ReadTx, keys: Sequence[str]) -> list[StoredEntry]:
    """The entries that are booked under these keys."""
    return await tx.all(
        StoredEntry, f"{_ENTRY} where e.shop_id = $1 and e.key = any($2)", tx.shop_id, keys
    )


async def get_reversal(tx: ReadTx, entry_id: UUID) -> StoredEntry | None:
    """The entry that takes this one back."""
    return await tx.maybe(
        StoredEntry, f"{_ENTRY} where e.shop_id = $1 and e.reverses = $2", tx.shop_id, entry_id
    )


async def list_story(tx: ReadTx, order_id: UUID) -> list[StoredEntry]:
    """The entries of an order, in the order in which they were booked."""
    return await tx.all(
        StoredEntry,
        f"{_ENTRY} where e.shop_id = $1 and e.order_id = $2 order by e.entry_id",
        tx.shop_id,
        order_id,
    )


async def list_entries(
    tx: ReadTx,
    *,
    books: list[Book] | None,
    owner: UUID | None,
    order_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> list[StoredEntry]:
    """Entries with a leg in one of these books (and of this owner), the newest first."""
    args: list[object] = [tx.shop_id, limit]
    where = filters(args, ("e.order_id = ?", order_id), ("e.entry_id < ?", before))
    if books:
        args += [books, owner]
        where += f""" and exists (select from ledger.legs l where l.shop_id = e.shop_id
            and l.entry_id = e.entry_id and l.book = any(${len(args) - 1}::text[])
            and (${len(args)}::uuid is null or l.owner = ${len(args)}))"""
    return await tx.all(
        StoredEntry,
        f"{_ENTRY} where e.shop_id = $1 and {where} order by e.entry_id desc limit $2",
        *args,
    )


async def get_balance(tx: ReadTx, book: Book, owner: UUID | None, asset: str) -> Balance:
    """One account, in the normal direction of its book: what is rolled up and what is not yet,
    in one snapshot."""
    return await tx.one(
        Balance,
        """with account as (
             select posted, held from ledger.accounts
             where shop_id = $1 and book = $2 and owner = $3 and asset = $4),
           found as (
             select coalesce((select posted from account), 0)
               + (ledger.side($2) * coalesce((select sum(units) from ledger.deltas
                  where shop_id = $1 and book = $2 and asset = $4 and $3 = ledger.nobody()), 0)
                 )::bigint as posted,
               coalesce((select held from account), 0) as held)
           select posted, held, posted - held as available from found""",
        tx.shop_id,
        book,
        owner or NOBODY,
        asset,
    )


async def lock_balances(tx: Tx, book: Book, owners: Sequence[UUID], asset: str) -> list[Balance]:
    """Owned accounts, opened if they are new, locked in the order of their owners."""
    return await tx.all(
        Balance,
        """with locked as (
             insert into ledger.accounts as a (shop_id, book, owner, asset, posted, held, floor)
             select $1, $2, owner, $4, 0, 0, ledger.usual_floor($2)
               from unnest($3::uuid[]) as t (owner) order by owner
             on conflict (shop_id, book, owner, asset) do update set floor = a.floor
             returning owner, posted, held)
           select posted, held, posted - held as available from locked order by owner""",
        tx.shop_id,
        book,
        owners,
        asset,
    )


async def list_accounts(tx: ReadTx) -> list[AccountRow]:
    """The trial balance: each book and asset, all owners together, in one snapshot."""
    return await tx.all(
        AccountRow,
        """select book, asset, sum(accounts)::int as accounts, sum(posted)::bigint as balance,
             sum(held)::bigint as held
           from (select book, asset, 1 as accounts, posted, held from ledger.accounts
                 where shop_id = $1
                 union all
                 select d.book, d.asset, case when a.book is null then 1 else 0 end,
                   ledger.side(d.book) * d.units, 0
                 from (select book, asset, sum(units) as units from ledger.deltas
                       where shop_id = $1 group by 1, 2) d
                 left join ledger.accounts a on a.shop_id = $1 and a.book = d.book
                   and a.asset = d.asset and a.owner = ledger.nobody()) known
           group by 1, 2 order by 1, 2""",
        tx.shop_id,
    )


async def insert_account(tx: Tx, book: Book, owner: UUID, asset: str, floor: int | None) -> None:
    """Open an owned account with this floor, or give the one there is this floor."""
    await tx.run(
        """insert into ledger.accounts (shop_id, book, owner, asset, posted, held, floor)
           values ($1, $2, $3, $4, 0, 0, $5)
           on conflict (shop_id, book, owner, asset) do update set floor = excluded.floor
             where accounts.floor is distinct from excluded.floor""",
        tx.shop_id,
        book,
        owner,
        asset,
        floor,
    )


async def move_deltas(tx: Tx, limit: int) -> int:
    """Roll up what was posted to books without owners, in all shops; how many rows went.

    The deletion adds to the accounts by trigger, so that no session can do one without the other.
    """
    return await tx.run(
        """with taken as materialized (
             select shop_id, delta_id from ledger.deltas order by shop_id, delta_id limit $1
             for no key update skip locked)
           delete from ledger.deltas d using taken t
           where d.shop_id = t.shop_id and d.delta_id = t.delta_id""",
        limit,
    )


# --- holds ----------------------------------------------------------------------------------------

_HOLD = """select hold_id, key, book, owner, asset, units as amount, state, order_id, expires_at,
  entry_id from ledger.holds"""


async def lock_and_hold(tx: Tx, hold: HoldRow, now: datetime) -> tuple[bool, int]:
    """Set an amount aside if the account has it; whether that was done, and what was available.

    Not done although enough is available: the key is taken.
    """
    available, made = await tx.connection.fetchrow(
        """with account as materialized (
             select posted - held as available from ledger.accounts
             where shop_id = $1 and book = $4 and owner = $5 and asset = $6 for no key update),
           made as (
             insert into ledger.holds (shop_id, hold_id, key, book, owner, asset, units, state,
               order_id, expires_at, held_at)
             select $1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10 from account
             where available >= $7
             on conflict (shop_id, key) do nothing returning hold_id)
           select coalesce((select available from account), 0), exists (select from made)""",
        tx.shop_id,
        hold.hold_id,
        hold.key,
        hold.book,
        hold.owner,
        hold.asset,
        hold.amount,
        hold.order_id,
        hold.expires_at,
        now,
    )
    return made, available


async def get_hold_of_key(tx: ReadTx, key: str) -> HoldRow | None:
    """The hold of a key."""
    return await tx.maybe(HoldRow, f"{_HOLD} where shop_id = $1 and key = $2", tx.shop_id, key)


async def list_holds(tx: ReadTx, order_id: UUID) -> list[HoldRow]:
    """The holds for an order, the oldest first."""
    return await tx.all(
        HoldRow,
        f"{_HOLD} where shop_id = $1 and order_id = $2 order by hold_id",
        tx.shop_id,
        order_id,
    )


async def lock_holds(tx: Tx, hold_ids: Sequence[HoldId]) -> list[HoldRow]:
    """These holds, locked in the order of their ids."""
    return await tx.all(
        HoldRow,
        f"""{_HOLD} where shop_id = $1 and hold_id = any($2::uuid[])
            order by hold_id for no key update""",
        tx.shop_id,
        hold_ids,
    )


async def move_holds(
    tx: Tx,
    hold_ids: Sequence[HoldId],
    state: HoldState,
    now: datetime,
    entry_id: EntryId | None = None,
) -> int:
    """End those of these holds that are pending; how many were."""
    return await tx.run(
        """update ledger.holds set state = $3, ended_at = $4, entry_id = $5
           where shop_id = $1 and hold_id = any($2::uuid[]) and state = 'pending'""",
        tx.shop_id,
        hold_ids,
        state,
        now,
        entry_id,
    )


async def move_expired_holds(tx: Tx, now: datetime, limit: int) -> int:
    """Expire pending holds of all shops whose time is over; those at work elsewhere wait."""
    return await tx.run(
        """with due as materialized (
             select shop_id, hold_id from ledger.holds
             where state = 'pending' and expires_at <= $1 order by expires_at limit $2
             for no key update skip locked)
           update ledger.holds h set state = 'expired', ended_at = $1 from due d
           where h.shop_id = d.shop_id and h.hold_id = d.hold_id""",
        now,
        limit,
    )


# --- our balance at WeChat, for reconciliation ----------------------------------------------------

_OUTSIDE = "('wechat', 'wechat_frozen')"
_TRANSIT = "('wechat', 'wechat_frozen', 'refund_due', 'payout_due')"


async def sum_outside(tx: ReadTx, refs: Sequence[UUID]) -> list[OutsideSum]:
    """What the entries of each ref did to our balance at WeChat."""
    return await tx.all(
        OutsideSum,
        f"""select e.ref,
             coalesce(sum(l.units) filter (where l.book in {_OUTSIDE}), 0)::bigint as settled_fen,
             coalesce(sum(l.units) filter (where l.book in {_TRANSIT}), 0)::bigint as transit_fen
           from ledger.entries e join ledger.legs l using (shop_id, entry_id)
           where e.shop_id = $1 and e.ref = any($2) and l.asset = 'CNY' group by e.ref""",
        tx.shop_id,
        list(refs),
    )


async def list_outside_refs(tx: ReadTx, since: UUID, until: datetime) -> list[UUID]:
    """The refs whose entries, from id `since` on, moved our balance at WeChat before `until`."""
    refs = await tx.value(
        f"""select array_agg(distinct e.ref) from ledger.entries e
           join ledger.legs l using (shop_id, entry_id)
           where e.shop_id = $1 and e.entry_id >= $2 and e.happened_at < $3
             and e.ref is not null and l.book in {_OUTSIDE}""",
        tx.shop_id,
        since,
        until,
    )
    return list(refs or ())


async def get_first_outside(tx: ReadTx) -> datetime | None:
    """When money first moved at WeChat."""
    found: datetime | None = await tx.value(
        f"""select e.happened_at from ledger.entries e join ledger.legs l using (shop_id, entry_id)
           where e.shop_id = $1 and l.book in {_OUTSIDE} order by e.entry_id limit 1""",
        tx.shop_id,
    )
    return found
