"""Simulated shipping: orders are split, merged and collected, by clerks who work at the same desk.

Buyers note their pick-up codes on the street, where the clerks read them off their phones.
"""

from typing import Any

import httpx

from siyu.app.sim_members import Habits, Member, buy
from siyu.app.sim_people import Problem
from siyu.app.sim_staff import Clerk, Duty

CARRIERS = ("顺丰速运", "圆通", "中通快递", "山里快递")
SETTINGS = {"pickup_days": 2, "remind_days": 1, "on_expiry": "refund"}
PLACE = {"name": "湖滨店", "address": "湖滨路 1 号", "phone": "", "hours": "9-21", "is_open": True}


# --- members ------------------------------------------------------------------------------------


async def buy_to_collect(member: Member) -> None:
    """Choose a place instead of an address."""
    places = (await member.ask("GET", "/stores")).data["items"]
    if not places:
        return await buy(member)
    place = member.dice.choice(places)["store_id"]
    bought = await member.order(pickup_store_id=place)
    if bought is not None and await member.pay(bought):
        await member.think(30, 300)
        await look_at_parcels(member)
    return None


async def look_at_parcels(member: Member) -> None:
    """See where things are; a code that waits is shown at the counter."""
    for bought in member.bought[-5:]:
        answer = await member.ask("GET", f"/orders/{bought.order_id}/deliveries")
        for one in answer.data["items"] if answer.is_good else []:
            if one["order_id"] != bought.order_id:
                raise Problem("somebody else's parcel")
            if one["code"] and one["code_text"] not in member.street.codes:
                member.street.codes.append(one["code_text"])


HABITS: Habits = {buy_to_collect: 3, look_at_parcels: 3}


# --- clerks -------------------------------------------------------------------------------------


def _parcel(clerk: Clerk) -> dict[str, str]:
    number = f"PK{clerk.dice.randrange(10**10):010d}"
    return {"carrier": clerk.dice.choice(CARRIERS), "tracking_no": number}


async def send_parcels(clerk: Clerk) -> None:
    """A part of a consignment, all of it, or several for the same person in one parcel."""
    for row in await clerk.items("/consignments?limit=30"):
        if clerk.chance(0.5):
            continue
        chosen: list[dict[str, Any]] = [{"consignment_id": row["consignment_id"], "lines": None}]
        left = [
            {"line_no": line["line_no"], "quantity": line["quantity"] - line["sent"]}
            for line in row["lines"]
            if line["quantity"] > line["sent"] + line["cancelled"]
        ]
        if clerk.chance(0.5) and left:
            part = clerk.dice.choice(left)
            pieces = clerk.dice.randint(1, part["quantity"])
            chosen[0]["lines"] = [{"line_no": part["line_no"], "quantity": pieces}]
        answer = await clerk.ask("GET", f"/consignments/{row['consignment_id']}")
        if answer.is_good and clerk.chance(0.8):
            chosen += [
                {"consignment_id": one["consignment_id"], "lines": None}
                for one in answer.data["together"][:3]
            ]
        await clerk.do("send parcel", "/parcels", _parcel(clerk) | {"consignments": chosen})


async def correct_parcel(clerk: Clerk) -> None:
    """A number was copied wrong."""
    parcels = await clerk.items("/parcels?limit=10")
    if parcels and clerk.chance(0.4):
        path = f"/parcels/{clerk.dice.choice(parcels)['parcel_id']}"
        answer = await clerk.ask("PUT", path, _parcel(clerk))
        clerk.street.score["clerk correct parcel" if answer.is_good else answer.code] += 1


async def hand_over(clerk: Clerk) -> None:
    """Whoever shows a code gets the goods; now and then somebody shows a wrong one."""
    if clerk.chance(0.1):
        await clerk.ask("POST", "/pickups/find", {"code": f"{clerk.dice.randrange(10**10):010d}"})
    for code in list(clerk.street.codes):
        if clerk.chance(0.6):
            answer = await clerk.do("hand over", "/pickups/hand-over", {"code": code})
            is_over = answer.is_good or answer.code == "fulfilment.code_unknown"
            if is_over and code in clerk.street.codes:
                clerk.street.codes.remove(code)


async def retry_uploads(clerk: Clerk) -> None:
    """What WeChat refused is tried again."""
    for row in await clerk.items("/money-waiting?standing=ticket&limit=20"):
        await clerk.do("retry upload", f"/money-waiting/{row['payment_id']}/retry")


DUTIES: list[Duty] = [send_parcels, correct_parcel, hand_over, retry_uploads]


async def set_up(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """A place to collect at, and what happens to goods nobody fetches."""
    key = {"Idempotency-Key": "set-up-parcels"}
    for method, path, body in (
        ("PUT", "/fulfilment-settings", SETTINGS),
        ("POST", "/stores", PLACE),
    ):
        answer = await http.request(method, f"/admin/v1{path}", json=body, headers=headers | key)
        assert answer.is_success, f"{path}: {answer.text}"
