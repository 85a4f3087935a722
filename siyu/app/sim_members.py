"""Simulated members: they look, buy, pay, pay twice, cancel, come too late, and cheat.

A visit is one of the habits below, chosen by the member's dice. What a later capability adds is one
more habit, in this file or one beside it, in `HABITS`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Container
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from siyu.app.sim_people import Actor, Answer, GaveUp, Problem, Street
from siyu.kernel.auth import MEMBER_TOKEN_SECONDS
from siyu.sandbox.people import PhoneError

PAY_MINUTES = 15


Habit = Callable[["Member"], Awaitable[None]]
Habits = dict[Habit, int]
"""What members do in a visit, and on how many cards of the deck that they draw from."""


class Bought(msgspec.Struct):
    """An order the shop acknowledged, as its buyer remembers it."""

    order_id: str
    total_fen: int
    lines: list[dict[str, Any]]
    paid_at_wechat: int = 0
    """How often the buyer's own phone said "paid"."""


class Member(Actor):
    """One person with a phone."""

    def __init__(
        self,
        street: Street,
        name: str,
        seed: str,
        person_id: str,
        habits: "Habits",
        after_buying: "Container[Habit]" = (),
    ) -> None:
        super().__init__(street, name, seed)
        self.habits, self.after_buying = habits, after_buying
        self.own_habits: list[Habit] = []
        self.person_id = person_id
        self.member_id = ""
        self.token = ""
        self.token_until = 0.0
        self.address_id: str | None = None
        self.bought: list[Bought] = []

    def headers(self) -> dict[str, str]:
        """Who asks, and for which shop."""
        known = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return super().headers() | known

    async def visit(self) -> None:
        """One visit, with whatever happens in it."""
        with contextlib.suppress(GaveUp):
            if not await self.is_known():
                return
            habit = self.own_habit() or self.street.draw(self.habits, self.can)
            self.street.score[f"visit {habit.__name__}"] += 1
            await habit(self)

    async def is_known(self) -> bool:
        """Whether the shop knows who this is; logs in where it does not."""
        if self.street.director.loop.at <= self.token_until and self.token:
            return True
        self.token = ""
        return await self.log_in()

    def own_habit(self) -> "Habit | None":
        """What only this member does, now and then."""
        return self.dice.choice(self.own_habits) if self.own_habits and self.chance(0.2) else None

    def can(self, habit: "Habit") -> bool:
        """Who has bought nothing has nothing to return."""
        return bool(self.bought) or habit not in self.after_buying

    async def log_in(self) -> bool:
        """wx.login; a code is good for one try."""
        for _ in range(3):
            code = await self.street.sandbox.login_code(self.person_id, self.street.shop.appid)
            answer = await self.ask("POST", "/login", {"code": code, "platform": "mp-weixin"})
            if answer.is_good:
                self._entered(answer.data)
                return True
            await self.think(1, 10)
        return False

    async def sign_in(self, http: httpx.AsyncClient) -> None:
        """Log in before time begins."""
        code = await self.street.sandbox.login_code(self.person_id, self.street.shop.appid)
        body = {"code": code, "platform": "mp-weixin"}
        answer = await http.post("/shop/v1/login", json=body, headers=self.headers())
        self._entered(answer.json())

    def _entered(self, data: Any) -> None:
        self.token = data["token"]
        self.token_until = self.street.director.loop.at + MEMBER_TOKEN_SECONDS - 7200
        self.member_id = data["member"]["member_id"]

    # -- buying ------------------------------------------------------------------------------

    async def fill_basket(self) -> list[dict[str, Any]]:
        """One to three lines of goods that can be had."""
        shelf = (await self.ask("GET", "/products?limit=50")).data["items"]
        lines: list[dict[str, Any]] = []
        for card in self.dice.sample(shelf, min(len(shelf), self.dice.choice([1, 1, 2, 3]))):
            product = (await self.ask("GET", f"/products/{card['product_id']}")).data
            sku = self.dice.choice(product["skus"])
            lines.append({"sku_id": sku["sku_id"], "quantity": self.dice.choice([1, 1, 1, 2, 4])})
        return lines

    async def order(self, **choices: Any) -> Bought | None:
        """Quote and order a basket; None when the shop cannot sell it."""
        lines = await self.fill_basket()
        await self.think(2, 60)
        quoted = await self.quote(lines, **choices)
        if quoted is None:
            return None
        body = self.order_body(lines, quoted, **choices)
        await self.think(1, 30)
        if self.chance(0.08):
            return await self.order_twice_at_once(body)
        return self.remember(await self.ask("POST", "/orders", body), body)

    async def quote(self, lines: list[dict[str, Any]], **choices: Any) -> Any:
        """What it would cost, with an address if one is needed."""
        asked = {"source": "lines", "lines": lines, "address_id": self.address_id, **choices}
        answer = await self.ask("POST", "/checkout/quote", asked)
        if answer.is_good and answer.data["needs_address"] and self.address_id is None:
            self.address_id = await self.note_address()
            answer = await self.ask(
                "POST", "/checkout/quote", asked | {"address_id": self.address_id}
            )
        return answer.data if answer.is_good else None

    def order_body(
        self, lines: list[dict[str, Any]], quoted: Any, **choices: Any
    ) -> dict[str, Any]:
        """The confirmation of a quote."""
        return {
            "source": "lines",
            "lines": lines,
            "address_id": self.address_id,
            "remark": "",
            "expected_total_fen": quoted["total_fen"],
            "expected_payable_fen": quoted["payable_fen"],
            "coupon_ids": list(quoted["coupons"]["chosen"]),
            "platform": "mp-weixin",
            **choices,
        }

    async def order_twice_at_once(self, body: dict[str, Any]) -> Bought | None:
        """A double click: two requests, one key, one order."""
        key = self.new_key()
        first, second = await asyncio.gather(
            self.ask("POST", "/orders", body, key=key),
            self.ask("POST", "/orders", body, key=key),
        )
        if first.is_good and second.is_good and first.data["order_id"] != second.data["order_id"]:
            self.street.problems.append(f"{self.name}: one key made two orders")
            raise Problem("/orders")
        return self.remember(first if first.is_good else second, body)

    def remember(self, answer: Answer, body: dict[str, Any]) -> Bought | None:
        """Keep what was acknowledged."""
        if not answer.is_good:
            self.street.score[f"refused {answer.code}"] += 1
            return None
        total = answer.data["total_fen"]
        if total != body["expected_total_fen"]:
            self.street.problems.append(f"{self.name}: {total} fen are not what was confirmed")
            raise Problem("/orders")
        self.street.score["orders"] += 1
        bought = Bought(answer.data["order_id"], total, body["lines"])
        self.bought.append(bought)
        return bought

    async def note_address(self) -> str:
        """Where to send it."""
        body = {
            "receiver": "林小满",
            "phone": f"138{self.dice.randrange(10**8):08d}",
            "province": "浙江省",
            "city": "杭州市",
            "district": "西湖区",
            "detail": f"文三路 {self.dice.randint(1, 400)} 号",
            "is_default": True,
        }
        answer = await self.ask("POST", "/addresses", body)
        if not answer.is_good:
            self.street.score[f"refused {answer.code}"] += 1
            raise GaveUp(answer.code)
        return str(answer.data["address_id"])

    # -- paying ------------------------------------------------------------------------------

    async def begin_payment(self, bought: Bought, channel: str = "jsapi") -> dict[str, Any] | None:
        """Ask for the pay sheet; None when the order cannot be paid (any more)."""
        path = f"/orders/{bought.order_id}/pay"
        answer = await self.ask("POST", path, {"channel": channel})
        return answer.data if answer.is_good and answer.data["state"] != "paid" else None

    async def use_sheet(self, bought: Bought, started: dict[str, Any]) -> bool:
        """Enter the password; whether the phone says "paid"."""
        sandbox, appid = self.street.sandbox, self.street.shop.appid
        await self.street.director.turn(f"phone of {self.name}: pay", begins=True)
        try:
            if started["jsapi"]:
                sheet = {k: v for k, v in started["jsapi"].items() if k != "appId"}
                await sandbox.request_payment(self.person_id, appid, sheet)
            else:
                await sandbox.pay(self.person_id, started["code_url"])
        except PhoneError:
            self.street.score["sheet refused"] += 1
            return False
        bought.paid_at_wechat += 1
        self.street.score["paid at WeChat"] += 1
        self.street.courier.bell.set()
        return True

    async def pay(self, bought: Bought, channel: str = "jsapi") -> bool:
        """Pay an order and come back to the shop, as most people do."""
        started = await self.begin_payment(bought, channel)
        if started is None:
            return False
        await self.think(1, 20)
        paid = await self.use_sheet(bought, started)
        if paid and self.chance(0.7):
            await self.sync(bought)
        return paid

    async def sync(self, bought: Bought) -> Answer:
        """The shop asks WeChat now."""
        return await self.ask("POST", f"/orders/{bought.order_id}/pay/sync")

    async def cancel(self, bought: Bought) -> Answer:
        """Change one's mind."""
        return await self.ask("POST", f"/orders/{bought.order_id}/cancel", {"reason": "不想要了"})

    async def see(self, bought: Bought) -> Any:
        """The order as the shop shows it."""
        return (await self.ask("GET", f"/orders/{bought.order_id}")).data


