"""Simulated staff: they ship, answer after-sale cases, look after stuck money. Two at one desk.

Both work through the same lists at the same time, so that the same thing is done twice at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from siyu.app import sim_coupons
from siyu.app.sim_people import Actor, Answer, GaveUp, Street

PASSWORD = "the sim's own 龙井"
SHORT_TERMS = {
    "answer_hours": 6,
    "ship_back_days": 1,
    "inspect_days": 1,
    "confirm_days": 1,
    "no_reason_days": 7,
    "quality_days": 15,
    "not_returnable": [],
    "return_address": {
        "receiver": "退货组",
        "phone": "0571-88888888",
        "province": "浙江省",
        "city": "杭州市",
        "district": "西湖区",
        "detail": "龙井路 1 号",
    },
}


class Clerk(Actor):
    """Somebody at the console."""

    prefix = "/admin/v1"

    def __init__(
        self, street: Street, name: str, seed: str, cookie: str, duties: "list[Duty]"
    ) -> None:
        super().__init__(street, name, seed)
        self.cookie = cookie
        self.duties = duties

    def headers(self) -> dict[str, str]:
        """The session."""
        return super().headers() | {"Cookie": self.cookie}

    async def live(self, until: float) -> None:
        """A few rounds a day, until the last day is over."""
        while self.street.director.loop.at < until:
            slow = 1.5 if self.street.is_closing else 1.0
            await asyncio.sleep(self.dice.uniform(slow * 3600, slow * 6 * 3600))
            with self.street.busy_with():
                try:
                    await self.work()
                except GaveUp:
                    self.street.score["clerk gave up"] += 1

    async def work(self) -> None:
        """One round over all the lists."""
        for duty in self.duties:
            if self.chance(0.6):
                await duty(self)

    async def items(self, path: str) -> list[Any]:
        """A list of the console; nothing where the capability is not there."""
        answer = await self.ask("GET", path)
        return list(answer.data["items"]) if answer.is_good else []

    async def do(self, what: str, path: str, body: Any = None) -> Answer:
        """One action, sometimes twice at once under two keys."""
        if self.chance(0.15):
            answers = await asyncio.gather(
                self.ask("POST", path, body), self.ask("POST", path, body)
            )
            good = [one for one in answers if one.is_good]
            self.street.score[f"clerk {what} twice at once"] += 1
            return (good or answers)[0]
        answer = await self.ask("POST", path, body)
        self.street.score[f"clerk {what}" if answer.is_good else f"refused {answer.code}"] += 1
        return answer


# --- duties -------------------------------------------------------------------------------------


async def ship(clerk: Clerk) -> None:
    """Send what is paid; a service is done when it is done."""
    for order in await clerk.items("/orders?status=paid&limit=30"):
        if order["paid_at"] is None or clerk.chance(0.3):
            continue
        path = f"/orders/{order['order_id']}"
        if order["delivery"] == "serve":
            await clerk.do("complete", f"{path}/complete")
            continue
        sent = await clerk.ask("GET", f"{path}/parcels")
        left = [
            {"consignment_id": one["consignment_id"]}
            for one in (sent.data["consignments"] if sent.is_good else [])
            if (one["kind"], one["state"], one["is_gift"]) == ("ship", "open", False)
        ]
        if left:
            number = f"SF{clerk.dice.randrange(10**10):010d}"
            parcel = {"carrier": "顺丰速运", "tracking_no": number, "consignments": left}
            await clerk.do("ship", "/parcels", parcel)


async def answer_cases(clerk: Clerk) -> None:
    """The after-sale desk."""
    for row in await clerk.items("/after-sale?limit=30"):
        case = (await clerk.ask("GET", f"/after-sale/{row['case_id']}")).data
        actions = [one for one in case["actions"] if one in _ANSWERS]
        if not actions or clerk.chance(0.15):
            continue
        wish = clerk.dice.choice(actions)
        route, bodies = _ANSWERS[wish]
        await clerk.do(wish, f"/after-sale/{row['case_id']}/{route}", clerk.dice.choice(bodies))


_ANSWERS: dict[str, tuple[str, list[Any]]] = {
    "approve": ("approve", [{}, {}, {"amount_fen": 1, "text": "只能退这些"}]),
    "reject": ("reject", [{"text": "不符合条件"}]),
    "pass": ("receive", [{"restock": "sellable"}, {"restock": "damaged"}]),
    "fail": ("receive", [{"restock": None, "text": "不是我们的"}]),
    "refund": ("refund", [{}, {}, {"amount_fen": 1, "text": "折损"}]),
    "ship_exchange": ("ship-exchange", [{"carrier": "顺丰速运", "tracking_no": "SF00001"}]),
}


async def refund_unasked(clerk: Clerk) -> None:
    """Give back a piece or all of an order because the shop wants to."""
    orders = await clerk.items("/orders?limit=20")
    paid = [one for one in orders if one["paid_at"] is not None]
    if not paid or clerk.chance(0.75):
        return
    order_id = clerk.dice.choice(paid)["order_id"]
    answer = await clerk.ask("GET", f"/orders/{order_id}/refundable")
    if not answer.is_good:
        return
    lines = [
        {"line_no": line["line_no"], "quantity": clerk.dice.randint(1, line["quantity"])}
        for line in answer.data["lines"]
        if line["quantity"] > 0
    ]
    if lines:
        body = {"lines": lines, "text": "缺货，给您退款"}
        await clerk.do("refund", f"/orders/{order_id}/after-sale", body)


_CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222000011112222", "real_name": "林小满"}


async def look_after_refunds(clerk: Clerk) -> None:
    """Refunds that stopped: to another card of the payer, or to our own and from there by hand; or
    once more."""
    for refund in await clerk.items("/refunds?state=abnormal&limit=20"):
        if refund["problem"] == "AT_MERCHANT":
            path = f"/refunds/{refund['refund_id']}/settle-outside"
            await clerk.do("settle outside", path, {"reason": "已转账给顾客"})
            continue
        to_payer = {"to": "payer_card", "card": _CARD}
        body = to_payer if clerk.chance(0.6) else {"to": "merchant_card", "card": None}
        await clerk.do("apply abnormal", f"/refunds/{refund['refund_id']}/apply-abnormal", body)
    for refund in await clerk.items("/refunds?state=failed&limit=20"):
        await clerk.do("retry", f"/refunds/{refund['refund_id']}/retry")


async def look_after_suspense(clerk: Clerk) -> None:
    """Money that fitted nothing and did not go back by itself."""
    for parked in await clerk.items("/suspense?state=parked&limit=20"):
        body = {"decision": clerk.dice.choice(["refund", "accept"]), "note": "核对过了"}
        await clerk.do("resolve", f"/suspense/{parked['parked_id']}/resolve", body)


async def look_after_payouts(clerk: Clerk) -> None:
    """Payouts that wait for somebody's approval."""
    for payout in await clerk.items("/payouts?status=requested&limit=20"):
        path = f"/payouts/{payout['payout_id']}"
        if clerk.chance(0.8):
            await clerk.do("approve payout", f"{path}/approve")
        else:
            await clerk.do("reject payout", f"{path}/reject", {"reason": "资料不全"})


