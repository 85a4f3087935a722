"""What members say of what they received, twice at once at times; and the clerks who read it."""

import asyncio
from typing import Any

from siyu.app.sim_members import Habits, Member
from siyu.app.sim_staff import Clerk


async def review(member: Member) -> None:
    """Review something received, sometimes twice at once, sometimes to change it at once."""
    answer = await member.ask("GET", "/reviews/waiting")
    if answer.is_good and not answer.data["items"]:
        for bought in member.bought[-4:]:
            await member.ask("POST", f"/orders/{bought.order_id}/confirm-receipt")
        answer = await member.ask("GET", "/reviews/waiting")
    if not answer.is_good or not answer.data["items"]:
        return
    line = member.dice.choice(answer.data["items"])
    body = {
        "order_id": line["order_id"],
        "line_no": line["line_no"],
        "stars": member.dice.randint(1, 5),
        "text": member.dice.choice(["", "好茶", "加微信 返现"]),
        "is_anonymous": member.chance(0.3),
        "allow_reuse": member.chance(0.4),
    }
    tries = 2 if member.chance(0.25) else 1
    answers = await asyncio.gather(*(member.ask("POST", "/reviews", body) for _ in range(tries)))
    for one in answers:
        member.street.score["reviews" if one.is_good else f"refused {one.code}"] += 1
    good = [one.data for one in answers if one.is_good]
    if good and member.chance(0.3):
        await member.think(5, 3600)
        path = f"/reviews/{good[0]['review_id']}"
        change = {"stars": member.dice.randint(1, 5), "text": "想了想再改"}
        await member.ask("PUT", path, change)


async def add_or_lend(member: Member) -> None:
    """Add something to an own review, or change one's mind about lending it."""
    answer = await member.ask("GET", "/reviews?limit=20")
    if not answer.is_good or not answer.data["items"]:
        return
    own = member.dice.choice(answer.data["items"])
    path = f"/reviews/{own['review_id']}"
    if own["more"] is None and member.chance(0.5):
        await member.ask("POST", f"{path}/addition", {"text": "后来更好喝了"})
    else:
        await member.ask("PUT", f"{path}/reuse", {"allowed": not own["allows_reuse"]})


async def vote(member: Member) -> None:
    """Find a review of some product helpful, or no longer."""
    shelf = (await member.ask("GET", "/products?limit=50")).data
    if not shelf or not shelf["items"]:
        return
    product_id = member.dice.choice(shelf["items"])["product_id"]
    answer = await member.ask("GET", f"/products/{product_id}/reviews?limit=20")
    others = [one for one in answer.data["items"] if not one["is_own"]] if answer.is_good else []
    if others:
        one = member.dice.choice(others)
        body = {"helpful": not one["voted"]}
        await member.ask("PUT", f"/reviews/{one['review_id']}/helpful", body)


async def read_reviews(clerk: Clerk) -> None:
    """Let reviews through, hide some, answer, and offer what was lent."""
    for row in await clerk.items("/reviews?limit=30"):
        path = f"/reviews/{row['review_id']}"
        for part in ("first", "more"):
            said: Any = row[part]
            if said is None or (said["state"] != "waiting" and not clerk.chance(0.05)):
                continue
            seen = {"part": part, "seen_at": said["seen_at"]}
            if clerk.chance(0.2):
                await clerk.do("hides", f"{path}/hide", seen | {"reason": "广告"})
            else:
                await clerk.do("approves", f"{path}/approve", seen)
        if row["is_shown"] and row["answer"] is None and clerk.chance(0.3):
            await clerk.do("answers", f"{path}/answer", {"text": "谢谢"})
        if row["is_shown"] and row["allows_reuse"] and clerk.chance(0.3):
            await clerk.do("reuses", f"{path}/reusable", {"on": row["reusable_at"] is None})


AFTER_BUYING = (review, add_or_lend)
HABITS: Habits = {review: 3, add_or_lend: 1, vote: 1}
DUTIES = [read_reviews]
