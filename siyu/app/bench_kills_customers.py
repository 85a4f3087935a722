"""Customers whose phones repeat what was not answered, and what is known of who did not answer."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from siyu.sandbox.client import SandboxClient
from siyu.sandbox.people import PhoneError

PATIENCE_SECONDS = 60.0
HUSH_SECONDS = 20.0  # after so long without an answer it is looked who waits for what
REPEAT_SECONDS = 0.1


class Kept(msgspec.Struct):
    """What customers were told, and how often a phone was answered with a bug."""

    keys: int = 0
    orders: list[str] = []
    paid_fen: dict[str, int] = {}
    bugs: int = 0
    answered_at: float = 0.0
    """When the last request was sent that was answered well."""


class Refused(Exception):
    """The shop said no, for good."""

    def __init__(self, asked: str, answer: httpx.Response) -> None:
        super().__init__(f"{asked}: {answer.status_code} {answer.text[:300]}")
        self.status = answer.status_code


class Unanswered(TimeoutError):
    """Nobody answered in time; the message tells what came of each try."""

    def __init__(self, asked: str, tries: "Tries") -> None:
        super().__init__(f"{asked} was not answered: {tries}")


class Tries:
    """Until when somebody is patient, and what came of each try: equal ones in a row as one."""

    def __init__(self, look: Callable[[str], Awaitable[None]]) -> None:
        self._began = time.monotonic()
        self._look = look
        self._has_looked = False
        self._came: list[tuple[float, str, int]] = []

    def __str__(self) -> str:
        return ", ".join(f"{at:.1f} s: {what} ({count} x)" for at, what, count in self._came)

    async def again(self, asked: str, what: str) -> None:
        """After a try that came to nothing: wait a little; raises Unanswered at the end."""
        waited = time.monotonic() - self._began
        if self._came and self._came[-1][1] == what:
            at, _, count = self._came.pop()
            self._came.append((at, what, count + 1))
        else:
            self._came.append((waited, what, 1))
        if waited > PATIENCE_SECONDS:
            raise Unanswered(asked, self)
        if waited > HUSH_SECONDS and not self._has_looked:
            self._has_looked = True
            await self._look(f"{asked}: {self}")
        await asyncio.sleep(REPEAT_SECONDS)


class Customer:
    """Somebody who buys, pays, and whose phone repeats what was not answered."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        sandbox: SandboxClient,
        person_id: str,
        shop_code: str,
        appid: str,
        goods: Sequence[tuple[str, int]],
        look: Callable[[str], Awaitable[None]],
    ) -> None:
        self.http = http
        self.sandbox = sandbox
        self.person_id = person_id
        self.appid = appid
        self.goods = goods
        self.headers = {"X-Siyu-Shop": shop_code}
        self._look = look

    async def log_in(self) -> None:
        """wx.login, with a new code for each try; the token outlives the run."""
        for tries_left in reversed(range(5)):
            code = await self.sandbox.login_code(self.person_id, self.appid)
            body = {"code": code, "platform": "mp-weixin"}
            try:
                answer = await self.ask(Kept(), "/shop/v1/login", body)
            except Refused:
                if not tries_left:
                    raise
            else:
                self.headers["Authorization"] = f"Bearer {answer['token']}"
                return

    async def buy(self, kept: Kept, number: int) -> None:
        """Order one piece and pay for it; `kept` remembers what was acknowledged."""
        sku_id, price_fen = self.goods[number % len(self.goods)]
        body = {
            "source": "lines",
            "lines": [{"sku_id": sku_id, "quantity": 1}],
            "address_id": None,
            "remark": "",
            "expected_total_fen": price_fen,
            "platform": "mp-weixin",
        }
        kept.keys += 1
        order = await self.ask(kept, "/shop/v1/orders", body)
        kept.orders.append(order["order_id"])
        path = f"/shop/v1/orders/{order['order_id']}/pay"
        status = order["status"]
        if status == "pending_payment":
            started = await self.ask(kept, path, {"channel": "jsapi"})
            if started["jsapi"]:
                await self._pay(started["jsapi"])
        ends = time.monotonic() + PATIENCE_SECONDS
        while status == "pending_payment":
            assert time.monotonic() < ends, "a payment was not acknowledged"
            status = (await self.ask(kept, f"{path}/sync"))["order_status"]
        kept.paid_fen[order["order_id"]] = price_fen

    async def _pay(self, jsapi: dict[str, str]) -> None:
        arguments = {name: value for name, value in jsapi.items() if name != "appId"}
        tries = Tries(self._look)
        while True:
            try:
                await self.sandbox.request_payment(self.person_id, self.appid, arguments)
            except PhoneError as error:
                assert "已支付" in error.err_msg, error  # the answer of the first try was lost
            except httpx.TransportError as error:
                await tries.again("the pay sheet", type(error).__name__)
                continue
            return

    async def ask(self, kept: Kept, path: str, body: Any = None) -> Any:
        """A POST under a key of its own, repeated with it until there is an answer."""
        headers = {**self.headers, "Idempotency-Key": str(uuid4())}
        tries = Tries(self._look)
        while True:
            sent_at = time.monotonic()
            try:
                answer = await self.http.post(path, json=body, headers=headers)
            except httpx.TransportError as error:
                what = type(error).__name__
            else:
                if answer.is_success:
                    kept.answered_at = sent_at
                    return answer.json()
                kept.bugs += answer.status_code == 500
                if answer.status_code < 500 and not _runs_still(answer):
                    raise Refused(path, answer)
                what = f"{answer.status_code} {_code(answer)}"
            await tries.again(path, what)


def _runs_still(answer: httpx.Response) -> bool:
    """Whether the first request under this key goes on, without the connection it came by."""
    return answer.status_code == 409 and _code(answer) == "idempotency.still_running"


def _code(answer: httpx.Response) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        error = answer.json()["error"]
        return f"{error['code']}"
    return answer.text[:80]


async def buy_all(
    customers: list[Customer], kept: Kept, count: int, enough: Callable[[], bool] = lambda: True
) -> float:
    """So many purchases or more, until it is `enough`, each customer's one after the other; how
    many per second.
    """
    numbers = itertools.takewhile(lambda n: n < count or not enough(), itertools.count())
    began, before = time.monotonic(), kept.keys

    async def shop_on(customer: Customer) -> None:
        for number in numbers:
            await customer.buy(kept, number)

    async with asyncio.TaskGroup() as group:
        for customer in customers:
            group.create_task(shop_on(customer))
    return (kept.keys - before) / (time.monotonic() - began)
