"""What members do after the sale: confirm the receipt, want their money back, return, exchange."""

import asyncio
from typing import Any

from siyu.app.sim_members import Bought, Habits, Member
from siyu.app.sim_money import MIXED, fill_wallet


async def confirm_receipt(member: Member) -> None:
    """Say "I have it"."""
    if bought := _one_of(member):
        answer = await member.ask("POST", f"/orders/{bought.order_id}/confirm-receipt")
        if answer.is_good:
            member.street.score["receipts confirmed"] += 1


async def regret(member: Member) -> None:
    """Pay with points and balance, and want the money back at once."""
    await fill_wallet(member)
    bought = await member.order(**MIXED)
    if bought:
        await member.pay(bought)
        await member.sync(bought)
        await member.think(1, 300)
        await _claim(member, bought)


async def want_back(member: Member) -> None:
    """Want something of an earlier order undone."""
    if bought := _one_of(member):
        await _claim(member, bought)


async def _claim(member: Member, bought: Bought) -> None:
    """Open a case for some pieces of an order, sometimes twice at once."""
    path = f"/orders/{bought.order_id}/after-sale"
    answer = await member.ask("GET", path)
    if not answer.is_good or not answer.data["kinds"]:
        return
    body = _wish(member, answer.data)
    if body is None:
        return
    tries = 2 if member.chance(0.25) else 1
    answers = await asyncio.gather(*(member.ask("POST", path, body) for _ in range(tries)))
    for one in answers:
        member.street.score["cases" if one.is_good else f"refused {one.code}"] += 1
    good = [one.data for one in answers if one.is_good]
    if good and member.chance(0.1):
        await member.think(10, 600)
        await member.ask("POST", f"/after-sale/{good[0]['case_id']}/withdraw")


def _wish(member: Member, offer: Any) -> dict[str, Any] | None:
    """Some of what the shop offers."""
    kind = member.dice.choice(offer["kinds"])
    reasons = [
        one["reason"]
        for one in offer["reasons"]
        if kind in one["kinds"] and not one["needs_pictures"]
    ]
    lines = [line for line in offer["lines"] if line["quantity"] > 0]
    if not reasons or not lines:
        return None
    chosen = member.dice.sample(lines, member.dice.randint(1, len(lines)))
    most = sum(line["amount_fen"] for line in chosen)
    return {
        "kind": kind,
        "reason": member.dice.choice(reasons),
        "lines": [
            {"line_no": line["line_no"], "quantity": member.dice.randint(1, line["quantity"])}
            for line in chosen
        ],
        "amount_fen": member.dice.choice([None, None, 1, most // 3 or None]),
        "text": "",
    }


async def follow_cases(member: Member) -> None:
    """Send goods back, confirm a replacement, or say that one has changed one's mind."""
    answer = await member.ask("GET", "/after-sale?limit=20")
    if not answer.is_good:
        return
    for row in answer.data["items"]:
        path = f"/after-sale/{row['case_id']}"
        actions = (await member.ask("GET", path)).data["actions"]
        if "ship_back" in actions and member.chance(0.8):
            parcel = {"carrier": "圆通速递", "tracking_no": f"YT{member.dice.randrange(10**8)}"}
            await member.ask("POST", f"{path}/ship-back", parcel)
            member.street.score["parcels sent back"] += 1
        elif "confirm" in actions:
            await member.ask("POST", f"{path}/confirm")
        elif "withdraw" in actions and member.chance(0.2):
            await member.ask("POST", f"{path}/withdraw")


def _one_of(member: Member) -> Bought | None:
    return member.dice.choice(member.bought) if member.bought else None


AFTER_BUYING = (confirm_receipt, want_back, follow_cases)
HABITS: Habits = {
    confirm_receipt: 2,
    regret: 2,
    want_back: 3,
    follow_cases: 2,
}
