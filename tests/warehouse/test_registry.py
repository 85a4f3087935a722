"""The registry: what registers itself, what is refused and counted, what the console is told."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from litestar import Router

from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.http import build_app
from siyu.merchant.shops import service as shops
from siyu.warehouse.compaction import http_admin as keeping
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.registry import http_admin, rules, service
from siyu.warehouse.registry.contracts import EventNeeded, EventUnknown, Kind, Reason
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, Reject
from tests.structure.test_events import all_events
from tests.warehouse.support import DAY_US, check_invariants, event, rows, write

NOW_US = int(datetime.now(UTC).timestamp() * 1_000_000)


async def take(shop, *events) -> list[Reason | None]:
    """As a collector does: refused ones are left out, the others written."""
    reasons = await service.check(shop, events)
    taken = [one for one, reason in zip(events, reasons, strict=True) if reason is None]
    if taken:
        await write(Batch(source=shop, batch_key=uuid4(), events=taken))
    return reasons


def own(name: str = "custom.tasting", shop: int = 1, person: int = 1, **props):
    return event(person, NOW_US, name=name, shop=shop, props=props)


async def test_names_and_properties_register_themselves(warehouse, shop):
    assert await take(shop, own(shop=shop, tea="龙井", cups=2), own(shop=shop, paid=True)) == [
        None,
        None,
    ]
    [found] = await service.list_types(shop)
    assert (found.name, found.events, found.properties) == ("custom.tasting", [0] * 6 + [2], 3)
    kinds = {one.prop: one.kinds for one in await service.list_properties(shop, found.name)}
    assert kinds == {"tea": ["text"], "cups": ["integer"], "paid": ["flag"]}
    assert await service.list_types(type(shop)(shop + 1)) == []


async def test_what_is_known_costs_no_transaction(warehouse, shop):
    await take(shop, own(shop=shop, tea="x"))
    with db.recorded() as statements:
        await service.check(shop, [own(shop=shop, tea="y")])
    assert statements == []


async def test_a_shop_has_room_for_so_many_names_and_an_event_for_so_many_properties(
    warehouse, shop, monkeypatch
):
    for module in (service, service.queries):
        monkeypatch.setattr(module, "MAX_NAMES", 3)
        monkeypatch.setattr(module, "MAX_PROPS", 2)
    many = [own(f"custom.n{n}", shop=shop) for n in range(5)]
    reasons = await asyncio.gather(*(service.check(shop, many[n:] + many[:n]) for n in range(5)))
    assert all(one.count(None) == 3 for one in reasons)
    assert {reason for one in reasons for reason in one} == {None, Reason.TOO_MANY_NAMES}
    assert await take(shop, own("behaviour.view", shop=shop, a=1, b=1)) == [None]
    assert await take(shop, own("behaviour.view", shop=shop, c=1)) == [Reason.TOO_MANY_PROPS]
    assert await take(shop, own("behaviour.view", shop=shop, **{"a b": 1})) == [Reason.PROP_NAME]
    assert len(await rows("select prop from warehouse.event_property")) == 2


async def test_a_blocked_event_is_dropped_and_a_declared_type_is_kept_to(warehouse, shop):
    await take(shop, own(shop=shop, cups=2))
    change = {"titles": ("品茶", ""), "is_hidden": False}
    await service.change_property(
        shop, "custom.tasting", "cups", System(), declared=Kind.INTEGER, **change
    )
    assert await take(
        shop,
        own(shop=shop, cups="2"),
        own(shop=shop, cups=3),
        own(shop=shop, cups=True),
        own(shop=shop, cups=None),
    ) == [Reason.TYPE, None, Reason.TYPE, None]
    await service.change_type(shop, "custom.tasting", System(), is_blocked=True, **change)
    assert await take(shop, own(shop=shop, cups=3)) == [Reason.BLOCKED]
    [found] = await service.list_types(shop)
    assert (found.title_zh, found.is_blocked, sum(found.events)) == ("品茶", True, 3)


async def test_events_that_figures_stand_on_are_not_blocked(warehouse, shop):
    await write(Batch(source=0, batch_key=uuid4(), events=[own("ordering.order_paid", shop=shop)]))
    change = {"titles": ("", ""), "is_hidden": True}
    with pytest.raises(EventNeeded):
        await service.change_type(shop, "ordering.order_paid", System(), is_blocked=True, **change)
    await service.change_type(shop, "ordering.order_paid", System(), is_blocked=False, **change)
    [found] = await service.list_types(shop)
    assert (found.is_hidden, found.is_blocked) == (True, False)
    with pytest.raises(EventUnknown):
        await service.change_type(shop, "custom.never", System(), is_blocked=True, **change)


@pytest.mark.parametrize(
    ("value", "declared", "fits"),
    [
        (1, Kind.NUMBER, True),
        (1.5, Kind.NUMBER, True),
        (1.5, Kind.INTEGER, False),
        (True, Kind.INTEGER, False),
        (True, Kind.FLAG, True),
        ("", Kind.TEXT, True),
        (None, Kind.FLAG, True),
        ([1], Kind.TEXT, False),
        ({"a": 1}, None, True),
    ],
)
def test_which_values_fit_a_declared_type(value, declared, fits):
    assert rules.fits(value, declared) is fits


async def test_volumes_are_exact_before_and_after_compaction_and_sent_again(warehouse, shop):
    batch = Batch(
        source=shop,
        batch_key=uuid4(),
        events=[event(1, NOW_US - days * DAY_US, name="x", shop=shop) for days in (0, 0, 1, 6, 7)],
    )
    for _ in range(2):
        await write(batch)
    await write(Batch(source=shop, batch_key=uuid4(), events=[own("y", shop=shop)]))
    for _ in range(2):
        found = await service.list_types(shop)
        assert [(one.name, one.events) for one in found] == [
            ("x", [1, 0, 0, 0, 0, 1, 2]), ("y", [0] * 6 + [1])
        ]  # fmt: skip
        await compaction.compact()
    assert await rows("select count(*) from warehouse.event_count") == [(0,)]


async def test_samples_are_what_three_persons_have_in_common(warehouse, shop):
    events = [
        own("custom.s", shop=shop, person=n, tea="龙井", phone=f"138{n:08}") for n in range(1, 4)
    ]
    events += [own("custom.s", shop=shop, person=1, tea="普洱")] * 9
    events += [own("custom.s", shop=shop, person=n, zone="首页", dwell_ms=n) for n in range(1, 4)]
    await take(shop, *events)
    await compaction.compact()
    found = {one.prop: one for one in await service.list_properties(shop, "custom.s")}
    assert {prop: one.samples for prop, one in found.items()} == {
        "tea": ["龙井"], "phone": [], "zone": ["首页"], "dwell_ms": []
    }  # fmt: skip
    assert found["phone"].distinct_values == 3
    assert found["dwell_ms"].kinds == ["integer"]


@pytest.mark.parametrize(
    ("raw", "shape"),
    [
        ({"name": "buy", "phone": "13812345678"}, '{"name":"buy","phone":"text(11)"}'),
        ({"name": "王小明"}, '{"name":"text(3)"}'),
        ({"name": "u13812345678"}, '{"name":"text(12)"}'),
        (
            {"13812345678": 1, "a": [13812345678, None]},
            '{"text(11)":"integer","a":["integer",null]}',
        ),
        ({"a": {"b": {"c": {"d": "x"}}}}, '{"a":{"b":{"c":"nested"}}}'),
        ({"at": 1.5, "ok": True}, '{"at":"number","ok":true}'),
    ],
)
def test_samples_of_refused_events_hold_nobodys_data(raw, shape):
    assert rules.sample_of(raw) == shape


async def test_refusals_are_counted_by_day_reason_and_name(warehouse, shop):
    one = Reject(shop_id=shop, reason="type", sample="{}", name="custom.a")
    await tail.reject([one] * 25)
    await asyncio.gather(*(tail.reject([one]) for _ in range(5)))
    assert [(c.reason, c.name, c.events) for c in await service.list_reject_counts(shop, 1)] == [
        ("type", "custom.a", 30)
    ]
    assert len(await service.list_reject_samples(shop, "type", 100)) == 25
    assert await service.list_reject_samples(shop, "blocked", 100) == []


def test_every_event_of_the_program_is_described_in_both_languages():
    assert {kind.name for kind in all_events()} <= set(rules.CATALOGUE)
    assert all(chinese and english for chinese, english in rules.CATALOGUE.values())


# --- the console ------------------------------------------------------------------------------


@pytest.fixture
async def console(shop, warehouse):
    class Hooks:
        resolve_shop = staticmethod(shops.resolve_shop)

        async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity:
            return StaffIdentity(uuid4(), uuid4(), shop, "小店员", frozenset(token.split("+")))

    app = build_app(
        [Router("/admin/v1", route_handlers=[*http_admin.routes, *keeping.routes])], Hooks()
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="https://shop.test/admin/v1",
        headers={"X-Siyu-Shop": "x", "Accept-Language": "zh-CN"},
        cookies={"siyu": "insight.read+shop.write+members.read+members.write"},
    ) as client:
        yield client


async def send(console, *events, key=None) -> dict:
    body = {"batch_key": str(key or uuid4()), "events": list(events)}
    answer = await console.post("/events", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def booking(**more) -> dict:
    at = datetime.now(UTC) - timedelta(minutes=1)
    return {"name": "custom.booked", "at": at.isoformat(), "person_no": 3} | more


async def test_a_merchants_own_system_sends_events_once(console, shop):
    key = uuid4()
    old = booking(at=(datetime.now(UTC) - timedelta(days=31)).isoformat())
    future = booking(at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    for _ in range(2):
        assert await send(console, booking(props={"seat": 4}), old, future, key=key) == {
            "accepted": 1, "rejected": 2
        }  # fmt: skip
    assert await rows("select person_no, props from warehouse.event_tail") == [(3, {"seat": 4})]
    for bad in (booking(name="ordering.order_paid"), booking(props={"a": []}), booking(x=1)):
        body = {"batch_key": str(uuid4()), "events": [bad]}
        assert (await console.post("/events", json=body)).status_code == 422
    await check_invariants()


async def test_the_console_describes_types_and_blocks(console, shop):
    await send(console, booking(props={"seat": 4}))
    told = (await console.get("/events")).json()
    [found] = told["items"]
    assert (found["title"], found["events_7d"], found["is_custom"], told["custom_names"]) == (
        "custom.booked", 1, True, 1
    )  # fmt: skip
    path = "/events/custom.booked"
    words = {"title_zh": "预约", "title_en": "Booked", "is_hidden": False}
    answer = await console.put(path, json=words | {"is_blocked": False})
    assert answer.json()["items"][0]["title"] == "预约"
    answer = await console.put(f"{path}/properties/seat", json=words | {"declared": "text"})
    assert answer.json()["items"][0]["declared"] == "text"
    assert await send(console, booking(props={"seat": 4})) == {"accepted": 0, "rejected": 1}
    await console.put(path, json=words | {"is_blocked": True})
    assert await send(console, booking()) == {"accepted": 0, "rejected": 1}
    told = (await console.get("/event-rejects")).json()
    assert {(c["reason"], c["events"]) for c in told["counts"]} == {("type", 1), ("blocked", 1)}
    assert "4" not in told["samples"][1]["sample"]
    for path in ("/events/custom.no", "/events/custom.booked/properties/no"):
        body = words | ({"declared": None} if "properties" in path else {"is_blocked": False})
        assert (await console.put(path, json=body)).status_code == 404
    async with db.reading(shop) as tx:
        told = await tx.value("select count(*) from kernel.audit where action like 'warehouse.%'")
    assert told == 3


async def test_who_may_not_change_events_is_refused(console):
    console.cookies.set("siyu", "insight.read")
    body = {"title_zh": "", "title_en": "", "is_hidden": True, "is_blocked": True}
    assert (await console.put("/events/x", json=body)).status_code == 403
    assert (await console.put("/event-keeping", json={"keep_months": 1})).status_code == 403
    assert (await console.post("/event-erasures", json={"person_no": 1})).status_code == 403


async def test_keeping_and_forgetting_over_http(console, shop):
    assert (await console.get("/event-keeping")).json() == {"keep_months": None}
    assert (await console.put("/event-keeping", json={"keep_months": 0})).status_code == 422
    assert (await console.put("/event-keeping", json={"keep_months": 12})).status_code == 200
    assert (await console.get("/event-keeping")).json() == {"keep_months": 12}
    await send(console, booking())
    answer = await console.post("/event-erasures", json={"person_no": 3})
    assert [one["done_at"] for one in answer.json()["items"]] == [None]
    await compaction.run_round()
    [done] = (await console.get("/event-erasures")).json()["items"]
    assert done["person_no"] == 3
    assert done["done_at"] is not None
    assert date.fromisoformat(done["done_at"][:10]) >= date.fromisoformat(done["asked_at"][:10])
