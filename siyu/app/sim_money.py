"""What members do with wallet, points and commission: top up, spend, spend twice, be paid out."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from siyu.app.sim_members import Bought, Habit, Habits, Member
from siyu.app.sim_people import Problem
from siyu.sandbox.people import PhoneError

MIXED = {"use_points": True, "use_balance": True}


async def fill_wallet(member: Member) -> None:
    """Top up, and be given points by the shop."""
    await top_up(member)
    if member.street.cashier is not None and member.member_id:
        gift = {"points": member.dice.choice([7, 333, 2_000]), "reason": "周年礼"}
        path = f"/members/{member.member_id}/points/adjust"
        await member.street.cashier.do("give points", path, gift)
    await member.think(5, 60)


async def buy_with_all(member: Member) -> None:
    """Points and balance first, WeChat for the rest; some top up for it."""
    if member.chance(0.7):
        await fill_wallet(member)
    bought = await member.order(**member.dice.choice([MIXED, MIXED, {"use_balance": True}]))
    if bought:
        member.street.score["orders with points or balance"] += 1
        await member.think(1, 40)
        if member.chance(0.85):
            await member.pay(bought)
        else:
            await member.cancel(bought)


async def spend_twice(member: Member) -> None:
    """The same balance and points on two devices at once: it is spent once."""
    before = await _wallet(member)
    orders = await asyncio.gather(member.order(**MIXED), member.order(**MIXED))
    if before is None:
        return
    spent = 0
    for bought in orders:
        if bought:
            spent += (await member.see(bought)).get("tenders", {}).get("balance_fen", 0)
    if spent > before:
        member.street.problems.append(f"{member.name}: {spent} fen spent of {before}")
        raise Problem("/orders")
    for bought in orders:
        if bought:
            await member.pay(bought)


async def _wallet(member: Member) -> int | None:
    answer = await member.ask("GET", "/wallet")
    return answer.data["principal_fen"] + answer.data["bonus_fen"] if answer.is_good else None


async def top_up(member: Member) -> None:
    """Pay into the wallet; some never pay, some pay twice."""
    answer = await member.ask("GET", "/wallet/offers")
    if not answer.is_good or not answer.data["items"]:
        return
    offer = member.dice.choice(answer.data["items"])
    body = {"offer_id": offer["offer_id"], "platform": "mp-weixin"}
    placed = await member.ask("POST", "/wallet/top-ups", body)
    if not placed.is_good:
        member.street.score[f"refused {placed.code}"] += 1
        return
    member.street.score["top-ups"] += 1
    channels = member.dice.choice([["jsapi"], ["jsapi"], ["jsapi", "native"], []])
    await _pay_top_up(member, placed.data["top_up_id"], channels)


async def _pay_top_up(member: Member, top_up_id: str, channels: list[str]) -> None:
    bought = Bought(top_up_id, 0, [])
    path = f"/wallet/top-ups/{top_up_id}"
    sheets = []
    for channel in channels:
        answer = await member.ask("POST", f"{path}/pay", {"channel": channel})
        if answer.is_good and answer.data["state"] != "paid":
            sheets.append(answer.data)
    await member.think(1, 60)
    await asyncio.gather(*(member.use_sheet(bought, sheet) for sheet in sheets))
    if sheets and member.chance(0.6):
        await member.ask("POST", f"{path}/pay/sync")


async def take_commission(member: Member) -> None:
    """Ask for what was earned, sometimes twice at once; confirm it, decline it, or take it back."""
    answer = await member.ask("GET", "/payouts/offer")
    if not answer.is_good or answer.data["most_fen"] < max(answer.data["min_fen"], 1):
        return
    low, high = answer.data["min_fen"], answer.data["most_fen"]
    body = {"amount_fen": member.dice.choice([low, high, member.dice.randint(low, high)])}
    key = member.new_key()
    asked = [member.ask("POST", "/payouts", body, key=key)]
    if member.chance(0.4):
        again = key if member.chance(0.5) else member.new_key()
        asked.append(member.ask("POST", "/payouts", body, key=again))
    made = [one.data["payout_id"] for one in await asyncio.gather(*asked) if one.is_good]
    if len(set(made)) > 1:
        member.street.problems.append(f"{member.name}: two payouts are under way at once")
        raise Problem("/payouts")
    if made:
        member.street.score["payouts"] += 1
        await _answer_payout(member, made[0])


async def _answer_payout(member: Member, payout_id: str) -> None:
    path = f"/payouts/{payout_id}"
    await member.think(1, 120)
    choice = member.dice.random()
    if choice < 0.15:
        await member.ask("POST", f"{path}/cancel")
        return
    if choice < 0.25:
        return  # never confirms: WeChat lets it expire
    sheet = await member.ask("GET", f"{path}/confirmation")
    if not sheet.is_good:
        return
    work: list[Awaitable[Any]] = [_confirm(member, sheet.data["package"], choice > 0.35)]
    if choice > 0.85:
        work.append(member.ask("POST", f"{path}/cancel"))
    await asyncio.gather(*work)
    await member.ask("POST", f"{path}/sync")


async def _confirm(member: Member, package: str, accepts: bool) -> None:
    street = member.street
    await street.director.turn(f"phone of {member.name}: confirm", begins=True)
    try:
        await street.sandbox.confirm_transfer(member.person_id, package, accepts=accepts)
        street.score["payouts confirmed" if accepts else "payouts declined"] += 1
    except PhoneError:
        street.score["sheet refused"] += 1
    street.courier.bell.set()


EARNERS: list[Habit] = [take_commission]
HABITS: Habits = {
    top_up: 2,
    buy_with_all: 3,
    spend_twice: 1,
}