# --- habits -------------------------------------------------------------------------------------


async def look(member: Member) -> None:
    """Only look."""
    await member.fill_basket()
    if member.bought:
        await member.see(member.dice.choice(member.bought))


async def buy(member: Member) -> None:
    """Order and pay."""
    if bought := await member.order():
        await member.think(1, 40)
        await member.pay(bought)


async def change_mind(member: Member) -> None:
    """Order, perhaps open the pay sheet, and cancel."""
    if bought := await member.order():
        if member.chance(0.5):
            await member.begin_payment(bought)
        await member.think(2, 120)
        await member.cancel(bought)


async def leave(member: Member) -> None:
    """Order, open the sheet and go away: the order closes by itself."""
    if bought := await member.order():
        await member.begin_payment(bought)


async def pay_late(member: Member) -> None:
    """Pay about the moment at which the order is closed."""
    bought = await member.order()
    if bought and (started := await member.begin_payment(bought)):
        await member.think(PAY_MINUTES * 60 - 90, PAY_MINUTES * 60 + 30)
        await member.use_sheet(bought, started)


async def pay_twice(member: Member) -> None:
    """Two sheets for one order, on two screens, both paid."""
    if bought := await member.order():
        started = [
            await member.begin_payment(bought),
            await member.begin_payment(bought, "native"),
        ]
        await member.think(1, 20)
        await asyncio.gather(*(member.use_sheet(bought, one) for one in started if one))
        await member.sync(bought)


