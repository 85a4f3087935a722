"""Rules of tiers: those in force, their history, new ones."""

from datetime import date

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.people.profiles import queries, rules
from siyu.people.profiles.contracts import TierRules, TierVersion, VersionPassed

VERSIONS_SHOWN = 50
_SINCE = date(2026, 11, 1)
"""When these rules came with the program."""


async def get_rules(tx: ReadTx) -> TierVersion:
    """The rules in force; version 0 is what comes with every shop."""
    return (await list_rules(tx, 1))[0]


async def list_rules(tx: ReadTx, limit: int = VERSIONS_SHOWN) -> list[TierVersion]:
    """The rules in force and those before, newest first, down to what came with the shop."""
    own = await queries.list_rules(tx, limit)
    first = TierVersion(0, rules.DEFAULT_TIERS, "", "siyu", clock.day_start(_SINCE, "UTC"))
    return [*own, first][:limit]


async def set_rules(
    tx: Tx, actor: Actor, changed: TierRules, base_version: int, note: str
) -> TierVersion:
    """Put rules in force; everybody is judged by them within minutes.

    base_version: the version they were written from. Raises BadRule, VersionPassed.
    """
    rules.check_tiers(changed)
    before = await get_rules(tx)
    made = TierVersion(base_version + 1, changed, note, actor.actor_name, clock.now())
    if before.version != base_version or not await queries.insert_rules(tx, made):
        raise VersionPassed
    await queries.set_all_due(tx)
    audit(
        tx,
        actor,
        "profiles.tiers_changed",
        ("tier_rules", made.version),
        before={"version": before.version},
        after={"version": made.version, "note": note},
    )
    return made
