"""Questions that travel together are answered as if each had gone alone."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest

from siyu.kernel import db
from siyu.kernel.audit import System, audit
from siyu.kernel.db import ReadTx, Tx, transaction
from siyu.kernel.events import Event, emit_many
from siyu.kernel.idempotency import OnceKey, Recalled, claim_many
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.together import Together


class Row(msgspec.Struct, frozen=True):
    """One of each kind of value that travels."""

    no: int
    text: str | None
    id: UUID
    at: datetime
    parts: list[str]
    told: dict[str, int]
    is_so: bool


async def rows(tx: ReadTx, count: int, mark: UUID) -> list[Row]:
    return await tx.all(
        Row,
        """select no, case when no > 1 then '茶"' || no end as text, $2::uuid as id,
             timestamptz '2026-11-23 01:02:03.000004+00' as at, array['a', 'b,c'] as parts,
             jsonb_build_object('n', no) as told, no = $1 as is_so
           from generate_series($1::int, 1, -1) as s (no)""",
        count,
        mark,
    )


async def first(tx: ReadTx, count: int, mark: UUID) -> Row | None:
    found = await rows(tx, count, mark)
    return found[0] if found else None


async def one(tx: ReadTx, number: int) -> Any:
    return await tx.maybe(Row, "select 1 as no where $1::int > 0 and false", number)


async def twice(tx: Tx | Together, mark: UUID) -> tuple[int, int, int]:
    """Asks, writes, and asks for what it wrote."""
    before = await rows(tx, 2, mark)
    touched = await tx.run("set local siyu.mark = '7'")
    after = await tx.one(Number, "select current_setting('siyu.mark')::int as number")
    return len(before), touched, after.number


class Number(msgspec.Struct, frozen=True):
    number: int


async def test_each_is_told_what_it_would_have_been_told_alone(shop: ShopId) -> None:
    a, b = new_id(), new_id()
    async with transaction(shop) as tx:
        alone = [await rows(tx, 3, a), await first(tx, 1, b), await first(tx, 0, a), None]
        with db.recorded() as trips:
            both = Together(tx)
            told = await both.answer(
                rows(both, 3, a), first(both, 1, b), first(both, 0, a), one(both, 1)
            )
        assert told == alone and len(trips) == 1
        assert [row.no for row in told[0]] == [3, 2, 1] and told[0][2].text is None
        assert (told[0][0].id, told[1].id) == (a, b), "each with its own arguments"


async def test_who_asks_again_is_answered_with_the_others_who_do(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        with db.recorded() as trips:
            both = Together(tx)
            told = await both.answer(
                twice(both, new_id()), rows(both, 1, new_id()), twice(both, new_id())
            )
        assert told[0] == told[2] == (2, 0, 7) and len(told[1]) == 1
        assert len(trips) == 4, "all questions, two writes one by one, two questions"
        assert await Together(tx).answer() == []


async def test_who_fails_takes_the_others_along(shop: ShopId) -> None:
    ended = []

    async def waits(tx: ReadTx) -> None:
        try:
            await rows(tx, 1, new_id())
        finally:
            ended.append(True)

    async def fails(tx: ReadTx) -> None:
        await rows(tx, 1, new_id())
        raise ValueError("no")

    async with transaction(shop) as tx:
        both = Together(tx)
        with pytest.raises(ValueError, match="no"):
            await both.answer(fails(both), waits(both))
    assert ended == [True]


class Poured(Event, frozen=True):
    """A cup was filled."""

    name: ClassVar[str] = "tests.poured"
    cup: str


AROUND = "with was as (select 1) select set_config('siyu.mark', $1, true) from was"


@pytest.mark.parametrize("audited", [False, True])
async def test_a_statement_takes_along_what_was_kept_for_the_end(
    shop: ShopId, audited: bool
) -> None:
    """Two events of one kind told at different times, one of another, and a key."""
    noon, once = datetime(2026, 11, 11, 12, tzinfo=UTC), OnceKey.of("tests", "k", "POST", "/", b"")
    made = new_id()
    async with transaction(shop) as tx:
        emit_many(tx, [Poured(cup="a\x1fb"), Poured(cup="茶")], [noon, noon + timedelta(seconds=1)])
        tx.keep_answers([(once, made)])
        if audited:
            audit(tx, System(), "tests.poured", ("cup", "1"))
        with db.recorded() as trips:
            await tx.run_and_flush(AROUND, "9")
        assert len(trips) == (2 if audited else 1)
        assert not tx.has_more
        assert await tx.value("select current_setting('siyu.mark')") == "9"
    async with transaction(shop) as tx:
        rows = await tx.connection.fetch(
            "select name, payload, happened_at from kernel.outbox order by event_id"
        )
        assert [tuple(row) for row in rows] == [
            ("tests.poured", {"cup": "a\x1fb"}, noon),
            ("tests.poured", {"cup": "茶"}, noon + timedelta(seconds=1)),
        ]
        (claim,) = await claim_many(tx, [once])
        assert isinstance(claim, Recalled) and claim.made == made
        assert (
            await tx.value("select count(*) from kernel.audit where subject_kind = 'cup'")
            == audited
        )
