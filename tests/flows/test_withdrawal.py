"""F090: a consent that is taken back is taken back everywhere, before a minute is over."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from litestar import Router

from siyu.insight.behaviour import http_shop as behaviour
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity, member_token
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.consents import http_shop as consents_shop
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel, Purpose
from siyu.people.members import service as members
from siyu.people.outreach import service as outreach
from siyu.people.profiles import service as profiles
from siyu.people.profiles.contracts import Condition
from siyu.people.segments import service as segments
from siyu.people.segments.contracts import FieldIs, Segment
from tests.people.outreach import kit
from tests.warehouse.conftest import warehouse

__all__ = ["warehouse"]
ASKED = (Purpose.MARKETING, Purpose.ANALYTICS)


@pytest.fixture
async def phone(shop: ShopId) -> AsyncIterator[httpx.AsyncClient]:
    """The phone of the shop's first person, who has agreed to everything."""
    async with transaction(shop) as tx:
        [person_no] = await kit.people(tx, 1)
        member_id = await kit.member_of(tx, person_no)
        await members.give_phone(tx, member_id, "+8613800000001")
        for one in await consents.list_consents(tx, person_no, "zh-CN"):
            await consents.decide(
                tx, person_no, one.purpose, text_version=one.text_version, granted=True,
                channel=Channel.H5, language="zh-CN",
            )  # fmt: skip
        code = (await shops.get_shop(tx)).code

    class Hooks:
        resolve_shop = staticmethod(shops.resolve_shop)

        async def load_staff(self, token: str, shop_code: str | None) -> None:
            return None

    lanes = [
        Router("/collect/v1", route_handlers=behaviour.collect_routes),
        Router("/shop/v1", route_handlers=consents_shop.routes),
    ]
    token = member_token(MemberIdentity(shop, member_id, person_no))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build_app(lanes, Hooks())),
        base_url="https://shop.test",
        headers={"X-Siyu-Shop": code, "Authorization": f"Bearer {token}"},
    ) as client:
        yield client


async def look(phone: httpx.AsyncClient) -> int:
    """Look at a page; how many events of it were kept."""
    event = {"name": "view", "at": clock.now().isoformat(), "page": "/pages/home/home"}
    body = {
        "batch_key": str(uuid4()), "visitor": str(uuid4()), "consent_version": None,
        "events": [event],
    }  # fmt: skip
    answer = await phone.post("/collect/v1", json=body)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["accepted"])


async def within_a_minute(shop: ShopId) -> None:
    """What the worker does in that time: it looks for work every five seconds."""
    clock.advance(timedelta(seconds=6))
    while await profiles.take_events(settled=False):
        pass
    while await profiles.refresh(shop):
        pass
    await segments.follow(shop)
    while await outreach.send_batch(shop, None):
        pass


async def inside(shop: ShopId, segment: Segment) -> bool:
    async with reading(shop) as tx:
        return await segments.is_member(tx, segment.segment_id, 1)


async def test_F090_what_is_withdrawn_is_withdrawn_everywhere(
    warehouse: Path, shop: ShopId, phone: httpx.AsyncClient
) -> None:
    async with transaction(shop) as tx:
        await kit.policy(tx, day=50, week=200, tired_at=100)
        ids = [await kit.template(tx, key, forms=[form]) for key, form in
               (("spring", kit.INBOX), ("by_sms", kit.SMS))]  # fmt: skip
    assert await look(phone) == 1
    await profiles.rebuild(shop, settled=False)
    rule = FieldIs(test=Condition(field="marketing_last_granted", op="eq", value=True))
    [audience] = await segments.judge_everybody(shop, [rule])
    async with transaction(shop) as tx:
        willing = await segments.save_rule(tx, System(), "愿意收消息", rule, audience, live=True)
    await within_a_minute(shop)
    assert await inside(shop, willing)
    before = [await kit.campaign(shop, one) for one in ids]
    for campaign_id in before:
        await outreach.plan_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"planned": 1}
    async with transaction(shop) as tx:
        single = await outreach.reach(tx, 1, "spring", {"what": "茶"})
    assert single is not None and single.state == "planned"

    said = {one["purpose"]: one for one in (await phone.get("/shop/v1/consents")).json()["items"]}
    for purpose in ASKED:
        body = {"text_version": said[purpose]["text_version"], "granted": False}
        answer = await phone.post("/shop/v1/consents", json={"purpose": purpose, **body})
        assert answer.status_code == 200, answer.text
    assert await look(phone) == 0, "collection ends at once"
    await within_a_minute(shop)
    for campaign_id in before:
        await outreach.run_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"refused:no_consent": 1}
    for template_id in ids:
        later = await kit.campaign(shop, template_id)
        await outreach.run_campaign(shop, later)
        assert await kit.counts(shop, later) == {"refused:no_consent": 1}
    assert not await inside(shop, willing)
    async with transaction(shop) as tx:
        assert await outreach.list_inbox(tx, 1, None, 10) == []
        anew = await outreach.reach(tx, 1, "spring", {"what": "茶"})
        assert anew is not None and anew.reason == "no_consent"
        owed = {"order_no": "A1", "order_id": "x", "amount": "12900"}
        told = await outreach.reach(tx, 1, "refund_arrived", owed)
        assert told is not None and told.state == "planned", "what is owed is still said"
        kept = await consents.list_decisions(tx, 1)
        _, profile = await profiles.get_profile(tx, await kit.member_of(tx, 1), reveals=True)
    assert [one.granted for one in kept if one.purpose in ASKED] == [False, False, True, True]
    assert not profile.tracks
