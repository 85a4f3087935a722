"""What the shop's client is to show, and what it has shown."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel import moment
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import SHOP, ShopIdentity, get, post
from siyu.kernel.ids import ShopId
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.experiments import service
from siyu.people.experiments.contracts import Experiment, Key, Surface, Variant
from siyu.people.members import service as members

LIVE_SECONDS = 5.0
"""So old may the list of what runs be in this process."""
_decode = msgspec.json.Decoder(list[Experiment]).decode


class ShownVariant(msgspec.Struct, frozen=True):
    """What to lay over what is there; an empty payload: nothing.

    is_settled: it was decided, and need not be told when shown.
    """

    key: str
    surface: Surface
    product_id: UUID | None
    arm: str
    payload: dict[str, Any]
    is_settled: bool


class ShownVariants(msgspec.Struct, frozen=True):
    """Everything that concerns the person; an experiment that is missing shows what is there."""

    items: list[ShownVariant]


class ShownBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came on the screen. visitor, consent_version: as in the collection of behaviour."""

    visitor: UUID
    consent_version: Annotated[str, Meta(max_length=64)] | None = None
    keys: Annotated[list[Key], Meta(min_length=1, max_length=20)]


def _views(variants: list[Variant]) -> ShownVariants:
    fields = ShownVariant.__struct_fields__
    return ShownVariants([ShownVariant(*(getattr(v, f) for f in fields)) for v in variants])


async def _live(shop_id: ShopId) -> list[Experiment]:
    async def make() -> bytes:
        async with reading(shop_id) as tx:
            return msgspec.json.encode(await service.list_live(tx))

    return _decode(await moment.keep(shop_id, "experiments", LIVE_SECONDS, make))


async def _agreed(shop_id: ShopId, version: str | None) -> bool:
    return version is not None and await consents.counts_now(shop_id, Purpose.ANALYTICS, version)


@get("/experiments", access=SHOP)
async def show_variants(
    shop: ShopIdentity,
    member: MemberIdentity | None,
    visitor: UUID | None = None,
    consent_version: Annotated[str | None, Parameter(max_length=64)] = None,
) -> ShownVariants:
    """What this person is shown. Without consent to analytics: what was decided, and no test.

    Nothing is counted by asking: the client tells what it has shown with POST
    /experiments/exposures. A visitor keeps the answer when they log in.
    """
    live = await _live(shop.shop_id)
    decided = [service.settled(one) for one in live if one.is_settled]
    if len(decided) == len(live):
        return _views(decided)
    if member is not None:
        async with reading(shop.shop_id) as tx:
            if not await consents.allows(tx, member.person_no, Purpose.ANALYTICS):
                return _views(decided)
            return _views(await service.list_variants(tx, member.person_no, live))
    if visitor is None or not await _agreed(shop.shop_id, consent_version):
        return _views(decided)
    async with transaction(shop.shop_id) as write:
        person_no = (await members.persons_of_visitors(write, [visitor]))[visitor]
        return _views(await service.list_variants(write, person_no, live))


@post("/experiments/exposures", access=SHOP)
async def tell_exposures(
    data: ShownBody, shop: ShopIdentity, member: MemberIdentity | None
) -> ShownVariants:
    """Tell what came on the screen; the first time fixes the person's arm. Returns what counts.

    The arm is worked out here, never taken from the client. Without consent nothing is kept.
    """
    if member is None and not await _agreed(shop.shop_id, data.consent_version):
        return ShownVariants([])
    async with transaction(shop.shop_id) as tx:
        if member is not None:
            shown = await service.expose(tx, member.person_no, data.keys)
        else:
            person_no = (await members.persons_of_visitors(tx, [data.visitor]))[data.visitor]
            shown = await service.expose(tx, person_no, data.keys, agreed=True)
    return _views(shown)


routes = [show_variants, tell_exposures]
