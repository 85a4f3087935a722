"""People of the demo: cards of the store written down at the counter, two that were one person and
were merged, and two that staff still have to look at."""

from collections.abc import Awaitable, Callable
from typing import Any

Ask = Callable[[str, str, Any], Awaitable[Any]]
"""One request: method, path, body."""

CARDS = (
    ("沈知味", [("card", "TEA-0001"), ("phone", "13800010001")]),
    ("老沈（纸质会员）", [("card", "TEA-0101"), ("email", "shen@example.cn")]),
    ("顾小满", [("card", "TEA-0002"), ("phone", "13800010002")]),
    ("顾满满", [("card", "TEA-0102"), ("phone", "13800010012")]),
    ("林听雨", [("card", "TEA-0003"), ("email", "lin@example.cn")]),
)


async def show_people(ask: Ask) -> None:
    """Register the cards, merge one pair, leave one pair open."""
    made = []
    for nickname, known in CARDS:
        named = [{"kind": kind, "value": value} for kind, value in known]
        body = {"nickname": nickname, "identifiers": named}
        made.append((await ask("POST", "/members", body))["member_id"])
    pair = {"one_id": made[0], "other_id": made[1]}
    merge = await ask("POST", "/merges", pair)
    decision = {"is_accepted": True, "note": "同一位顾客，补办过卡"}
    await ask("POST", f"/merges/{merge['merge_id']}/decide", decision)
    # The same card at two counters: the number is written down for the second record, too.
    card = {"kind": "card", "value": "TEA-0002"}
    await ask("POST", f"/members/{made[3]}/identifiers", card)
