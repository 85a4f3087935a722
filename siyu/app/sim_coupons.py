"""What members do with coupons: claim them, buy with them, use one twice at once, guess codes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from siyu.app.sim_members import Habits, Member
from siyu.app.sim_people import Problem

CODE = "sim-lucky"
GUESSES = ("sim-luck", "luck", "888", "vip", "free", CODE)
BATCHES: tuple[dict[str, Any], ...] = (
    {"name": "满减", "gives": {"type": "fixed", "off_fen": 777}, "from_fen": 1_000,
     "issue": "centre", "per_member": 5, "total_count": 60, "return_days": 1},
    {"name": "预算", "gives": {"type": "percent", "pay_bps": 6_667, "cap_fen": 2_999},
     "group": "extra", "issue": "centre", "per_member": 5, "budget_fen": 9_999},
    {"name": "新人", "gives": {"type": "fixed", "off_fen": 1}, "issue": "newcomer",
     "valid_days": 1, "per_member": 2},
    {"name": "首单", "gives": {"type": "fixed", "off_fen": 150_000}, "issue": "first_order",
     "valid_days": 2, "total_count": 3},
    {"name": "口令", "gives": {"type": "percent", "pay_bps": 9_000}, "issue": "code", "code": CODE,
     "per_member": 3, "return_days": None},
)  # fmt: skip
"""Reductions that do not come out even, a count and a budget that run out, one that makes orders
free; full refunds give some back."""
WINDOW = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2090-01-01T00:00:00Z"}


async def issue(ask: Callable[[str, str, Any], Awaitable[Any]]) -> None:
    """The batches of the simulated shop, through the console; before time begins."""
    for batch in BATCHES:
        made = await ask("POST", "/coupons", batch | WINDOW)
        await ask("POST", f"/coupons/{made['batch_id']}/state", {"to": "running"})


async def claim(member: Member) -> None:
    """Take what the centre has, sometimes twice at once under two keys."""
    found = await member.ask("GET", "/coupons")
    shown = found.data["items"] if found.is_good else []
    free = [one for one in shown if one["state"] == "open"] or shown
    if not free:
        return
    path = f"/coupons/{member.dice.choice(free)['batch_id']}/claim"
    times = member.dice.choice([1, 1, 2, 7])
    for answer in await asyncio.gather(*(member.ask("POST", path, {}) for _ in range(times))):
        member.street.score["coupons claimed" if answer.is_good else f"refused {answer.code}"] += 1


async def guess_codes(member: Member) -> None:
    """Try codes; soon the shop stops listening."""
    for _ in range(member.dice.choice([1, 2, 14])):
        body = {"code": member.dice.choice(GUESSES)}
        answer = await member.ask("POST", "/coupons/code", body)
        what = "codes that were right" if answer.is_good else f"refused {answer.code}"
        member.street.score[what] += 1


async def buy_with_coupon(member: Member) -> None:
    """Claim, order with the best choice, and pay; or cancel, and the coupon is there again."""
    await claim(member)
    if bought := await member.order():
        await member.think(1, 40)
        if member.chance(0.8):
            await member.pay(bought)
        else:
            await member.cancel(bought)


async def use_twice(member: Member) -> None:
    """The same coupon in two orders on two devices at once: one of them gets it."""
    await claim(member)
    lines = await member.fill_basket()
    quoted = await member.quote(lines)
    if quoted is None or not quoted["coupons"]["chosen"]:
        return
    body = member.order_body(lines, quoted)
    answers = await asyncio.gather(
        member.ask("POST", "/orders", body), member.ask("POST", "/orders", body)
    )
    placed = [member.remember(answer, body) for answer in answers]
    bought = [one for one in placed if one]
    if len(bought) > 1:
        member.street.problems.append(f"{member.name}: one coupon is in two orders")
        raise Problem("/orders")
    member.street.score["coupons wanted by two devices"] += 1
    for one in bought:
        await member.pay(one)


HABITS: Habits = {claim: 1, guess_codes: 1, buy_with_coupon: 2, use_twice: 1}
