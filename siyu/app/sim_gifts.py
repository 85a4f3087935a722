"""Gifts in the simulation: givers, receivers, thieves, and those who come too late.

A link goes from hand to hand as on a street: whoever gives leaves it, anybody may pick it up.
"""

import asyncio
import base64
import weakref
from typing import Any

import httpx

from siyu.app.sim_members import Bought, Habits, Member
from siyu.app.sim_people import Problem, Street

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
    product_id = member.dice.choice(goods)["product_id"]
    product = (await member.ask("GET", f"/products/{product_id}")).data
    count = member.dice.choice([1, 1, 2, 3, 5])
    asked = {
        "sku_id": member.dice.choice(product["skus"])["sku_id"],
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
    left_by(member.street).append(gift | {"giver": member.member_id})


async def accept(member: Member) -> None:
    """Open a link and accept, sometimes twice at once."""
    gift = _pick(member)
    if gift is None:
        return
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
        answer = await member.ask("POST", f"{path}/cancel")
        member.street.score["gifts taken back" if answer.is_good else f"refused {answer.code}"] += 1


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
    """See where an accepted gift is, and swap it when it is gone."""
    page = await member.ask("GET", "/gifts/received?limit=20")
    if not page.is_good or not page.data["items"]:
        return
    path = f"/gifts/received/{member.dice.choice(page.data['items'])['share_id']}"
    share = await member.ask("GET", path)
    if share.is_good and share.data["swaps"]:
        sku_id = member.dice.choice(share.data["swaps"])["sku_id"]
        answer = await member.ask("POST", f"{path}/swap", {"sku_id": sku_id})
        member.street.score["gifts swapped" if answer.is_good else f"refused {answer.code}"] += 1


def _pick(member: Member) -> dict[str, Any] | None:
    """One of the last links."""
    links = left_by(member.street)[-12:]
    return member.dice.choice(links) if links else None


def _must(member: Member, holds: bool, what: str) -> None:
    if not holds:
        member.street.problems.append(f"{member.name}: {what}")
        raise Problem("/gifts")


HABITS: Habits = {
    give: 3.0,
    accept: 5.0,
    accept_late: 1.0,
    take_back: 0.6,
    steal: 0.6,
    follow: 1.0,
}
