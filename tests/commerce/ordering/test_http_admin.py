"""Orders as the console sees them."""

import csv
import io
from uuid import uuid4

import httpx
from openpyxl import load_workbook

from siyu.commerce.ordering.service import export
from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import ExportLimit
from siyu.kernel import tables
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from tests.commerce.ordering.kit import ALL, app, make_skus, shopper, stock_of
from tests.compliance.approvals.test_service import colleagues


async def get(http: httpx.AsyncClient, path: str, **query: object) -> dict:
    answer = await http.get(f"/admin/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def numbers(http: httpx.AsyncClient, **query: object) -> list[str]:
    page = await get(http, "/orders", **query)
    return [row["order_no"] for row in page["items"]]


async def test_found_by_number_phone_title_and_filters(shop):
    (tea,) = await make_skus(shop, title="Tie Guan Yin")
    (cup,) = await make_skus(shop, title="盖碗 50%_")
    async with shopper(shop) as anna:
        first = await anna.order({tea: 1, cup: 2}, 5970)
        second = await anna.order({cup: 1}, 1990)
        both = [second["order_no"], first["order_no"]]
        http = anna.http
        assert await numbers(http) == both
        spoken = first["order_no"].lower().replace("-", " ")
        assert await numbers(http, q=spoken) == [first["order_no"]]
        for phone in ("13812345678", "+86 138 1234 5678", "１３８１２３４５６７８"):
            assert await numbers(http, q=phone) == both, phone
        assert await numbers(http, q="13912345678") == []
        assert await numbers(http, q="tie guan") == [first["order_no"]]
        assert await numbers(http, q="盖碗 50%_") == both
        assert await numbers(http, q="碗") == []
        assert await numbers(http, status="paid") == []
        assert await numbers(http, status="pending_payment", kind="sale") == both
        assert await numbers(http, kind="return") == []
        at = second["placed_at"]
        assert await numbers(http, placed_from=at) == [second["order_no"]]
        assert await numbers(http, placed_to=at) == [first["order_no"]]
        page = await get(http, "/orders", limit=1)
        row = page["items"][0]
        assert (row["title"], row["line_count"], row["quantity"]) == ("盖碗 50%_ 1", 1, 1)
        assert await numbers(http, limit=1, cursor=page["next_cursor"]) == [first["order_no"]]


async def test_detail_is_masked_and_a_reveal_stands_in_the_trail(shop):
    (tea,) = await make_skus(shop)
    async with shopper(shop) as anna:
        order = await anna.order({tea: 1}, 1990)
        path = f"/orders/{order['order_id']}"
        shown = await get(anna.http, path)
        assert shown["address"] == {
            "receiver": "王**",
            "phone": "138****5678",
            "province": "福建省",
            "city": "泉州市",
            "district": "安溪县",
            "detail": "龙涓乡茶叶街****",
        }
        assert shown["timeline"][0]["label"] == "提交订单"
        assert shown["lines"][0]["list_price_fen"] == 1990

        refused = await anna.http.post(f"/admin/v1{path}/reveal", json={"reason": ""})
        assert refused.status_code == 422
        revealed = await anna.http.post(f"/admin/v1{path}/reveal", json={"reason": "补寄"})
        assert revealed.json()["detail"] == "龙涓乡茶叶街 18 号 🍵"
        async with reading(shop) as tx:
            [row] = await tx.connection.fetch(
                "select action, actor_name, subject_id, detail::text from kernel.audit"
                " where action like 'ordering.%'"
            )
        assert row["action"] == "ordering.address_revealed" and row["actor_name"] == "小李"
        assert row["subject_id"] == order["order_id"] and "补寄" in row["detail"]
        assert "18 号" not in row["detail"]


async def test_staff_cancel_frees_the_goods(shop):
    (tea,) = await make_skus(shop, stock=3)
    async with shopper(shop) as anna:
        order = await anna.order({tea: 2}, 3980)
        path = f"/admin/v1/orders/{order['order_id']}/cancel"
        answer = await anna.http.post(path, json={"reason": "缺货"})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["status"], answer.json()["cancel_reason"]) == (
            "cancelled",
            "by_staff",
        )
        assert answer.json()["timeline"][-1]["actor"] == "小李"
        assert await stock_of(shop, tea) == (3, 0)
        again = await anna.http.post(path, json={"reason": "缺货"})
        assert again.json()["error"]["code"] == "ordering.move_refused"


async def test_permissions_are_asked(shop):
    lane = app(shop, permissions=ALL - {"orders.export", "members.reveal", "orders.write"})
    transport = httpx.ASGITransport(app=lane)
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as http:
        http.cookies.set("__Host-siyu", "staff")
        assert (await http.get("/admin/v1/orders")).status_code == 200
        assert (await http.get("/admin/v1/orders/export?reason=ok")).status_code == 403
        for verb in ("reveal", "cancel"):
            path = f"/admin/v1/orders/{uuid4()}/{verb}"
            assert (await http.post(path, json={"reason": "x"})).status_code == 403


