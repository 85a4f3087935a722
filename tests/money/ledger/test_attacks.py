"""What the tables refuse by themselves: to the program, to their owner, to a superuser who has
turned replication mode on. Every attack is a raw SQL session; afterwards nothing has changed."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.kernel.db import Database, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.postgres import Cluster
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.ledger.rules import BOOKS
from tests.money.ledger.books import payment, top_up, truths_hold

ROLES = ("siyu_app", "siyu_system", "owner", "superuser")
OTHER = "00000000-0000-7000-8000-000000000001"
LONE = "00000000-0000-7000-8000-000000000002"

ENTRY = f"""insert into ledger.entries
  (shop_id, entry_id, key, kind, leg_count, note, happened_at)
  values (:shop, '{LONE}', 'attack', 'opening', :legs, '', now())"""
LEGS = "insert into ledger.legs (shop_id, entry_id, leg_no, book, owner, asset, units) values "


def leg(number: int, book: str, units: int, **other: str) -> str:
    entry = other.get("entry", f"'{LONE}'")
    owner = other.get("owner", "ledger.nobody()")
    shop, asset = other.get("shop", ":shop"), other.get("asset", "CNY")
    return f"({shop}, {entry}, {number}, '{book}', {owner}, '{asset}', {units})"


def whole(*legs: str, count: int | None = None) -> str:
    """An entry and its legs in one statement, as they should come."""
    entry = ENTRY.replace(":legs", str(len(legs) if count is None else count))
    return f"with e as ({entry}) {LEGS} {', '.join(legs)}"


FAIR = (leg(1, "wechat", 5), leg(2, "sales", -5))

ATTACKS: dict[str, tuple[str, str]] = {
    "an entry without legs": (ENTRY.replace(":legs", "2"), "in one statement with its legs"),
    "legs without an entry": (LEGS + ", ".join(FAIR), "in one statement with it"),
    "first the entry, then the legs": (
        f"{ENTRY.replace(':legs', '2')}; {LEGS} {', '.join(FAIR)}",
        "in one statement with its legs",
    ),
    "an unbalanced entry": (
        whole(leg(1, "wechat", 5), leg(2, "sales", -4)),
        "sum to zero per asset",
    ),
    "balanced over two currencies": (
        whole(leg(1, "wechat", 5), leg(2, "sales", -5, asset="USD")),
        "sum to zero per asset",
    ),
    "one leg": (whole(leg(1, "wechat", 5)), "leg_count"),
    "two announced, one given": (whole(leg(1, "wechat", 5), count=2), "in one statement with it"),
    "two announced, three given": (
        whole(*FAIR, leg(3, "wechat", 1), count=2),
        "in one statement with it",
    ),
    "legs with other numbers": (
        whole(leg(2, "wechat", 5), leg(3, "sales", -5)),
        "in one statement with it",
    ),
    "a fair pair added to an entry that stands": (
        LEGS + leg(3, "wechat", 5, entry=":entry") + ", " + leg(4, "sales", -5, entry=":entry"),
        "in one statement with it",
    ),
    "the legs of an entry once more": (
        LEGS + leg(1, "wechat", 5, entry=":entry") + ", " + leg(2, "sales", -5, entry=":entry"),
        "legs_pkey",
    ),
    "legs in another shop's name": (
        whole(leg(1, "wechat", 5, shop=":shop + 1"), leg(2, "sales", -5, shop=":shop + 1")),
        "in one statement with it|row-level security|foreign key",
    ),
    "a leg of nothing": (whole(*FAIR, leg(3, "wechat", 0)), "units"),
    "an unknown book": (whole(leg(1, "pocket", 5), leg(2, "sales", -5)), "legs_book"),
    "an owned book without owner": (
        whole(leg(1, "principal", 5), leg(2, "sales", -5)),
        "legs_owner",
    ),
    "an owner where none belongs": (
        whole(leg(1, "wechat", 5, owner=":member"), leg(2, "sales", -5)),
        "legs_owner",
    ),
    "points in yuan": (
        whole(leg(1, "points", 5, owner=":member"), leg(2, "points_issued", -5)),
        "legs_points",
    ),
    "spend more than there is": (
        whole(leg(1, "principal", 501, owner=":member"), leg(2, "sales", -501)),
        "balance is short",
    ),
    "spend what is held": (
        whole(leg(1, "principal", 401, owner=":member"), leg(2, "sales", -401)),
        "balance is short",
    ),
    "spend from an account that never was": (
        whole(leg(1, "principal", 1, owner=f"'{OTHER}'"), leg(2, "sales", -1)),
        "balance is short",
    ),
    "change a leg": ("update ledger.legs set units = units + 1", "never changed|permission"),
    "change no leg at all": ("update ledger.legs set units = 1 where false", "never|permission"),
    "change an entry": ("update ledger.entries set note = 'x'", "never changed|permission"),
    "delete legs": ("delete from ledger.legs", "never changed|permission"),
    "delete entries": ("delete from ledger.entries", "never changed|permission"),
    "truncate legs": ("truncate ledger.legs", "never changed|permission"),
    "truncate all": (
        "truncate ledger.entries, ledger.legs, ledger.accounts, ledger.holds, ledger.deltas",
        "never|permission|rolled up",
    ),
    "truncate with all that hangs on it": (
        "truncate ledger.entries cascade",
        "never changed|permission",
    ),
    "merge over a leg": (
        """merge into ledger.legs l using (select 1) one on l.shop_id = :shop
           when matched then update set units = l.units * 2""",
        "never changed|permission",
    ),
    "insert over an entry": (
        """insert into ledger.entries
             (shop_id, entry_id, key, kind, leg_count, note, happened_at)
           select shop_id, entry_id, key, kind, leg_count, note, happened_at from ledger.entries
           on conflict (shop_id, key) do update set note = 'x'""",
        "never changed|permission",
    ),
    "give oneself a balance": (
        "update ledger.accounts set posted = posted + 1 where owner = :member",
        "balances move with legs",
    ),
    "free what is held": (
        "update ledger.accounts set held = 0 where owner = :member",
        "balances move with legs",
    ),
    "take over an account": (
        f"update ledger.accounts set owner = '{OTHER}' where owner = :member",
        "balances move with legs",
    ),
    "open an account with money in it": (
        f"""insert into ledger.accounts (shop_id, book, owner, asset, posted, held)
            values (:shop, 'principal', '{OTHER}', 'CNY', 1, 0)""",
        "balances move with legs",
    ),
    "upsert a balance": (
        """insert into ledger.accounts as a (shop_id, book, owner, asset, posted, held)
           values (:shop, 'principal', :member, 'CNY', 0, 0)
           on conflict (shop_id, book, owner, asset) do update set posted = a.posted + 1""",
        "balances move with legs",
    ),
    "give a book without owners a floor": (
        """insert into ledger.accounts (shop_id, book, owner, asset, posted, held, floor)
           values (:shop, 'fees', ledger.nobody(), 'CNY', 0, 0, 1)""",
        "check constraint",
    ),
    "delete an account": ("delete from ledger.accounts", "never removed|permission"),
    "truncate accounts": ("truncate ledger.accounts cascade", "never removed|permission"),
    "make up a delta": (
        """insert into ledger.deltas (shop_id, book, asset, units)
           values (:shop, 'wechat', 'CNY', 5)""",
        "balances move with legs",
    ),
    "change a delta": ("update ledger.deltas set units = 1", "only rolled up"),
    "lose the deltas": ("truncate ledger.deltas", "only rolled up|permission"),
    "hold more than there is": (
        """insert into ledger.holds
             (shop_id, hold_id, key, book, owner, asset, units, state, held_at)
           values (:shop, gen_random_uuid(), 'x', 'principal', :member, 'CNY', 401, 'pending',
             now())""",
        "balance is short",
    ),
    "hold what never was": (
        f"""insert into ledger.holds
              (shop_id, hold_id, key, book, owner, asset, units, state, held_at)
            values (:shop, gen_random_uuid(), 'x', 'principal', '{OTHER}', 'CNY', 1, 'pending',
              now())""",
        "foreign key|without an account",
    ),
    "a hold that begins at its end": (
        """insert into ledger.holds (shop_id, hold_id, key, book, owner, asset, units, state,
             held_at, ended_at)
           values (:shop, gen_random_uuid(), 'x', 'principal', :member, 'CNY', 1, 'voided',
             now(), now())""",
        "begins pending",
    ),
    "revive a hold": (
        """update ledger.holds set state = 'pending', ended_at = null where state = 'voided'""",
        "ends once",
    ),
    "shrink a hold": ("update ledger.holds set units = 1 where state = 'pending'", "keeps its"),
    "post a hold without an entry": (
        "update ledger.holds set state = 'posted', ended_at = now() where state = 'pending'",
        "check constraint",
    ),
    "delete a hold": ("delete from ledger.holds", "never removed|permission"),
    "truncate holds": ("truncate ledger.holds", "never removed|permission"),
}


class Standing:
    """A shop with a member of 500, of which 100 are held, a voided hold, and a payment."""

    def __init__(self, shop: ShopId, member: UUID, entry: UUID) -> None:
        self.shop, self.member, self.entry = shop, member, entry

    def filled(self, sql: str) -> str:
        for name in ("shop", "member", "entry"):
            value = getattr(self, name)
            text = str(value) if name == "shop" else f"'{value}'"
            sql = re.sub(rf"(?<!:):{name}\b", text, sql)
        return sql


@pytest.fixture
async def standing(database: Database, shop: ShopId) -> Standing:
    member = new_id()
    async with transaction(shop) as tx:
        entry = await ledger.post(tx, payment(700))
        await ledger.post(tx, top_up(member, 500))
        for key, amount in (("stays", 100), ("goes", 50)):
            held = await ledger.hold(tx, key=key, book=Book.PRINCIPAL, owner=member, amount=amount)
        await ledger.void_hold(tx, held)
    return Standing(shop, member, entry)


async def session(cluster: Cluster, database: Database, role: str, shop: ShopId) -> Any:
    """A raw session in a role."""
    async with database.pool.acquire() as connection:
        name = await connection.fetchval("select current_database()")
    if role == "superuser":
        admin = cluster.admin_url().replace("/postgres?", f"/{name}?")
        raw = await asyncpg.connect(admin)
        await raw.execute("set session_replication_role = replica")
    elif role == "owner":
        raw = await asyncpg.connect(cluster.owner_url(name))
    else:
        raw = await asyncpg.connect(cluster.url(name))
        await raw.execute(f"set role {role}")
    await raw.execute(f"set siyu.shop_id = '{shop}'")
    return raw


@pytest.fixture
async def sessions(
    cluster: Cluster, database: Database, standing: Standing
) -> AsyncIterator[dict[str, Any]]:
    opened = {role: await session(cluster, database, role, standing.shop) for role in ROLES}
    yield opened
    for raw in opened.values():
        await raw.close()


async def test_every_attack_is_refused_to_everybody_and_changes_nothing(
    sessions: dict[str, Any], standing: Standing
) -> None:
    owner = sessions["owner"]
    tables = ("entries", "legs", "accounts", "deltas", "holds")

    async def picture() -> list[Any]:
        return [
            await owner.fetch(f"select * from ledger.{t} where shop_id = $1 order by 1, 2, 3",
                              standing.shop)
            for t in tables
        ]  # fmt: skip

    before = await picture()
    passed = []
    for role, raw in sessions.items():
        for name, (sql, reason) in ATTACKS.items():
            try:
                async with raw.transaction():
                    await raw.execute(standing.filled(sql))
                passed.append(f"{role}: {name}")
            except asyncpg.PostgresError as error:
                if not re.search(reason, str(error)):
                    passed.append(f"{role}: {name} was refused for: {error}")
    assert passed == []
    assert await picture() == before
    await truths_hold(standing.shop)


async def test_a_fair_entry_by_raw_sql_keeps_the_books(
    sessions: dict[str, Any], standing: Standing
) -> None:
    """The control: what is refused above is refused for its fault, not for being raw SQL."""
    sql = whole(leg(1, "principal", 400, owner=":member"), leg(2, "sales", -400))
    for role, raw in sessions.items():
        change = raw.transaction()
        await change.start()
        await raw.execute(standing.filled(sql))
        left = await raw.fetchval(
            "select posted - held from ledger.accounts where owner = $1", standing.member
        )
        assert left == 0, role
        await change.rollback()


async def test_a_deleted_delta_is_in_its_account(
    sessions: dict[str, Any], standing: Standing
) -> None:
    async with transaction(standing.shop) as tx:
        before = await ledger.balance(tx, Book.WECHAT)
    await sessions["siyu_app"].execute("delete from ledger.deltas")
    async with transaction(standing.shop) as tx:
        assert await tx.value("select count(*) from ledger.deltas") == 0
        assert await ledger.balance(tx, Book.WECHAT) == before
        assert before.posted == 1200
    await truths_hold(standing.shop)


async def test_the_tables_know_the_chart_of_accounts(database: Database) -> None:
    async with database.pool.acquire() as connection:
        for book, words in BOOKS.items():
            side, owned = await connection.fetchrow(
                "select ledger.side($1), ledger.is_owned($1)", book
            )
            assert (side, owned) == (words.side, words.is_owned), book
    assert set(BOOKS) == set(Book)
