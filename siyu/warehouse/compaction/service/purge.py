"""Taking rows out of the files: persons who are erased, what pages told of those who withdrew,
months a shop no longer keeps.

What is asked stands in the database first; whoever compacts carries it out, however often it is
interrupted.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import msgspec

from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import Erasure, LiveFile, Removals, Withdrawal
from siyu.warehouse.compaction.service.files import workbench
from siyu.warehouse.compaction.service.merge import merge_files
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import PERSON_JOINED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING_TO_REMOVE: set[tuple[str, str]] = set()
"""(path, reasons) that were looked into without a find; a file never changes."""


async def ask_erasure(shop_id: ShopId, person_no: int, actor: Actor) -> list[int]:
    """From now on nothing of a person is taken, and what there is goes with the next rounds.

    Also of the visitors that turned out to be this person; returns all their numbers. Safe to
    repeat. Opens its own transactions; the wish is audited. Raises Busy when writers do not pause.
    """
    persons = await _with_visitors(shop_id, person_no)
    async with tail.opened("begin; set local lock_timeout = '2s'") as tx:
        new = await tail.forget_persons(tx, shop_id, persons, actor.actor)
    tail.crash_point("purge.asked")
    if new:
        await _note_asked(shop_id, actor, "erasure", person_no, persons)
    return persons


async def ask_withdrawal(
    shop_id: ShopId,
    person_no: int,
    before: datetime,
    actor: Actor,
    *,
    said: datetime | None = None,
) -> list[int]:
    """As `ask_erasure`, but only of what pages told of a person before a moment: the consent to
    statistics was taken back. Questions leave it out from the commit on.

    said: when the person took it back; a wish noted since then stands as it is, done or not, so
    that a job that runs again has no file written anew. None: at `before`."""
    persons = await _with_visitors(shop_id, person_no)
    before_us = (before - _EPOCH) // timedelta(microseconds=1)
    said_us = before_us if said is None else (said - _EPOCH) // timedelta(microseconds=1)
    async with tail.opened("begin; set local lock_timeout = '2s'") as tx:
        new = await tail.forget_behaviour(tx, shop_id, persons, before_us, said_us)
    tail.crash_point("purge.asked")
    if new:
        await _note_asked(shop_id, actor, "withdrawal", person_no, persons)
    return persons


async def _note_asked(
    shop_id: ShopId, actor: Actor, wish: str, person_no: int, persons: list[int]
) -> None:
    async with transaction(shop_id) as tx:
        subject = ("person", person_no)
        audit(tx, actor, f"warehouse.{wish}_asked", subject=subject, after={"persons": persons})


async def _with_visitors(shop_id: int, person_no: int) -> list[int]:
    async with tail.snapshotting() as tx:
        told = await queries.list_joined_in_tail(tx, shop_id, PERSON_JOINED)
        files = await queries.list_live_files(tx)
        name = await queries.get_name_id(tx, PERSON_JOINED)
    own = [file for file in files if file.min_shop <= shop_id <= file.max_shop]
    paths = [str(tail.root() / file.path) for file in own]
    if paths and name is not None:
        with workbench() as (duck, _):
            told += duck.execute(
                f"""select at_us, event_no, person_no,
                      try_cast(json_extract_string(props, '$.joined_person_no') as bigint)
                    from {rules.read_parquet(paths)} where shop_id = ? and name_id = ?""",
                [shop_id, name],
            ).fetchall()
    # The last word about a number counts: a merge may have been undone since.
    last = {visitor: member for _, _, member, visitor in sorted(told, key=lambda row: row[:2])}
    found = [person_no]
    for member in found:
        found += sorted({v for v, m in last.items() if m == member and v and v not in found})
    return found


async def purge() -> int:
    """Write files anew without the rows that must go; returns how many were rewritten."""
    async with tail.opened() as tx:
        removals = await queries.get_removals(tx)
        files = await queries.list_live_files(tx)
    return sum([await merge_files([file], "purge") for file in _holding(files, removals)])


def _holding(files: Sequence[LiveFile], removals: Removals) -> list[LiveFile]:
    reason = rules.reason_sql(removals)
    if len(_NOTHING_TO_REMOVE) > 100_000:
        _NOTHING_TO_REMOVE.clear()
    found: list[LiveFile] = []
    doubtful = [
        file
        for file in files
        if rules.may_hold(file, removals) and (file.path, reason) not in _NOTHING_TO_REMOVE
    ]
    if not doubtful:
        return found
    with workbench() as (duck, _):
        for file in doubtful:
            if _holds(duck, file, reason):
                found.append(file)
            else:
                _NOTHING_TO_REMOVE.add((file.path, reason))
    return found


def _holds(duck: duckdb.DuckDBPyConnection, file: LiveFile, reason: str) -> bool:
    source = rules.read_parquet([str(tail.root() / file.path)])
    try:
        sql = f"select 1 from {source} where {reason} is not null limit 1"
        return duck.execute(sql).fetchone() is not None
    except duckdb.IOException:
        return False  # replaced meanwhile; what replaced it is in the next list


async def is_in_tail() -> bool:
    """Whether the open or a sealed slot holds something that must be forgotten."""
    async with tail.opened() as tx:
        return await queries.is_unwanted_in_tail(tx)


async def is_forgetting() -> bool:
    """Whether somebody waits to be forgotten."""
    async with tail.opened() as tx:
        return bool(
            await queries.list_erasures(tx, done=False)
            or await queries.list_withdrawals(tx, done=False)
        )


async def finish_forgetting() -> int:
    """Mark the erasures and withdrawals as done of which nothing is left, in no file and no
    partition.

    Asks the books first (no partition of a closed slot, no file that does not count), then scans
    every file that may hold one of the persons. Returns how many persons are done.
    """
    async with tail.snapshotting() as tx:
        erasures = await queries.list_erasures(tx, done=False)
        withdrawals = await queries.list_withdrawals(tx, done=False)
        clean = await queries.is_swept(tx) and not await queries.is_unwanted_in_tail(tx)
        files = await queries.list_live_files(tx)
        removals = await queries.get_removals(tx)
    wanted = msgspec.structs.replace(removals, expired={})
    if not (erasures or withdrawals) or not clean or _holding(files, wanted):
        return 0
    tail.crash_point("purge.clean")
    shop_ids = {one.shop_id for one in erasures} | {one.shop_id for one in withdrawals}
    for shop_id in sorted(shop_ids):
        persons = [one.person_no for one in erasures if one.shop_id == shop_id]
        withdrawn = [one for one in withdrawals if one.shop_id == shop_id]
        # The audit comes first: after a crash in between it is written twice, never not at all.
        async with transaction(ShopId(shop_id)) as tx:
            for person_no in persons:
                audit(tx, System(), "warehouse.person_erased", subject=("person", person_no))
            for one in withdrawn:
                audit(tx, System(), "warehouse.behaviour_erased", subject=("person", one.person_no))
        async with tail.opened() as tx:
            await queries.finish_erasures(tx, shop_id, persons)
            await queries.finish_withdrawals(tx, shop_id, withdrawn)
    return len(erasures) + len(withdrawals)


async def list_withdrawals(shop_id: ShopId) -> list[Withdrawal]:
    """Who took back the consent to statistics, newest first."""
    async with tail.opened() as tx:
        return await queries.list_withdrawals(tx, done=None, shop_id=shop_id)


async def list_erasures(shop_id: ShopId) -> list[Erasure]:
    """Who asked a shop to be forgotten, newest first."""
    async with tail.opened() as tx:
        found = await queries.list_erasures(tx, done=None)
    return [erasure for erasure in found if erasure.shop_id == shop_id]


async def get_retention(shop_id: ShopId) -> int | None:
    """How many whole months a shop keeps beside the present one; None: everything."""
    async with tail.opened() as tx:
        return await queries.get_retention(tx, shop_id)


async def set_retention(shop_id: ShopId, keep_months: int | None, actor: Actor) -> None:
    """Keep events of the last so many months (1 to 240); older ones go with the next rounds.

    Opens its own transactions; audited.
    """
    before = await get_retention(shop_id)
    if before == keep_months:
        return
    async with transaction(shop_id) as tx:
        audit(
            tx,
            actor,
            "warehouse.retention_changed",
            subject=("shop", shop_id),
            before={"keep_months": before},
            after={"keep_months": keep_months},
        )
    async with tail.opened() as tx:
        await queries.set_retention(tx, shop_id, keep_months)
