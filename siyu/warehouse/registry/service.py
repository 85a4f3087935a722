"""Verbs of the registry."""

from collections import OrderedDict
from collections.abc import Sequence

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.warehouse.registry import queries, rules
from siyu.warehouse.registry.contracts import (
    MAX_NAMES,
    MAX_PROPS,
    EventNeeded,
    EventType,
    EventUnknown,
    Health,
    Kind,
    Property,
    Reason,
    RejectCount,
    RejectSample,
    Seen,
    Title,
)
from siyu.warehouse.registry.rules import CATALOGUE, PROPERTIES, sample_of, title_of
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import TailEvent

__all__ = [
    "CATALOGUE",
    "PROPERTIES",
    "can_block",
    "change_property",
    "change_type",
    "check",
    "forget",
    "get_health",
    "list_properties",
    "list_reject_counts",
    "list_reject_samples",
    "list_titles",
    "list_types",
    "sample_of",
    "study",
    "title_of",
]

FRESH_S = 5.0
"""A decision in the console counts in every process after this many seconds."""
_SHOPS = 1_000
_rules: OrderedDict[int, tuple[float, rules.Rules]] = OrderedDict()


def forget() -> None:
    """Forget what shops have decided: another database is in use now."""
    _rules.clear()


async def _rules_of(shop_id: int, *, anew: bool = False) -> rules.Rules:
    kept = _rules.get(shop_id)
    if kept is not None and not anew and clock.monotonic() - kept[0] < FRESH_S:
        return kept[1]
    async with tail.opened() as tx:
        rows = await queries.list_known(tx, shop_id)
    found = rules.Rules({row.name for row in rows if row.is_blocked}, {})
    for row in rows:
        known = found.known.setdefault(row.name, {})
        if row.prop is not None:
            known[row.prop] = row.declared
    _rules[shop_id] = (clock.monotonic(), found)
    while len(_rules) > _SHOPS:
        _rules.popitem(last=False)
    return found


async def check(shop_id: ShopId, events: Sequence[TailEvent]) -> list[Reason | None]:
    """Why each event of a shop is refused; None for those that may be taken.

    New names and properties are registered first, within the limits. Opens its own transactions,
    and none at all for what is known and fresh.
    """
    known = await _rules_of(shop_id)
    new: dict[str, dict[str, set[str]]] = {}
    for event in events:
        props = event.props or {}
        if rules.news(event.name, props, known):
            kinds = new.setdefault(event.name, {})
            for prop, value in props.items():
                kinds.setdefault(prop, set()).add(rules.kind_of(value))
    if new and any(_has_room(name, props, known) for name, props in new.items()):
        async with tail.opened() as tx:
            await queries.register(tx, shop_id, new)
        known = await _rules_of(shop_id, anew=True)
    return [rules.refuse(event.name, event.props or {}, known) for event in events]


def _has_room(name: str, props: dict[str, set[str]], known: rules.Rules) -> bool:
    """Whether registering could help; a full registry must not cost a transaction per batch."""
    own = known.known.get(name)
    if own is None:
        custom = sum(map(rules.is_custom, known.known))
        return not rules.is_custom(name) or custom < MAX_NAMES
    return len(own) < MAX_PROPS and bool(props.keys() - own.keys())


async def study(tx: Tx, seen: Sequence[Seen]) -> None:
    """Add what the compactor saw of properties in a slot."""
    await queries.insert_seen(tx, seen)


async def list_types(shop_id: ShopId, days: int = 7) -> list[EventType]:
    """Events of a shop with their volume of the last days, most frequent first."""
    async with tail.opened() as tx:
        return await queries.list_types(tx, shop_id, days)


async def list_titles(shop_id: ShopId) -> list[Title]:
    """What a shop calls its own events and those it renamed or hid."""
    async with tail.opened() as tx:
        return await queries.list_titles(tx, shop_id)


async def list_properties(shop_id: ShopId, name: str) -> list[Property]:
    """Properties of an event. Raises EventUnknown."""
    async with tail.opened() as tx:
        if not await queries.is_seen(tx, shop_id, name):
            raise EventUnknown(name=name)
        return await queries.list_properties(tx, shop_id, name)


def can_block(name: str) -> bool:
    """Whether an event may be blocked: not those of the program, which figures stand on."""
    return name not in CATALOGUE or name.startswith("behaviour.")


async def change_type(
    shop_id: ShopId,
    name: str,
    actor: Actor,
    *,
    titles: tuple[str, str],
    is_hidden: bool,
    is_blocked: bool,
) -> None:
    """Describe, hide or block an event; audited.

    Raises EventUnknown, and EventNeeded for an event of the program that is to be blocked.
    """
    if is_blocked and not can_block(name):
        raise EventNeeded(name=name)
    async with tail.opened() as tx:
        if not await queries.is_seen(tx, shop_id, name):
            raise EventUnknown(name=name)
        await queries.put_type(tx, shop_id, name, titles, is_hidden, is_blocked)
    _rules.pop(shop_id, None)
    after = {"titles": titles, "is_hidden": is_hidden, "is_blocked": is_blocked}
    async with transaction(shop_id) as tx:
        audit(tx, actor, "warehouse.event_changed", subject=("event", name), after=after)


async def change_property(
    shop_id: ShopId,
    name: str,
    prop: str,
    actor: Actor,
    *,
    titles: tuple[str, str],
    is_hidden: bool,
    declared: Kind | None,
) -> None:
    """Describe, hide or type a property; audited. Raises EventUnknown."""
    async with tail.opened() as tx:
        if not await queries.put_property(tx, shop_id, name, prop, titles, is_hidden, declared):
            raise EventUnknown(name=name, prop=prop)
    _rules.pop(shop_id, None)
    after = {"titles": titles, "is_hidden": is_hidden, "declared": declared}
    subject = ("event", f"{name}.{prop}")
    async with transaction(shop_id) as tx:
        audit(tx, actor, "warehouse.property_changed", subject=subject, after=after)


async def list_reject_counts(shop_id: ShopId, days: int) -> list[RejectCount]:
    """Refusals of the last days by day, reason and name."""
    async with tail.opened() as tx:
        return await queries.list_reject_counts(tx, shop_id, days)


async def list_reject_samples(
    shop_id: ShopId, reason: str | None, limit: int
) -> list[RejectSample]:
    """The newest refused events, of one reason or all."""
    async with tail.opened() as tx:
        return await queries.list_reject_samples(tx, shop_id, reason, limit)


async def get_health() -> Health:
    """How far the compactor is behind, and what was refused."""
    async with tail.opened() as tx:
        return await queries.get_health(tx)
