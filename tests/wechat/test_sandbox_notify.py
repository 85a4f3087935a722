"""Notifications: sealed, signed, repeated on the official schedule, with the ordered faults."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from siyu.kernel import clock
from siyu.sandbox.notify import SCHEDULE_SECONDS
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    ProbeRefused,
    Sealed,
    SignatureRefused,
)

from .conftest import Bench, attach, bench_on


async def pay(bench: Bench) -> str:
    """Somebody pays; the number of the order."""
    number, prepay_id = await bench.create()
    await bench.person.pay("p1", prepay_id)
    return number


def ring(bench: Bench) -> transport.KeyRing:
    keys = {bench.keys["public_key_id"]: bench.keys["public_key_pem"]} | bench.keys["certificates"]
    return transport.KeyRing(keys)


def opened(bench: Bench, request: httpx.Request) -> dict[str, Any]:
    """The resource, after its signature was checked."""
    transport.verify_headers(ring(bench), request.headers, request.content, clock.now())
    body = json.loads(request.content)
    resource = Sealed(**body["resource"])
    return dict(json.loads(transport.unseal(resource, bench.keys["api_v3_key"])))


async def test_a_notification_tells_what_the_query_tells(bench: Bench) -> None:
    number = await pay(bench)
    assert await bench.person.deliver() == 1
    [request] = bench.shop.requests
    body = json.loads(request.content)
    assert (body["event_type"], body["resource_type"]) == (
        "TRANSACTION.SUCCESS",
        "encrypt-resource",
    )
    assert body["id"].startswith("EV-") and body["create_time"].endswith("+08:00")
    assert body["resource"]["original_type"] == "transaction"
    assert opened(bench, request) == await bench.query(number)
    [notice] = await bench.person.notifications(number)
    assert (notice["state"], notice["next_at"]) == ("delivered", None)
    assert await bench.person.deliver() == 0


@pytest.mark.parametrize("status", [200, 204])
async def test_only_200_and_204_accept(bench: Bench, status: int) -> None:
    bench.shop.answers = [201, 302, 404, 500, status]
    number = await pay(bench)
    at = clock.now()
    for wait in (0, *SCHEDULE_SECONDS[:4]):
        at += timedelta(seconds=wait + 1)
        with clock.turned(at):
            await bench.person.deliver()
    [notice] = await bench.person.notifications(number)
    assert [one["status"] for one in notice["tries"]] == [201, 302, 404, 500, status]
    assert (notice["state"], notice["failures"]) == ("delivered", 4)


async def test_the_official_schedule_then_silence(bench: Bench) -> None:
    bench.shop.answers = [500] * 99
    number = await pay(bench)
    at = clock.now()
    with clock.turned(at):
        await bench.person.deliver()
    for wait in SCHEDULE_SECONDS:
        with clock.turned(at + timedelta(seconds=wait - 2)):
            assert await bench.person.deliver() == 0
        at += timedelta(seconds=wait + 5)  # a slow machine tries a little later than it is told
        with clock.turned(at):
            assert await bench.person.deliver() == 1
    assert sum(SCHEDULE_SECONDS) == 24 * 3600 + 4 * 60
    with clock.turned(at + timedelta(days=3)):
        assert await bench.person.deliver() == 0
    [notice] = await bench.person.notifications(number)
    assert (notice["state"], len(notice["tries"])) == ("given_up", 16)
    ids = {json.loads(request.content)["id"] for request in bench.shop.requests}
    assert ids == {notice["notification_id"]}


async def test_time_can_be_compressed(sandbox_home: Path) -> None:
    """With the lifespan running, 15 s at 1000 times the speed pass in 15 ms."""
    with bench_on(sandbox_home, time_factor=1000) as (app, shop):
        async with attach(app, shop) as bench:
            shop.answers = [500, httpx.ConnectError("refused"), 500, 500]
            async with app.lifespan():
                number = await pay(bench)
                for _ in range(200):
                    [notice] = await bench.person.notifications(number)
                    if notice["state"] == "delivered":
                        break
                    await asyncio.sleep(0.02)
            assert [one["status"] for one in notice["tries"]] == [500, None, 500, 500, 200]
            assert "refused" in notice["tries"][1]["answer"]


async def test_an_answer_that_comes_too_late_is_none(sandbox_home: Path) -> None:
    with bench_on(sandbox_home, answer_timeout_seconds=0.05) as (app, shop):
        async with attach(app, shop) as bench:
            shop.pause_seconds = 0.2
            number = await pay(bench)
            await bench.person.deliver()
            [notice] = await bench.person.notifications(number)
            assert notice["tries"][0]["status"] is None
            assert (notice["state"], notice["tries"][0]["verdict"]) == ("waiting", "lost")


async def test_a_probe_comes_first_and_must_be_refused(bench: Bench) -> None:
    await bench.person.order_fault("probe")
    bench.shop.answers = [401, 200]
    number = await pay(bench)
    await bench.person.deliver()
    probe, genuine = bench.shop.requests
    with pytest.raises(ProbeRefused):
        transport.verify_headers(ring(bench), probe.headers, probe.content, clock.now())
    assert opened(bench, genuine)["out_trade_no"] == number
    report = await bench.person.call("GET", "/conformance")
    assert (report["passed"], report["refused_as_due"]) == (True, 1)


@pytest.mark.parametrize("kind", ["probe", "bad_signature"])
async def test_accepting_a_forgery_is_a_failed_check(bench: Bench, kind: str) -> None:
    await bench.person.order_fault(kind)
    number = await pay(bench)
    await bench.person.deliver()
    report = await bench.person.call("GET", "/conformance")
    assert report["passed"] is False
    [failure] = report["failures"]
    assert (failure["verdict"], failure["status"]) == ("conformance_failed", 200)
    await bench.person.call("POST", f"/notifications/{failure['notification_id']}/send")
    await bench.person.deliver()
    assert (await bench.person.notifications(number))[0]["state"] == "delivered"


async def test_lost_notifications_come_again(bench: Bench) -> None:
    await bench.person.order_fault("drop", times=2)
    number = await pay(bench)
    for seconds in (0, 16, 32):
        with clock.turned(clock.now() + timedelta(seconds=seconds)):
            await bench.person.deliver()
    assert len(bench.shop.requests) == 1
    [notice] = await bench.person.notifications(number)
    assert [one["kind"] for one in notice["tries"]] == ["dropped", "dropped", "genuine"]


async def test_all_lost(bench: Bench) -> None:
    await bench.person.order_fault("drop", times=None)
    await pay(bench)
    at = clock.now()
    for wait in (0, *SCHEDULE_SECONDS):
        at += timedelta(seconds=wait + 1)
        with clock.turned(at):
            await bench.person.deliver()
    assert bench.shop.requests == []


async def test_a_delayed_one(bench: Bench) -> None:
    await bench.person.order_fault("delay", seconds=120)
    await pay(bench)
    assert await bench.person.deliver() == 0
    with clock.turned(clock.now() + timedelta(seconds=121)):
        assert await bench.person.deliver() == 1


@pytest.mark.parametrize("together", [False, True])
async def test_repeats_carry_the_same_id(bench: Bench, together: bool) -> None:
    await bench.person.order_fault("repeat", copies=4, together=together)
    number = await pay(bench)
    await bench.person.deliver()
    assert len(bench.shop.requests) == 5
    assert len({json.loads(request.content)["id"] for request in bench.shop.requests}) == 1
    for request in bench.shop.requests:
        assert opened(bench, request)["out_trade_no"] == number


async def test_the_later_payment_is_told_first(bench: Bench) -> None:
    await bench.person.order_fault("reorder")
    first, second = await pay(bench), await pay(bench)
    await bench.person.deliver()
    await bench.person.deliver()
    told = [opened(bench, request)["out_trade_no"] for request in bench.shop.requests]
    assert told == [second, first]


async def test_held_back_alone_it_still_comes(bench: Bench) -> None:
    await bench.person.order_fault("reorder")
    await pay(bench)
    assert await bench.person.deliver() == 0
    with clock.turned(clock.now() + timedelta(seconds=61)):
        assert await bench.person.deliver() == 1


async def test_another_amount_validly_signed(bench: Bench) -> None:
    await bench.person.order_fault("tamper_amount", fen=-8799)
    number = await pay(bench)
    await bench.person.deliver()
    resource = opened(bench, bench.shop.requests[0])
    assert (resource["amount"]["total"], resource["amount"]["payer_total"]) == (1, 1)
    assert (await bench.query(number))["amount"]["total"] == 8800


@pytest.mark.parametrize("seconds", [600, -600])
async def test_a_time_outside_the_window(bench: Bench, seconds: int) -> None:
    await bench.person.order_fault("skewed_time", seconds=seconds)
    bench.shop.answers = [401]
    await pay(bench)
    await bench.person.deliver()
    [request] = bench.shop.requests
    with pytest.raises(SignatureRefused):
        transport.verify_headers(ring(bench), request.headers, request.content, clock.now())


async def test_while_migrating_both_keys_sign(sandbox_home: Path) -> None:
    with bench_on(sandbox_home, seed=7) as (app, shop):
        async with attach(app, shop) as bench:
            mchid = bench.keys["mchid"]
            await bench.person.call("PATCH", f"/merchants/{mchid}", {"signing": "mixed"})
            for _ in range(12):
                await pay(bench)
            await bench.person.deliver()
            serials = {request.headers["wechatpay-serial"] for request in shop.requests}
            assert serials == {bench.keys["public_key_id"], *bench.keys["certificates"]}
            for request in shop.requests:
                opened(bench, request)


async def test_everything_is_there_after_a_restart(sandbox_home: Path) -> None:
    """The first process ends without closing anything, a notification still to be delivered."""
    with bench_on(sandbox_home) as (app, shop):
        async with attach(app, shop) as bench:
            shop.answers = [500]
            number = await pay(bench)
            await bench.person.deliver()
            await bench.person.order_fault("drop", times=3)
            open_number, prepay_id = await bench.create()
            before = [await bench.query(number), await bench.query(open_number)]
            keys, openid = bench.keys, await bench.openid()
    with bench_on(sandbox_home) as (app, shop):
        async with attach(app, shop) as bench:
            assert bench.keys == keys
            assert await bench.openid() == openid
            assert [await bench.query(number), await bench.query(open_number)] == before
            await bench.person.call("DELETE", "/faults")
            with clock.turned(clock.now() + timedelta(seconds=16)):
                assert await bench.person.deliver() == 1
            assert opened(bench, shop.requests[0])["out_trade_no"] == number
            await bench.person.pay("p1", prepay_id)
            [message, _] = await bench.person.call("GET", "/people/p1/messages")
            assert json.loads(message["payload"])["out_trade_no"] == number


async def test_many_are_delivered_at_once_each_once(bench: Bench) -> None:
    numbers = [await pay(bench) for _ in range(30)]
    bench.shop.pause_seconds = 0.01
    await asyncio.gather(*(bench.person.deliver() for _ in range(4)))
    told = [opened(bench, request)["out_trade_no"] for request in bench.shop.requests]
    assert sorted(told) == sorted(numbers)