async def pay_while_cancelling(member: Member) -> None:
    """One finger on "pay", another on "cancel"."""
    bought = await member.order()
    if bought and (started := await member.begin_payment(bought)):
        await asyncio.gather(member.use_sheet(bought, started), member.cancel(bought))


async def cheat(member: Member) -> None:
    """Other prices, impossible quantities, other people's orders: refused, and nothing changes."""
    lines = await member.fill_basket()
    quoted = await member.quote(lines)
    if quoted is None:
        return
    good = member.order_body(lines, quoted)
    wrong = member.dice.choice(
        [
            good | {"expected_total_fen": quoted["total_fen"] + 1},
            good | {"lines": [one | {"quantity": -1} for one in lines]},
            good | {"lines": [one | {"quantity": 10**6} for one in lines]},
            good | {"lines": [one | {"price_fen": 1} for one in lines]},
            good | {"total_fen": 1},
        ]
    )
    answer = await member.ask("POST", "/orders", wrong)
    if answer.is_good:
        member.street.problems.append(f"{member.name}: a cheated order was accepted: {wrong}")
        raise Problem("/orders")
    member.street.score["cheats refused"] += 1


HABITS: Habits = {
    look: 1,
    buy: 6,
    change_mind: 1,
    leave: 1,
    pay_late: 1,
    pay_twice: 1,
    pay_while_cancelling: 1,
    cheat: 1,
}


async def live(
    member: Member, days: float, visits_per_day: float, rush: Callable[[], float]
) -> None:
    """Come again and again, mostly in the rush hours, until the simulation's last day is over."""
    loop = member.street.director.loop
    end = timedelta(days=days).total_seconds()
    while True:
        wait = member.dice.expovariate(visits_per_day) * 86_400
        at = rush() + (loop.at + wait) // 86_400 * 86_400
        if at <= loop.at:
            at = loop.at + wait
        if at >= end:
            return
        await asyncio.sleep(at - loop.at)
        with member.street.busy_with():
            await member.visit()
