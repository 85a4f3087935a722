"""Old rows go, and nothing that somebody still needs."""

from datetime import timedelta
from typing import ClassVar

from siyu.kernel import clock
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.kernel.events import Event, emit
from siyu.kernel.housekeeping import forget_old_rows
from siyu.kernel.ids import ShopId
from siyu.kernel.relay import advance, read_outbox


class CupWashed(Event, frozen=True):
    name: ClassVar[str] = "tests.cup_washed"
    cup: int


async def _cups(shop: ShopId) -> list[int]:
    async with reading(shop) as tx:
        rows = await tx.value(
            "select array_agg((payload->>'cup')::int order by event_id) from kernel.outbox"
            " where name = 'tests.cup_washed'"
        )
    return rows or []


async def _read_all() -> None:
    async with system_transaction() as tx:
        readers = await tx.value("select array_agg(consumer) from kernel.outbox_cursor") or []
    for reader in {"relay", *readers}:
        more = True
        while more:
            async with system_transaction() as tx:
                rows = await read_outbox(tx, reader, settled=False)
                more = bool(rows)
                if rows:
                    await advance(tx, reader, rows[-1])


async def test_events_go_when_they_are_old_and_everybody_has_read_them(shop: ShopId) -> None:
    with clock.turned(clock.now() - timedelta(days=31)):
        async with transaction(shop) as tx:
            emit(tx, CupWashed(cup=1))
            quoted = emit(tx, CupWashed(cup=2))
    async with transaction(shop) as tx:
        emit(tx, CupWashed(cup=3), at=clock.now() - timedelta(days=4000))  # imported history
    await forget_old_rows()
    assert await _cups(shop) == [1, 2, 3]  # old, and unread

    await _read_all()
    async with transaction(shop) as tx:
        await tx.run(
            """insert into kernel.deliveries (shop_id, event_id, reaction, state)
               values ($1, $2, 'tests.wash', 'dead')""",
            shop,
            quoted,
        )
    await forget_old_rows()
    assert await _cups(shop) == [2, 3]  # 2 is what a dead delivery needs for its retry


async def test_done_deliveries_and_ended_keys_go_and_dead_ones_stay(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        cups = [emit(tx, CupWashed(cup=number)) for number in range(3)]
    async with transaction(shop) as tx:
        for event_id, state, days in zip(
            cups, ("done", "done", "dead"), (31, 29, 400), strict=True
        ):
            await tx.run(
                """insert into kernel.deliveries (shop_id, event_id, reaction, state, changed_at)
                   values ($1, $2, $3, $3, now() - make_interval(days => $4))""",
                shop,
                event_id,
                state,
                days,
            )
        for owner, hours in (("ended", -1), ("kept", 1)):
            await tx.run(
                """insert into kernel.idempotency
                     (shop_id, key_id, owner, fingerprint, expires_at, status, answer)
                   values ($1, gen_random_uuid(), $2, gen_random_uuid(),
                     now() + make_interval(hours => $3), 200, '')""",
                shop,
                owner,
                hours,
            )
    await forget_old_rows()
    async with reading(shop) as tx:
        kept = await tx.value("select array_agg(reaction order by reaction) from kernel.deliveries")
        keys = await tx.value("select array_agg(owner) from kernel.idempotency")
    assert kept == ["dead", "done"]
    assert keys == ["kept"]
