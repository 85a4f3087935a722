"""What the demo's customers say of what they have received, and how the shop deals with it.

Nothing is invented: each review is written through the shop's API by a customer of the demo who has
bought and received just that, and its words say that a demo customer wrote them.
"""

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from siyu.app.demo_customers import Customer
    from siyu.app.demo_desk import Desk

MARK = "（演示顾客）"
WORDS: dict[int, tuple[str, ...]] = {
    5: ("和描述一致，包装也用心。", "送朋友很体面，自己又回购了一份。", "收到就用上了，满意。"),
    4: ("整体不错，包装再小一点就更好收了。", "东西好，快递慢了一天。"),
    3: ("中规中矩，适合日常用。",),
    2: ("和想象的有些差距。",),
}  # fmt: skip
ADDED = "用了一段时间，越用越喜欢。" + MARK
ADVERT = "不错。想要更便宜的，加我微信聊。" + MARK
ANSWERS = ("谢谢您的喜欢，期待您再来。", "感谢建议，我们会继续改进。")
SETTINGS = {
    "checking": "all",
    "review_days": 90,
    "addition_days": 180,
    "edit_hours": 72,
    "words": ["加微信", "加我微信", "刷单", "返现", "代购"],
}
LEFT_OVER = 2
TABLE = """商品名称*,商家编码*,售价*,规格,会员价,期初库存,副标题,类型,分类,标签
滇红松针,DEMO-DH-50,58.00,净含量:50克,52.00,80,云南凤庆 · 批量导入演示,实物,,红茶
,DEMO-DH-100,108.00,净含量:100克,98.00,40,,,,
九曲红梅,DEMO-JQ-50,66,净含量:50克,,60,杭州 · 批量导入演示,实物,,红茶
白毫银针,DEMO-YZ-50,1280元,净含量:50克,,20,福鼎 · 这一行的售价写错了,实物,,白茶
"""


async def speak(customer: "Customer", http: httpx.AsyncClient) -> None:
    """Review one thing that was received, if there is any; half of them with a picture of it."""
    waiting = (await customer.call(http, "GET", "/shop/v1/reviews/waiting"))["items"]
    if waiting:
        await write(customer, http, waiting[0])


async def write(
    customer: "Customer", http: httpx.AsyncClient, line: dict[str, Any], text: str = ""
) -> str:
    """Review a line; its id."""
    dice = customer.dice
    stars = dice.choices((5, 4, 3, 2), (60, 25, 10, 5))[0]
    picture_ids = []
    if line["image_url"] and dice.random() < 0.5:
        photo = (await http.get(line["image_url"])).content
        kept = await customer.call(http, "POST", "/shop/v1/reviews/pictures", photo)
        picture_ids = [kept["picture_id"]]
    body = {
        "order_id": line["order_id"],
        "line_no": line["line_no"],
        "stars": stars,
        "service_stars": dice.choice((5, 5, 4)),
        "logistics_stars": dice.choice((5, 4, 4, 3)),
        "text": text or dice.choice(WORDS[stars]) + MARK,
        "picture_ids": picture_ids,
        "is_anonymous": dice.random() < 0.25,
        "allow_reuse": dice.random() < 0.4,
    }
    made = await customer.call(http, "POST", "/shop/v1/reviews", body)
    return str(made["review_id"])


async def first_words(desk: "Desk", buyers: "list[Customer]") -> None:
    """The first day: every state, an addition, answers, votes, and one offered as content."""
    http = desk.http
    await desk.ask("PUT", "/review-settings", SETTINGS)
    ids = []
    for number, buyer in enumerate(buyers):
        for line in (await buyer.call(http, "GET", "/shop/v1/reviews/waiting"))["items"]:
            ids.append((buyer, await write(buyer, http, line, ADVERT if number == 1 else "")))
    for number, (buyer, review_id) in enumerate(ids[:-LEFT_OVER]):
        row = await desk.ask("GET", f"/reviews/{review_id}")
        await decide(desk, row)
        if number == 0:
            path = f"/shop/v1/reviews/{review_id}"
            await buyer.call(http, "POST", f"{path}/addition", {"text": ADDED, "picture_ids": []})
            await buyer.call(http, "PUT", f"{path}/reuse", {"allowed": True})
            await desk.ask("POST", f"/reviews/{review_id}/reusable", {"on": True})
            for other in buyers[1:4]:
                await other.call(http, "PUT", f"{path}/helpful", {"helpful": True})
        if number < len(ANSWERS):
            await desk.ask("POST", f"/reviews/{review_id}/answer", {"text": ANSWERS[number]})


async def decide(desk: "Desk", row: dict[str, Any]) -> None:
    """Let a review through, or hide it where a listed word stands in it."""
    part = row["first"]
    seen = {"part": "first", "seen_at": part["seen_at"]}
    path = f"/reviews/{row['review_id']}"
    if part["hits"]:
        await desk.ask("POST", f"{path}/hide", seen | {"reason": "含有广告和联系方式"})
    else:
        await desk.ask("POST", f"{path}/approve", seen)


async def look_over(desk: "Desk") -> None:
    """One round over what waits; the newest stay on the desk."""
    for row in (await desk.ask("GET", "/reviews?state=waiting&limit=30"))["items"][LEFT_OVER:]:
        if row["first"]["state"] == "waiting":
            await decide(desk, row)


async def take_in(desk: "Desk") -> None:
    """A table of products, tried and then taken in, with a line that is refused."""
    headers = {"X-Siyu-Shop": desk.shop, "Cookie": desk.cookie}
    answer = await desk.http.post(
        "/admin/v1/bulk/uploads?kind=products_in",
        files={"file": ("新茶上架.csv", TABLE.encode("utf-8-sig"))},
        headers=headers,
    )
    answer.raise_for_status()
    made = answer.json()
    start = {"mapping": made["mapping"], "is_dry_run": False}
    await desk.ask("POST", f"/bulk/{made['task']['task_id']}/start", start)
    await desk.ask("POST", "/bulk/exports", {"kind": "stock_out", "format": "xlsx"})
