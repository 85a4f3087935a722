"""Gifts in the simulation: givers, receivers, thieves, and those who come too late.

A link goes from hand to hand as on a street: whoever gives leaves it, anybody may pick it up.
"""

import asyncio
import base64
import contextlib
import weakref
from typing import Any

import httpx

from siyu.app.sim_members import Bought, Habits, Member
from siyu.app.sim_people import GaveUp, Problem, Street
from siyu.app.sim_staff import Clerk, Duty

DAY = 86_400.0
_links: "weakref.WeakKeyDictionary[Street, list[dict[str, Any]]]" = weakref.WeakKeyDictionary()


async def set_up(desk: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Mark what may be given; services are refused."""
    rows = (await desk.get("/admin/v1/products?limit=100", headers=headers)).json()["items"]
    for row in rows:
        await desk.put(f"/admin/v1/gifts/products/{row['product_id']}", headers=headers)


def left_by(street: Street) -> list[dict[str, Any]]:
    """The links that lie about."""
    return _links.setdefault(street, [])


async def give(member: Member) -> None:
    """Give to a friend or a group, mostly pay, and pass the link on."""
    goods = (await member.ask("GET", "/gifts/goods")).data["items"]
    if not goods:
        return
    product_id = _favourite(member, goods)
    product = (await member.ask("GET", f"/products/{product_id}")).data
    sku = member.dice.choice(product["skus"])
    # The last pieces, at times: then something of equal price may go instead.
    is_last = 0 < sku["available"] <= 5 and member.chance(0.7)
    count = sku["available"] if is_last else member.dice.choice([1, 1, 2, 3, 5])
    asked = {
        "sku_id": sku["sku_id"],
        "count": count,
        "kind": "friend" if count == 1 else "group",
        "use_points": member.chance(0.3),
        "use_balance": member.chance(0.3),
    }
    quote = await member.ask("POST", "/gifts/quote", asked)
    if not quote.is_good:
        member.street.score[f"refused {quote.code}"] += 1
        return
    await member.think(2, 60)
    body = asked | {
        "expected_total_fen": quote.data["total_fen"],
        "expected_payable_fen": quote.data["payable_fen"],
        "platform": "mp-weixin",
        "blessing": member.dice.choice(["", "生日快乐", "新春\n快乐"]),
        "scene": member.dice.choice([None, "home", "hall_share"]),
    }
    answer = await member.ask("POST", "/gifts", body)
    if not answer.is_good:
        member.street.score[f"refused {answer.code}"] += 1
        return
    gift = answer.data
    member.street.score["gifts"] += 1
    lines = [{"sku_id": asked["sku_id"], "quantity": count}]
    bought = Bought(gift["order_id"], gift["total_fen"], lines)
    member.bought.append(bought)
    if member.chance(0.9):
        await member.pay(bought)
        await member.sync(bought)
    left = gift | {"giver": member.member_id}
    left_by(member.street).append(left)
    if member.chance(0.6):
        await member.think(5, 120)
        friends = member.dice.sample(member.street.people, count + 1)
        await asyncio.gather(*(_be_given(friend, left) for friend in friends))
        if member.chance(0.6):
            await _break_rest(member.street.cashier, asked["sku_id"])
            await asyncio.gather(*(_look_again(friend) for friend in friends))
    elif member.chance(0.5):
        await member.think(60, 3_600)
        await take_back(member)


async def _be_given(friend: Member, gift: dict[str, Any]) -> None:
    """Hear of a gift from the giver; more do than there are shares, at times the giver, too."""
    with contextlib.suppress(GaveUp):
        if await friend.is_known():
            await _accept(friend, gift)
            await friend.think(5, 120)
            await follow(friend)


async def _look_again(friend: Member) -> None:
    with contextlib.suppress(GaveUp):
        await follow(friend)


def _favourite(member: Member, goods: list[dict[str, Any]]) -> str:
    """Any of them, or half of the time one that can be swapped for another of its price."""
    prices = [one["price_fen"] for one in goods]
    twins = [one for one in goods if prices.count(one["price_fen"]) > 1]
    chosen = twins if twins and member.chance(0.5) else goods
    return str(member.dice.choice(chosen)["product_id"])


async def _break_rest(clerk: Clerk, sku_id: str) -> None:
    """The pieces that nobody has reserved fall from the shelf."""
    with contextlib.suppress(GaveUp):
        shown = await clerk.ask("GET", f"/stock/{sku_id}")
        version = shown.data["version"] if shown.is_good else 0
        for place in shown.data["places"] if shown.is_good else []:
            if free := place["on_hand"] - place["reserved"]:
                body = {"delta": -free, "warehouse_id": place["warehouse_id"]}
                known = {"expected_version": version, "reason": "破损"}
                told = await clerk.do("write off", f"/stock/{sku_id}/adjust", known | body)
                version = told.data["version"] if told.is_good else version


async def accept(member: Member) -> None:
    """Open a link that lies about and accept."""
    gift = _pick(member)
    if gift is not None:
        await _accept(member, gift)


async def _accept(member: Member, gift: dict[str, Any]) -> None:
    """Open a link and accept, sometimes twice at once."""
    link = f"/gifts/links/{gift['link_key']}"
    seen = await member.ask("POST", f"{link}/open", {"scene": "friend"})
    if not seen.is_good:
        member.street.score[f"refused {seen.code}"] += 1
        return
    await member.think(1, 60)
    if member.address_id is None:
        member.address_id = await member.note_address()
    tries = 2 if member.chance(0.2) else 1
    answers = await asyncio.gather(
        *(
            member.ask("POST", f"{link}/accept", {"address_id": member.address_id})
            for _ in range(tries)
        )
    )
    good = [one for one in answers if one.is_good]
    for one in answers:
        member.street.score["shares accepted" if one.is_good else f"refused {one.code}"] += 1
    if good and follow not in member.own_habits:
        member.own_habits = [*member.own_habits, follow]
    _must(member, len(good) <= 1, "took two shares of one gift")
    _must(member, not good or gift["giver"] != member.member_id, "took an own gift")


async def accept_late(member: Member) -> None:
    """Come about the moment at which the day is over."""
    await member.think(DAY - 3_600, DAY + 60)
    await accept(member)


async def take_back(member: Member) -> None:
    """Look at an own gift, and cancel what nobody took; the answers never tell where it goes."""
    page = await member.ask("GET", "/gifts/given?limit=20")
    if not page.is_good or not page.data["items"]:
        return
    path = f"/gifts/given/{member.dice.choice(page.data['items'])['gift_id']}"
    shown = await member.ask("GET", path)
    _must(member, "文三路" not in str(shown.data), "saw where a gift goes")
    if shown.data["can_cancel"] and member.chance(0.5):
        await _do(member, "gifts taken back", f"{path}/cancel")


async def steal(member: Member) -> None:
    """Guess a link, use another's address, see another's gift: all refused."""
    guessed = base64.urlsafe_b64encode(member.dice.randbytes(16)).decode().rstrip("=")
    body = {"address_id": member.new_key()}
    answers = [await member.ask("POST", f"/gifts/links/{guessed}/accept", body)]
    gift = _pick(member)
    if gift is not None:
        if gift["giver"] != member.member_id:
            answers.append(await member.ask("GET", f"/gifts/given/{gift['gift_id']}"))
        answers.append(await member.ask("POST", f"/gifts/links/{gift['link_key']}/accept", body))
    for answer in answers:
        _must(member, not answer.is_good, "stole a gift")
    member.street.score["thefts refused"] += len(answers)


async def follow(member: Member) -> None:
    """See where accepted gifts are: swap what is gone, confirm what came, ask what is wrong."""
    await member.ask("GET", "/gifts/notices")
    page = await member.ask("GET", "/gifts/received?limit=20")
    for row in page.data["items"] if page.is_good else []:
        path = f"/gifts/received/{row['share_id']}"
        share = await member.ask("GET", path)
        if not share.is_good:
            continue
        if share.data["swaps"]:
            sku_id = member.dice.choice(share.data["swaps"])["sku_id"]
            await _do(member, "gifts swapped", f"{path}/swap", {"sku_id": sku_id})
        elif share.data["can_confirm"] and member.chance(0.7):
            await _do(member, "gifts confirmed", f"{path}/confirm")
        elif member.chance(0.2):
            await _do(member, "gifts asked about", f"{path}/messages", {"text": "盒子压坏了"})


async def _do(member: Member, what: str, path: str, body: Any = None) -> None:
    answer = await member.ask("POST", path, body)
    member.street.score[what if answer.is_good else f"refused {answer.code}"] += 1


def _pick(member: Member) -> dict[str, Any] | None:
    """One of the last links."""
    links = left_by(member.street)[-12:]
    return member.dice.choice(links) if links else None


def _must(member: Member, holds: bool, what: str) -> None:
    if not holds:
        member.street.problems.append(f"{member.name}: {what}")
        raise Problem("/gifts")


HABITS: Habits = {
    give: 5,
    accept: 3,
    accept_late: 1,
    take_back: 1,
    steal: 1,
}


# --- clerks -------------------------------------------------------------------------------------


async def help_receivers(clerk: Clerk) -> None:
    """Give an accepted piece back to its giver, sent or not."""
    gifts = await clerk.items("/gifts?share_state=accepted&limit=20")
    if not gifts or clerk.chance(0.7):
        return
    path = f"/gifts/{clerk.dice.choice(gifts)['gift']['gift_id']}"
    gift = await clerk.ask("GET", path)
    taken = [one for one in gift.data["shares"] if one["state"] == "accepted"]
    if taken:
        path = f"{path}/shares/{clerk.dice.choice(taken)['share_no']}/return"
        body = {"reason": "收礼人说坏了", "restock": clerk.chance(0.5)}
        await clerk.do("return a gift", path, body)


DUTIES: list[Duty] = [help_receivers]
