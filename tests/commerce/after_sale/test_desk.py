"""The desk and the terms: lists, counts, who may, what is noted; lists of the customer."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from siyu.kernel.auth import member_token
from tests.commerce.after_sale.kit import (
    PARCEL,
    RETURN_TO,
    TERMS,
    Sale,
    ok,
    refused,
    selling,
)
from tests.commerce.ordering.kit import make_skus
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


async def test_the_desk_narrows_counts_and_pages(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=50)
    order = await sale.buy({tea: 6}, 11940)
    await sale.ship(order)
    made = [await sale.open(order, "return_refund", lines={1: 1}) for _ in range(3)]
    made.append(await sale.open(order, "refund_only", "not_received", lines={1: 1}))
    ok(await sale.act(made[0], "approve"))
    ok(await sale.act(made[1], "reject", {"text": "已过保质期"}))
    newest = [case["case_id"] for case in reversed(made)]

    desk = await sale.desk()
    assert [row["case_id"] for row in desk["items"]] == newest
    assert {state: count for state, count in desk["counts"].items() if count} == {
        "requested": 2, "approved": 1,
    }  # fmt: skip
    assert (desk["overdue"], desk["troubled"], desk["next_cursor"]) == (0, 0, None)
    row = desk["items"][0]
    assert (row["kind"], row["reason_label"], row["asked_fen"]) == (
        "refund_only", "未收到货/物流异常", 1990,
    )  # fmt: skip
    assert row["lines"][0]["title"] == "安溪铁观音 1"

    first = await sale.desk(limit=3)
    rest = await sale.desk(limit=3, cursor=first["next_cursor"])
    shown = [row["case_id"] for row in first["items"] + rest["items"]]
    assert shown == newest and rest["next_cursor"] is None
    assert len((await sale.desk(state="requested"))["items"]) == 2
    assert len((await sale.desk(kind="refund_only"))["items"]) == 1
    assert len((await sale.desk(order_id=order["order_id"]))["items"]) == 4
    assert (await sale.desk(order_id=str(uuid4())))["items"] == []
    await sale.later(hours=49)
    assert [row["case_id"] for row in (await sale.desk(overdue=True))["items"]] == [
        newest[0], newest[1],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query", [{"state": "x"}, {"kind": "x"}, {"cursor": "x"}, {"limit": 101}, {"limit": 0}]
)
async def test_F076_what_is_no_filter_is_refused(sale: Sale, query: dict[str, object]):
    answer = await sale.http.get("/admin/v1/after-sale", params=query)
    assert answer.status_code == 422


async def test_a_customers_cases(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    orders = [await sale.buy({tea: 1}, 1990) for _ in range(3)]
    cases = [await sale.open(order) for order in orders]
    page = ok(await sale.anna.send("GET", "/after-sale?limit=2"))
    assert [one["case_id"] for one in page["items"]] == [
        cases[2]["case_id"], cases[1]["case_id"],
    ]  # fmt: skip
    page = ok(await sale.anna.send("GET", f"/after-sale?limit=2&cursor={page['next_cursor']}"))
    assert [one["case_id"] for one in page["items"]] == [cases[0]["case_id"]]
    page = ok(await sale.anna.send("GET", f"/after-sale?order_id={orders[1]['order_id']}"))
    assert [one["order_no"] for one in page["items"]] == [orders[1]["order_no"]]


async def test_reasons_in_both_languages(sale: Sale):
    path = "/shop/v1/after-sale/reasons"
    chinese = ok(await sale.http.get(path))["items"]
    english = ok(await sale.http.get(path, headers={"Accept-Language": "en"}))["items"]
    assert chinese[0] == {
        "reason": "not_wanted",
        "label": "不想要了（七天无理由）",
        "kinds": ["refund_only", "return_refund"],
        "freight_by": "customer",
        "needs_pictures": False,
    }
    assert english[0]["label"] == "Changed my mind"
    assert len(chinese) == 10 and "by_shop" not in {one["reason"] for one in chinese}


async def test_terms_are_kept_and_noted(sale: Sale):
    product = str(uuid4())
    ok(await sale.terms(answer_hours=24, not_returnable=[product, product]))
    kept = await sale.desk("/settings")
    assert kept == TERMS | {"answer_hours": 24, "not_returnable": [product]}
    sealed = await sale.value("select return_address_sealed from after_sale.terms")
    assert RETURN_TO["phone"].encode() not in sealed
    trail = await sale.value(
        """select detail from kernel.audit where action = 'after_sale.terms_changed'
           order by audit_id desc limit 1"""
    )
    assert trail["after"]["answer_hours"] == 24 and trail["before"]["answer_hours"] == 48
    assert trail["after"]["return_address"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"answer_hours": 0},
        {"no_reason_days": 6},
        {"no_reason_days": 30, "quality_days": 29},
        {"inspect_days": "5"},
        {"return_address": RETURN_TO | {"phone": "<script>"}},
        {"return_address": RETURN_TO | {"receiver": " "}},
        {"refund_rate": 1},
    ],
)
async def test_terms_the_law_or_sense_forbids(sale: Sale, change: dict[str, object]):
    assert (await sale.terms(**change)).status_code == 422
    assert (await sale.desk("/settings"))["answer_hours"] == 48


async def test_a_shop_without_terms_has_the_defaults(market: Market):
    async with selling(market, frozenset({"after_sale.read"})) as sale:
        kept = await sale.desk("/settings")
        assert kept == TERMS | {"return_address": None}


async def test_F082_reading_is_not_writing_and_nothing_is_nothing(market: Market):
    async with selling(market) as sale:
        (tea,) = await make_skus(sale.shop)
        order = await sale.buy({tea: 1}, 1990)
        case = await sale.open(order)
    writes = [
        ("approve", {}),
        ("reject", {"text": "不"}),
        ("receive", {"restock": "sellable"}),
        ("refund", {}),
        ("ship-exchange", PARCEL),
        ("messages", {"text": "嗨"}),
    ]
    async with selling(market, frozenset({"after_sale.read", "orders.write"})) as reader:
        for what, body in writes:
            assert refused(await reader.act(case, what, body)) == (403, "auth.forbidden")
        assert refused(await reader.terms())[0] == 403
        body = {"lines": [{"line_no": 1, "quantity": 1}], "text": "退"}
        assert refused(await reader.refund(order["order_id"], body))[0] == 403
        assert len((await reader.desk())["items"]) == 1
    async with selling(market, frozenset({"orders.read"})) as stranger:
        for path in ("", f"/{case['case_id']}", "/settings", f"/pictures/{uuid4()}"):
            answer = await stranger.http.get(f"/admin/v1/after-sale{path}")
            assert refused(answer) == (403, "auth.forbidden")


async def test_what_is_not_there_is_not_found(sale: Sale):
    nobody = {"case_id": str(uuid4())}
    for what, body in [
        ("approve", {}),
        ("reject", {"text": "不"}),
        ("receive", {"restock": "sellable"}),
        ("refund", {}),
        ("ship-exchange", PARCEL),
        ("messages", {"text": "嗨"}),
    ]:
        assert refused(await sale.act(nobody, what, body)) == (404, "after_sale.case_not_found")
    answer = await sale.http.get(f"/admin/v1/after-sale/{uuid4()}")
    assert refused(answer) == (404, "after_sale.case_not_found")
    answer = await sale.http.get(f"/admin/v1/after-sale/pictures/{uuid4()}")
    assert refused(answer) == (404, "after_sale.picture_not_found")


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [{"line_no": 1, "quantity": 0}]},
        {"lines": [{"line_no": 1, "quantity": 1.5}]},
        {"lines": [{"line_no": 1, "quantity": "1"}]},
        {"amount_fen": -1},
        {"amount_fen": 1990.5},
        {"amount_fen": 10**18},
        {"refund_id": "x"},
        {"kind": "gift"},
        {"reason": "因为"},
        {"text": "长" * 501},
        {"picture_ids": ["x"]},
    ],
)
async def test_F064_what_is_malformed_is_refused(sale: Sale, change: dict[str, object]):
    body = {
        "kind": "refund_only",
        "reason": "not_wanted",
        "lines": [{"line_no": 1, "quantity": 1}],
    } | change
    answer = await sale.anna.send("POST", f"/orders/{uuid4()}/after-sale", body)
    assert answer.status_code == 422, answer.text


async def test_the_same_key_is_one_case(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 2}, 3980)
    path = f"/orders/{order['order_id']}/after-sale"
    body = {
        "kind": "refund_only",
        "reason": "not_wanted",
        "lines": [{"line_no": 1, "quantity": 1}],
    }
    answers = [await sale.anna.send("POST", path, body, "one-key") for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert answers[2].headers["idempotency-replayed"] == "true"
    assert await sale.value("select count(*) from after_sale.cases") == 1
    amount = await sale.ask(order, lines={1: 1}, amount_fen=1991)
    assert refused(amount) == (422, "after_sale.amount_out_of_range")


async def test_every_decision_stands_in_the_trail(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await sale.open(order, "return_refund")
    ok(await sale.act(case, "approve"))
    ok(await sale.do(case, "ship-back", PARCEL))
    ok(await sale.act(case, "receive", {"restock": "sellable"}))
    ok(await sale.act(case, "refund", {"amount_fen": 1000, "text": "已使用"}))
    rows = await sale.value(
        """select json_agg(json_build_array(action, actor_name, detail) order by audit_id)
           from kernel.audit where subject_id = $1""",
        case["case_id"],
    )
    assert [(row[0], row[1]) for row in rows] == [
        ("after_sale.case_approved", "boss"),
        ("after_sale.case_received", "boss"),
        ("after_sale.case_refunding", "boss"),
    ]
    assert rows[2][2]["after"]["amount_fen"] == 1000


async def test_uploads_that_are_none(sale: Sale):
    headers = {"Authorization": f"Bearer {member_token(sale.anna.member)}"}
    path = "/shop/v1/after-sale/pictures"
    for sent in (
        {},
        {"json": {}},
        {"content": b"x"},
        {"data": {"file": "x"}},
        {"files": {"other": ("a.txt", b"x")}},
        {"files": {"a": ("a.txt", b"x"), "b": ("b.txt", b"x")}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
    ):
        more = sent.pop("headers", {})
        answer = await sale.http.post(path, headers=headers | more, **sent)
        assert answer.status_code == 422, (sent, answer.status_code, answer.text)
    big = {"files": {"file": ("a.png", b"\x89PNG" + b"0" * (11 * 1024 * 1024))}}
    assert (await sale.http.post(path, headers=headers, **big)).status_code in (413, 422)
