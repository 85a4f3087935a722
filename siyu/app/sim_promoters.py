"""Simulated promoters: customers come by their links, some on the promoter's own phone."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx

from siyu.app.sim_members import Habits, Member
from siyu.app.sim_staff import Clerk


async def buy_by_link(member: Member) -> None:
    """Buy what a promoter showed; now and then on the promoter's own phone."""
    promoter: Member = member.dice.choice(member.street.promoters)
    if member.chance(0.6):
        device = {"device": str(uuid5(NAMESPACE_URL, f"{promoter.name} {member.name}"))}
        for one in (promoter, member):
            if await one.is_known():
                await one.ask("PUT", "/commission/device", device)
    lines = await member.fill_basket()
    quoted = await member.quote(lines)
    if quoted is None:
        return
    body = member.order_body(lines, quoted, promoter_id=promoter.member_id)
    if bought := member.remember(await member.ask("POST", "/orders", body), body):
        await member.think(1, 40)
        await member.pay(bought)


async def review_commissions(clerk: Clerk) -> None:
    """Look at commissions of promoters who may have bought from themselves (F096)."""
    for plan in await clerk.items("/splits?status=open&limit=30"):
        if not plan["alarm"]:
            continue
        path = f"/splits/{plan['order_id']}"
        for part in (await clerk.ask("GET", path)).data["parts"]:
            if part["state"] == "held":
                release = clerk.chance(0.5)
                body = {"release": release, "reason": None if release else "自买自推"}
                await clerk.do("review", f"{path}/parts/{part['part_no']}/review", body)


async def set_up(http: httpx.AsyncClient, headers: dict[str, str], members: list[Member]) -> None:
    """The first of these members brought the second; both bring customers from now on."""

    async def ask(method: str, path: str, body: Any) -> None:
        answer = await http.request(method, f"/admin/v1{path}", json=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.text}"

    parent_id = None
    for level, (member, share_bps) in enumerate(zip(members, (600, 200), strict=True), start=1):
        await ask("PUT", f"/promoters/{member.member_id}", {"parent_id": parent_id})
        rule = {
            "title": f"promoter {level}",
            "scope": "promoter",
            "share_bps": share_bps,
            "way": "balance",
            "trigger": "receipt",
            "level": level,
        }
        headers = headers | {"Idempotency-Key": f"promoter-{level}"}
        await ask("POST", "/split-rules", rule)
        parent_id = member.member_id
        member.street.promoters.append(member)


HABITS: Habits = {buy_by_link: 2}
DUTIES = [review_commissions]