async def test_F069_an_export_opens_inert(shop):
    (tea,) = await make_skus(shop, title="=cmd|'/C calc'!A0")
    async with shopper(shop) as anna:
        remarks = ["\x0b<&>", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=1+1", "一切正常, “好”\n谢谢"]
        for remark in remarks:
            await anna.order({tea: 1}, 1990, remark=remark)
        answer = await anna.http.get("/admin/v1/orders/export?format=csv&reason=对账")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["备注"] for row in rows] == [
            *(["一切正常, “好”\n谢谢"]),
            *[f"'{remark}" for remark in remarks[-2:0:-1]],
            "\x0b<&>",
        ]
        assert {row["商品"] for row in rows} == {"'=cmd|'/C calc'!A0 1"}
        assert {row["小计"] for row in rows} == {"19.90"}
        said = {(row["类型"], row["来源"], row["状态"]) for row in rows}
        assert said == {("销售", "本店", "待付款")}
        path = "/admin/v1/orders/export?format=csv&reason=audit"
        english = await anna.http.get(path, headers={"Accept-Language": "en"})
        [*_, row] = csv.DictReader(io.StringIO(english.content.decode("utf-8-sig")))
        assert (row["Kind"], row["Source"], row["State"]) == ("Sale", "This shop", "To pay")
        assert all(column.isascii() for column in row)

        answer = await anna.http.get("/admin/v1/orders/export?format=xlsx&reason=对账")
        sheet = load_workbook(io.BytesIO(answer.content)).active
        cells = list(sheet.iter_rows(min_row=2))
        assert len(cells) == len(remarks)
        assert all(cell.data_type != "f" for row in cells for cell in row)
        assert cells[0][14].value == 19.9
        texts = [row[18].value for row in cells]
        assert texts[0] == "一切正常, “好”\n谢谢" and texts[2] == "'\rx" and texts[-1] == "<&>"
        filtered = await anna.http.get("/admin/v1/orders/export?status=paid&reason=对账")
        assert len(filtered.text.splitlines()) == 1


async def test_F084_an_export_above_the_limit_waits_for_a_second_person(shop):
    """The negative control is the same export under a limit that it keeps."""
    (tea,) = await make_skus(shop)
    path = "/admin/v1/orders/export?format=csv&reason=对账"
    async with shopper(shop) as anna:
        await anna.order({tea: 1}, 1990)
        assert (await anna.http.get(path)).status_code == 200
        await colleagues(shop, 2)
        async with transaction(shop) as tx:
            await approvals.set_export_limit(tx, System(), ExportLimit(0))
        answer = await anna.http.get(path)
        assert answer.status_code == 409, answer.text
        assert answer.json()["error"]["code"] == "approvals.second_approver_needed"
        async with reading(shop) as tx:
            [case] = await approvals.list_cases(tx, None, None, 9)
        assert str(case.case_id) == answer.json()["error"]["details"]["case_id"]
        assert (case.content["rows"], case.content["reason"]) == (1, "对账")
        async with transaction(shop) as tx:
            await approvals.set_export_limit(tx, System(), ExportLimit(1))
        assert (await anna.http.get(path)).status_code == 200


async def test_F076_parameters_are_named_and_bounded(shop):
    async with shopper(shop) as anna:
        for query in (
            "limit=0", "limit=101", "limit=-1", "limit=1000000000", "limit=x",
            "status=paid'--", "kind=1;drop", "placed_from=2026-01-01", "placed_from=now()",
            "placed_from=2026-01-01T00:00:00", "cursor=x", "cursor=WzEsMl0", "q=" + "x" * 101,
            "q=%00", "cursor=" + "A" * 5000,
        ):  # fmt: skip
            answer = await anna.http.get(f"/admin/v1/orders?{query}")
            assert answer.status_code == 422, (query, answer.status_code, answer.text)
            assert answer.json()["error"]["code"].startswith("request."), query
        assert (await anna.http.get("/admin/v1/orders?q=' or 1=1--")).json()["items"] == []
        for path in ("/shop/v1/orders?limit=101", "/shop/v1/orders?status=x"):
            answer = await anna.send("GET", path.removeprefix("/shop/v1"))
            assert answer.status_code == 422


async def test_a_long_export_goes_on_in_further_sheets(shop, monkeypatch):
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(tables, "SHEET_ROWS", 5)
    (tea,) = await make_skus(shop)
    async with shopper(shop) as anna:
        numbers = [(await anna.order({tea: 1}, 1990))["order_no"] for _ in range(7)]
        answer = await anna.http.get("/admin/v1/orders/export?format=xlsx&reason=对账")
        book = load_workbook(io.BytesIO(answer.content))
        rows = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
        assert [len(sheet) for sheet in rows] == [4, 5]
        assert [row[0] for sheet in rows for row in sheet[1:]] == numbers[::-1]
