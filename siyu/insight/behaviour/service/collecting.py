"""Taking events in."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.insight.behaviour import rules
from siyu.insight.behaviour.contracts import ClientEvent, CollectBody, Collected
from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import transaction
from siyu.kernel.errors import TooMany
from siyu.kernel.ids import ShopId
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.members import service as members
from siyu.people.privacy import service as privacy
from siyu.warehouse.registry import service as registry
from siyu.warehouse.registry.contracts import Reason
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, Reject

# Page views take at most two of the connections that checkout lives on.
_lookups = asyncio.Semaphore(2)


class Window:
    """At most `limit` calls per key in a minute, counted in this process; forgets old keys."""

    def __init__(self, limit: int, keys: int = 50_000) -> None:
        self.limit = limit
        self.keys = keys
        self._counts: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def forget(self) -> None:
        """Start anew."""
        self._counts.clear()

    def admit(self, key: Hashable) -> None:
        """Count a call. Raises TooMany."""
        minute, second = divmod(int(clock.monotonic()), 60)
        started, count = self._counts.pop(key, (minute, 0))
        count = count + 1 if started == minute else 1
        self._counts[key] = (minute, count)
        if len(self._counts) > self.keys:
            self._counts.popitem(last=False)
        if count > self.limit:
            raise TooMany(retry_after=60 - second)


per_visitor = Window(120)
per_address = Window(6_000)
forgetting = Window(60)


async def collect(
    shop_id: ShopId,
    member: MemberIdentity | None,
    body: CollectBody,
    *,
    address: str,
    channel: str,
) -> Collected:
    """Take a batch of events; returns when they are committed.

    Opens its own transactions: one short look at the consent, one shared with other requests for
    the events. Without consent nothing is kept and nothing is said about it. Raises TooMany for
    more than 120 batches a minute of one visitor or 6,000 of one address, and when the warehouse
    cannot keep up; the client then sends the same batch again later.
    """
    per_address.admit(address)
    per_visitor.admit((shop_id, body.visitor))
    events, rejects = _sort_out(shop_id, body)
    known = await _look_up(shop_id, member, body, {e.product_id for e in events if e.product_id})
    if known is None:
        return Collected(0, 0)
    person_no, product_numbers = known
    rows = []
    if events:
        rows = [
            rules.as_tail_event(
                event,
                shop_id=shop_id,
                person_no=person_no,
                channel=channel,
                product_numbers=product_numbers,
            )
            for event in events
        ]
        reasons = await registry.check(shop_id, rows)
        rejects += [
            Reject(
                shop_id=shop_id,
                reason=reason,
                sample=registry.sample_of(msgspec.to_builtins(event)),
                name="" if reason == Reason.TOO_MANY_NAMES else row.name,
            )
            for event, row, reason in zip(events, rows, reasons, strict=True)
            if reason
        ]
        rows = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    if rows:
        await tail.collect(Batch(source=shop_id, batch_key=body.batch_key, events=rows))
    await tail.reject(rejects)
    return Collected(len(rows), len(rejects))


async def forget(shop_id: ShopId, visitor: UUID, *, address: str) -> bool:
    """Forget a visitor without account; False: they are a member, who must say so themselves.

    Opens its own transaction. Raises TooMany for more than 60 a minute of one address."""
    forgetting.admit(address)
    async with transaction(shop_id) as tx:
        return await privacy.forget_visitor(tx, visitor)


def _sort_out(shop_id: ShopId, body: CollectBody) -> tuple[list[ClientEvent], list[Reject]]:
    now = clock.now()
    events, rejects = [], []
    for raw in body.events:
        try:
            events.append(rules.check_event(raw, now))
        except rules.Refused as refused:
            sample = registry.sample_of(raw)
            rejects.append(Reject(shop_id=shop_id, reason=str(refused), sample=sample))
    return events, rejects


async def _look_up(
    shop_id: ShopId, member: MemberIdentity | None, body: CollectBody, products: set[UUID]
) -> tuple[int, dict[UUID, int]] | None:
    """Whose events these are, and the numbers of the products; None without consent."""
    version = body.consent_version
    if member is None and (
        version is None or not await consents.counts_now(shop_id, Purpose.ANALYTICS, version)
    ):
        return None
    async with _lookups, transaction(shop_id) as tx:
        if member is None:
            person_no = (await members.persons_of_visitors(tx, [body.visitor]))[body.visitor]
        elif await consents.allows(tx, member.person_no, Purpose.ANALYTICS):
            person_no = member.person_no
            await members.join_visitor(tx, body.visitor, member.member_id, person_no)
        else:
            return None
        numbers = await catalog.product_numbers(tx, sorted(products)) if products else {}
        return person_no, numbers
