"""F001, F006, F009, F014: WeChat's own schedule of repeats against our callback, on a turned clock.

Sandbox and shop stand in one process; the wire between them can lose our answers.
"""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from siyu.kernel import clock, config, jobs
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId
from siyu.money.payments import background
from siyu.sandbox.app import SandboxSettings, create_sandbox
from siyu.sandbox.client import SandboxClient
from siyu.sandbox.notify import SCHEDULE_SECONDS
from siyu.sandbox.world import open_world
from siyu.wechat.transport.service import calling
from tests.money.payments.bench import Market, callback_app, configure, leave_the_others

URL = "http://sandbox.test"


@dataclass
class Wire:
    """Carries WeChat's requests to the shop; `lost` answers are replaced by a gateway error."""

    lost: int = 0
    answers: list[int] = field(default_factory=list)
    inner: httpx.ASGITransport = field(default_factory=lambda: httpx.ASGITransport(callback_app()))

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        await answer.aread()
        self.answers.append(answer.status_code)
        if self.lost > 0:
            self.lost -= 1
            return httpx.Response(502)
        return httpx.Response(answer.status_code)


@dataclass
class Street:
    """The market, and the wire on which its news come."""

    market: Market
    wire: Wire

    async def inbox(self) -> int:
        async with reading(self.market.shop_id) as tx:
            sql = "select count(*) from kernel.inbox where shop_id = $1"
            return int(await tx.value(sql, self.market.shop_id))


@pytest.fixture(scope="module")
def sandbox_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sandbox's first state, made once: its keys cost time."""
    home = tmp_path_factory.mktemp("sandbox")
    open_world(SandboxSettings(data_dir=home)).store.close()
    return home / "sandbox.sqlite"


@pytest.fixture
async def street(shop: ShopId, tmp_path: Path, sandbox_file: Path) -> AsyncIterator[Street]:
    shutil.copy(sandbox_file, tmp_path)
    before, shift = config.settings(), clock.shift()
    new = msgspec.structs.replace(
        before, sandbox_url=URL, data_dir=tmp_path, public_url="http://shop.test"
    )
    config.use(new)
    wire = Wire()
    sandbox = httpx.ASGITransport(
        create_sandbox(SandboxSettings(data_dir=tmp_path), httpx.MockTransport(wire))
    )
    await leave_the_others(shop)
    await calling.close()
    calling._lanes.clear()  # what another test broke
    calling.use_network(sandbox)
    async with SandboxClient(URL, sandbox) as person:
        keys = await person.credentials()
        await configure(shop, keys)
        code = await person.login_code("p1", keys["appid"])
        query = {"appid": keys["appid"], "secret": keys["secret"], "js_code": code}
        async with httpx.AsyncClient(transport=sandbox, base_url=URL) as http:
            query["grant_type"] = "authorization_code"
            openid = (await http.get("/sns/jscode2session", params=query)).json()["openid"]
        yield Street(Market(shop, person, keys, openid), wire)
    await calling.close()
    clock.advance(shift - clock.shift())
    config.use(before)


async def pay_for(street: Street, **change: Any) -> Any:
    """An order that is begun and paid; WeChat's news are not delivered yet."""
    payable = street.market.payable(**change)
    _, ticket = await street.market.begin(payable)
    await street.market.pay(ticket)
    return payable


async def pass_schedule(street: Street) -> None:
    """Let the whole official schedule go by: 15 repeats in 24 hours and 4 minutes."""
    await street.market.person.deliver()
    for seconds in SCHEDULE_SECONDS:
        clock.advance(timedelta(seconds=seconds + 1))
        await street.market.person.deliver()


async def test_F001_sixteen_deliveries_of_the_official_schedule_book_once(street: Street) -> None:
    payable = await pay_for(street)
    street.wire.lost = 100
    await pass_schedule(street)
    assert street.wire.answers == [204] * 16, "each is accepted, whatever became of our answer"
    assert await street.inbox() == 1
    await jobs.drain()
    assert await street.market.states(payable.order_id) == ["paid"]
    assert len(await street.market.successes()) == 1


async def test_F001_once_accepted_it_is_not_sent_again(street: Street) -> None:
    await pay_for(street)
    await pass_schedule(street)
    assert street.wire.answers == [204]


async def test_F014_what_the_schedule_lost_was_found_by_asking_long_before(street: Street) -> None:
    payable = await pay_for(street)
    await street.market.fault("drop", "notify", times=None)
    clock.advance(timedelta(seconds=11))
    await background.follow_up_due()
    await pass_schedule(street)
    assert street.wire.answers == []
    assert await street.market.states(payable.order_id) == ["paid"]


@pytest.mark.parametrize(
    ("fault", "options", "answers"),
    [
        ("probe", {}, [401, 204]),
        ("bad_signature", {}, [401, 204]),
        ("skewed_time", {"seconds": 600}, [401, 204]),
        ("repeat", {"copies": 3}, [204] * 4),
        ("repeat", {"copies": 3, "together": True}, [204] * 4),
        ("delay", {"seconds": 40}, [204]),
    ],
)
async def test_F006_F009_the_sandbox_finds_no_fault_with_our_callback(
    street: Street, fault: str, options: dict[str, Any], answers: list[int]
) -> None:
    if fault == "delay":
        await street.market.fault(fault, "notify", **options)
    payable = await pay_for(street)
    if fault != "delay":
        await street.market.fault(fault, "notify", **options)
    await pass_schedule(street)
    assert street.wire.answers == answers
    await jobs.drain()
    assert len(await street.market.successes()) == 1
    assert await street.market.states(payable.order_id) == ["paid"]
    assert (await street.market.person.call("GET", "/conformance"))["passed"]


async def test_F004_a_validly_signed_other_amount_pays_no_order(street: Street) -> None:
    payable = await pay_for(street)
    await street.market.fault("tamper_amount", "notify", fen=-8799)
    await pass_schedule(street)
    await jobs.drain()
    [parked] = await street.market.parked()
    assert (parked.reason, parked.amount_fen) == ("wrong_amount", 1)
    assert await street.market.states(payable.order_id) == ["parked"]
    assert await street.market.successes() == []


async def test_news_out_of_order_belong_to_their_own_orders(street: Street) -> None:
    await street.market.fault("reorder", "notify")
    payables = [await pay_for(street, amount_fen=100 + number) for number in range(3)]
    await pass_schedule(street)
    await jobs.drain()
    events = await street.market.successes()
    assert sorted(event["amount_fen"] for event in events) == [100, 101, 102]
    for payable in payables:
        assert await street.market.states(payable.order_id) == ["paid"]
