"""What a shop keeps, and whom it forgets."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from siyu.kernel.http import StaffIdentity, get, post, put, staff
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import service


class KeepingView(msgspec.Struct, frozen=True):
    """keep_months: whole months kept beside the present one; null keeps everything."""

    keep_months: int | None


class KeepingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As KeepingView."""

    keep_months: Annotated[int, Meta(ge=1, le=240)] | None


class ErasureBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to be forgotten."""

    person_no: Annotated[int, Meta(ge=1, le=2**40)]


class ErasureView(msgspec.Struct, frozen=True):
    """A person who is forgotten; done_at: when a scan found nothing left.

    scope: all events, or what their pages told before they withdrew the consent to statistics.
    """

    person_no: int
    scope: Literal["all", "behaviour"]
    asked_at: datetime
    done_at: datetime | None


class ErasuresView(msgspec.Struct, frozen=True):
    """All erasures and withdrawals of a shop, newest first."""

    items: list[ErasureView]


async def _erasures(shop_id: ShopId) -> ErasuresView:
    erased = await service.list_erasures(shop_id)
    withdrawn = await service.list_withdrawals(shop_id)
    found = [ErasureView(one.person_no, "all", one.asked_at, one.done_at) for one in erased]
    found += [
        ErasureView(one.person_no, "behaviour", one.asked_at, one.done_at) for one in withdrawn
    ]
    return ErasuresView(sorted(found, key=lambda one: one.asked_at, reverse=True))


@get("/event-keeping", access=staff("insight.read"))
async def get_event_keeping(staff: StaffIdentity) -> KeepingView:
    """How long the shop keeps its events."""
    return KeepingView(await service.get_retention(staff.shop_id))


@put("/event-keeping", access=staff("shop.write"))
async def set_event_keeping(data: KeepingBody, staff: StaffIdentity) -> KeepingView:
    """Keep the last so many months; older events go with the next rounds, for good. Audited."""
    await service.set_retention(staff.shop_id, data.keep_months, staff)
    return KeepingView(data.keep_months)


@get("/event-erasures", access=staff("members.read"))
async def list_event_erasures(staff: StaffIdentity) -> ErasuresView:
    """Persons whose events are taken out, and how far that is."""
    return await _erasures(staff.shop_id)


@post("/event-erasures", access=staff("members.write"), status_code=202)
async def erase_events(data: ErasureBody, staff: StaffIdentity) -> ErasuresView:
    """Forget a person and the visitors they were: their events are taken out of every file within
    minutes, and never taken again. Safe to repeat; audited."""
    await service.ask_erasure(staff.shop_id, data.person_no, staff)
    return await _erasures(staff.shop_id)


routes = [get_event_keeping, set_event_keeping, list_event_erasures, erase_events]