async def look_after_splits(clerk: Clerk) -> None:
    """Parts that WeChat refused or that are more than allowed."""
    for plan in await clerk.items("/splits?status=open&limit=30"):
        if plan["alarm"] not in (None, "held"):
            path = f"/splits/{plan['order_id']}/decide"
            await clerk.do("decide split", path, {"split": clerk.chance(0.5)})


async def refund_top_ups(clerk: Clerk) -> None:
    """Somebody wants the money of a wallet back."""
    wallets = await clerk.items("/wallets?limit=20")
    if not wallets or clerk.chance(0.7):
        return
    member_id = clerk.dice.choice(wallets)["member_id"]
    for top_up in await clerk.items(f"/wallets/{member_id}/top-ups?limit=5"):
        if top_up["principal_left_fen"] > 0:
            amount = clerk.dice.choice([None, 1, (top_up["principal_left_fen"] + 1) // 2])
            path = f"/top-ups/{top_up['top_up_id']}/refund"
            await clerk.do("refund top-up", path, {"amount_fen": amount, "reason": "顾客要求退卡"})
            return


Duty = Callable[[Clerk], Awaitable[None]]
DUTIES: list[Duty] = [
    ship,
    answer_cases,
    refund_unasked,
    look_after_refunds,
    look_after_suspense,
    look_after_payouts,
    look_after_splits,
    refund_top_ups,
]


# --- before the first day -----------------------------------------------------------------------


async def sign_in(http: httpx.AsyncClient, login_name: str) -> str:
    """The cookie of a new session."""
    body = {"login_name": login_name, "password": PASSWORD, "totp": None}
    entered = await http.post("/admin/v1/login", json=body)
    assert entered.status_code == 200, entered.text
    return str(entered.headers["set-cookie"].partition(";")[0])


async def set_up(
    http: httpx.AsyncClient, headers: dict[str, str], members: list[str], merchant: Any
) -> None:
    """Open every capability of the shop through the console.

    members: ids of two members who receive parts; merchant: of the sandbox, who receives one, too.
    """
    number = 0

    async def ask(method: str, path: str, wanted: Any) -> Any:
        nonlocal number
        number += 1
        answer = await http.request(
            method,
            f"/admin/v1{path}",
            json=wanted,
            headers=headers | {"Idempotency-Key": f"set-up-{number}"},
        )
        assert answer.is_success or answer.status_code == 404, f"{path}: {answer.text}"
        return answer.json() if answer.content else None

    for path, wanted in _SETTINGS.items():
        await ask("PUT", path, wanted)
    for amount_fen, bonus_fen in ((5_000, 0), (10_001, 3_000), (33_333, 9_999)):
        offer = {"amount_fen": amount_fen, "bonus_fen": bonus_fen, "override_reason": None}
        await ask("POST", "/stored-value/offers", offer)
    await sim_coupons.issue(ask)
    receivers = [
        {"kind": "merchant", "account": merchant["mchid"], "name": merchant["merchant_name"]},
        {"kind": "person", "member_id": members[0]},
        {"kind": "person", "member_id": members[1]},
    ]
    ways = [("split", 700), ("split", 300), ("balance", 500)]
    for receiver, (way, share_bps) in zip(receivers, ways, strict=True):
        made = await ask("POST", "/split-receivers", receiver | {"relation": "PARTNER"})
        rule = {
            "title": f"{way} {share_bps}",
            "scope": "leader",
            "share_bps": share_bps,
            "way": way,
            "trigger": "receipt",
            "receiver_id": made["receiver_id"],
        }
        await ask("POST", "/split-rules", rule)


_SETTINGS: dict[str, Any] = {
    "/order-settings": {"receipt_days": 1},
    "/after-sale/settings": SHORT_TERMS,
    "/points/settings": {
        "is_enabled": True,
        "earned_per_yuan": 10,
        "points_per_yuan": 100,
        "cap_bps": 3000,
        "expiry_months": 1,
        "grace_days": 3,
        "negative_allowed": True,
    },
    "/stored-value/licence": {
        "kind": "single_purpose",
        "number": "SIM-1",
        "issuer": "杭州市商务局",
        "valid_from_on": "2026-01-01",
        "valid_until_on": None,
        "accepted": True,
    },
}
