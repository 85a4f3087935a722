"""Pay v3 as the sandbox serves it: signatures, fields, the rules of out_trade_no, states."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from siyu.kernel import clock
from siyu.sandbox.people import PhoneError
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Sealed, SerialUnknown, SignatureRefused

from .conftest import Bench, encode

JSAPI = "/v3/pay/transactions/jsapi"
NATIVE = "/v3/pay/transactions/native"


def ring(bench: Bench) -> transport.KeyRing:
    keys = {bench.keys["public_key_id"]: bench.keys["public_key_pem"]} | bench.keys["certificates"]
    return transport.KeyRing(keys)


async def test_an_order_is_made_paid_and_asked_for(bench: Bench) -> None:
    number, prepay_id = await bench.create(attach="思屿")
    assert prepay_id.startswith("wx") and len(prepay_id) == 36
    before = await bench.query(number)
    assert before == {
        "appid": bench.keys["appid"],
        "mchid": bench.keys["mchid"],
        "out_trade_no": number,
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
        "amount": {"total": 8800, "currency": "CNY"},
        "promotion_detail": [],
    }
    paid = await bench.person.pay("p1", prepay_id)
    after = await bench.query(number)
    assert after["trade_state"] == "SUCCESS"
    assert after["transaction_id"] == paid["transaction_id"] and len(paid["transaction_id"]) == 28
    assert after["payer"] == {"openid": await bench.openid()}
    assert after["amount"]["payer_total"] == 8800
    assert after["attach"] == "思屿"
    assert after["success_time"].endswith("+08:00")
    target = f"/v3/pay/transactions/id/{paid['transaction_id']}?mchid={bench.keys['mchid']}"
    assert (await bench.call("GET", target)).json() == after


async def test_every_answer_is_signed_errors_and_empty_ones_too(bench: Bench) -> None:
    number, _ = await bench.create()
    mchid = bench.keys["mchid"]
    close = f"/v3/pay/transactions/out-trade-no/{number}/close"
    for answer in (
        await bench.call("POST", JSAPI, await bench.body()),
        await bench.call("POST", JSAPI, {"appid": "x"}),
        await bench.call("GET", f"/v3/pay/transactions/out-trade-no/NOSUCH1?mchid={mchid}"),
        await bench.call("POST", close, {"mchid": mchid}),
    ):
        transport.verify_headers(ring(bench), answer.headers, answer.content, clock.now())
        assert answer.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mchid": "1900000000"}, "证书序列号"),
        ({"serial_no": "00FF"}, "证书序列号"),
        ({"timestamp": 1_600_000_000}, "5分钟"),
    ],
)
async def test_a_wrong_header_is_a_sign_error(
    bench: Bench, change: dict[str, Any], words: str
) -> None:
    body = encode(await bench.body())
    header = {"Authorization": bench.header("POST", JSAPI, body, **change)}
    answer = await bench.call("POST", JSAPI, body, header)
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    assert words in answer.json()["message"]
    assert "wechatpay-signature" not in answer.headers


@pytest.mark.parametrize("header", ["", "Bearer x", 'WECHATPAY2-SHA256-RSA2048 mchid="1"'])
async def test_a_garbled_header_is_a_sign_error(bench: Bench, header: str) -> None:
    answer = await bench.call("POST", JSAPI, {}, {"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")


async def test_the_signature_covers_method_path_query_and_raw_body(bench: Bench) -> None:
    body = encode(await bench.body())
    target = f"/v3/pay/transactions/out-trade-no/ABCDEF?mchid={bench.keys['mchid']}"
    for method, sent, signed_as, signed_body in (
        ("POST", JSAPI, bench.header("POST", JSAPI, body), body.replace(b":", b": ", 1)),
        ("POST", JSAPI, bench.header("POST", NATIVE, body), body),
        ("POST", JSAPI, bench.header("PUT", JSAPI, body), body),
        ("GET", target, bench.header("GET", target.split("?")[0]), b""),
    ):
        answer = await bench.call(method, sent, signed_body, {"Authorization": signed_as})
        assert answer.status_code == 401
        detail = answer.json()["detail"]
        assert detail["field"] == "signature"
        assert detail["sign_information"]["method"] == method


async def test_the_pairs_of_the_header_come_in_any_order(bench: Bench) -> None:
    body = encode(await bench.body())
    scheme, _, pairs = bench.header("POST", JSAPI, body).partition(" ")
    turned = f"{scheme} " + ",".join(reversed(pairs.split(",")))
    answer = await bench.call("POST", JSAPI, body, {"Authorization": turned})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": {"total": 0}}, "/amount/total"),
        ({"amount": {"total": 1.5}}, "/amount/total"),
        ({"amount": {"total": "1"}}, "/amount/total"),
        ({"amount": {"total": True}}, "/amount/total"),
        ({"amount": {}}, "/amount/total"),
        ({"amount": {"total": 1, "currency": "USD"}}, "/amount/currency"),
        ({"description": "长" * 128}, "/description"),
        ({"description": ""}, "/description"),
        ({"out_trade_no": "short"}, "/out_trade_no"),
        ({"out_trade_no": "x" * 33}, "/out_trade_no"),
        ({"out_trade_no": "with space"}, "/out_trade_no"),
        ({"attach": "x" * 129}, "/attach"),
        ({"time_expire": "2026-03-01T10:00:00"}, "/time_expire"),
        ({"notify_url": "http://shop.test/x?y=1"}, "/notify_url"),
        ({"notify_url": "shop.test"}, "/notify_url"),
        ({"payer": {"openid": "o-nobody"}}, "/payer/openid"),
        ({"payer": None}, "/payer"),
        ({"extra": 1}, "/extra"),
        ({"amount": {"total": 1, "fee": 1}}, "/amount/fee"),
    ],
)
async def test_a_bad_field_is_named(bench: Bench, change: dict[str, Any], field: str) -> None:
    answer = await bench.call("POST", JSAPI, await bench.body(**change))
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
    assert answer.json()["detail"]["field"] == field
    if "extra" in field or "fee" in field:
        assert answer.headers["request-id"].endswith("-270924358")
    assert await bench.person.call("GET", "/orders") == []


async def test_who_may_use_which_app(bench: Bench) -> None:
    stranger = await bench.person.call("POST", "/apps", {"name": "别家"})
    answer = await bench.call("POST", JSAPI, await bench.body(appid=stranger["appid"]))
    assert (answer.status_code, answer.json()["code"]) == (400, "APPID_MCHID_NOT_MATCH")
    answer = await bench.call("POST", JSAPI, await bench.body(mchid="1900000001"))
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
    await bench.person.call("PATCH", f"/apps/{stranger['appid']}", {"mchid": bench.keys["mchid"]})
    answer = await bench.call("POST", JSAPI, await bench.body(appid=stranger["appid"]))
    assert answer.json()["code"] == "OPENID_MISMATCH"


async def test_the_same_number_again(bench: Bench) -> None:
    body = await bench.body()
    first = await bench.call("POST", JSAPI, body)
    again = await bench.call("POST", JSAPI, dict(reversed(body.items())))
    assert again.status_code == 200
    assert again.json()["prepay_id"] != first.json()["prepay_id"]
    other = await bench.call("POST", JSAPI, body | {"amount": {"total": 1, "currency": "CNY"}})
    assert (other.status_code, other.json()["code"]) == (400, "INVALID_REQUEST")
    assert other.headers["request-id"].endswith("-268498688")
    await bench.person.pay("p1", first.json()["prepay_id"])
    paid = await bench.call("POST", JSAPI, body)
    assert (paid.status_code, paid.json()["code"]) == (400, "ORDER_PAID")
    with pytest.raises(PhoneError, match="已支付"):
        await bench.person.pay("p1", again.json()["prepay_id"])


async def test_closing_is_harmless_when_repeated_and_final(bench: Bench) -> None:
    number, prepay_id = await bench.create()
    close, body = (
        f"/v3/pay/transactions/out-trade-no/{number}/close",
        {"mchid": bench.keys["mchid"]},
    )
    for _ in range(2):
        assert (await bench.call("POST", close, body)).status_code == 204
    assert (await bench.query(number))["trade_state"] == "CLOSED"
    with pytest.raises(PhoneError, match="已失效"):
        await bench.person.pay("p1", prepay_id)
    again = await bench.call("POST", JSAPI, await bench.body(out_trade_no=number))
    assert again.json()["code"] == "ORDER_CLOSED"
    missing = await bench.call("POST", close.replace(number, "NOSUCH1"), body)
    assert (missing.status_code, missing.json()["code"]) == (404, "ORDER_NOT_EXIST")


async def test_a_paid_order_is_not_closed(bench: Bench) -> None:
    number, prepay_id = await bench.create()
    await bench.person.pay("p1", prepay_id)
    close = f"/v3/pay/transactions/out-trade-no/{number}/close"
    answer = await bench.call("POST", close, {"mchid": bench.keys["mchid"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "ORDER_PAID")
    assert (await bench.query(number))["trade_state"] == "SUCCESS"


async def test_the_query_needs_the_merchant_and_shows_only_its_own(bench: Bench) -> None:
    number, _ = await bench.create()
    path = f"/v3/pay/transactions/out-trade-no/{number}"
    assert (await bench.call("GET", path)).json()["code"] == "PARAM_ERROR"
    assert (await bench.call("GET", f"{path}?mchid=1900000001")).json()["code"] == "PARAM_ERROR"
    other = await bench.person.call("POST", "/merchants", {"name": "别家"})
    bench.keys = other
    answer = await bench.call("GET", f"{path}?mchid={other['mchid']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "ORDER_NOT_EXIST")


async def test_time_runs_out_for_tickets_and_orders(bench: Bench) -> None:
    number, prepay_id = await bench.create()
    soon = (clock.now() + timedelta(seconds=1)).isoformat()
    raised, short = await bench.create(time_expire=soon)  # raised to a minute from now
    with clock.turned(clock.now() + timedelta(seconds=50)):
        await bench.person.pay("p1", short)
    _, short = await bench.create(time_expire=soon)
    with clock.turned(clock.now() + timedelta(seconds=70)), pytest.raises(PhoneError):
        await bench.person.pay("p1", short)
    with clock.turned(clock.now() + timedelta(hours=2, seconds=1)):
        with pytest.raises(PhoneError, match="已失效"):
            await bench.person.pay("p1", prepay_id)
        assert (await bench.query(number))["trade_state"] == "NOTPAY"
    with clock.turned(clock.now() + timedelta(days=7, seconds=1)):
        assert (await bench.query(number))["trade_state"] == "CLOSED"
    assert (await bench.query(raised))["trade_state"] == "SUCCESS"


async def test_only_the_payer_named_can_pay(bench: Bench) -> None:
    number, prepay_id = await bench.create()
    with pytest.raises(PhoneError, match="不一致"):
        await bench.person.pay("p2", prepay_id)
    assert (await bench.query(number))["trade_state"] == "NOTPAY"


async def test_a_native_code_is_anybodys_and_the_old_one_dies(bench: Bench) -> None:
    body = await bench.body(payer=None)
    old = (await bench.call("POST", NATIVE, body)).json()["code_url"]
    new = (await bench.call("POST", NATIVE, body)).json()["code_url"]
    assert old.startswith("weixin://wxpay/bizpayurl") and old != new
    with pytest.raises(PhoneError):
        await bench.person.pay("p2", old)
    await bench.person.pay("p2", new)
    view = await bench.query(body["out_trade_no"])
    assert (view["trade_type"], view["payer"]) == ("NATIVE", {"openid": await bench.openid("p2")})
    refused = await bench.call("POST", NATIVE, body | {"payer": {"openid": "x"}})
    assert refused.json()["code"] == "PARAM_ERROR"


async def test_cancel_failure_and_empty_purse_change_nothing(bench: Bench) -> None:
    number, prepay_id = await bench.create(payer={"openid": await bench.openid("p6")})
    for outcome in ("cancel", "fail"):
        with pytest.raises(PhoneError):
            await bench.person.pay("p6", prepay_id, outcome=outcome)
    with pytest.raises(PhoneError, match="零钱"):
        await bench.person.pay("p6", prepay_id, method="balance")
    assert (await bench.query(number))["trade_state"] == "NOTPAY"
    assert await bench.person.notifications() == []
    assert await bench.person.call("GET", "/people/p6/messages") == []


async def test_paying_leaves_a_receipt_and_takes_the_money(bench: Bench) -> None:
    _, prepay_id = await bench.create()
    await bench.person.pay("p1", prepay_id, method="balance")
    people = {p["person_id"]: p for p in await bench.person.call("GET", "/people")}
    assert (people["p1"]["balance_fen"], people["p1"]["unread"]) == (66_600 - 8_800, 1)
    [message] = await bench.person.call("GET", "/people/p1/messages")
    assert (message["chat"], message["kind"]) == ("pay", "receipt")


async def test_the_pay_sheet_checks_pay_sign(bench: Bench) -> None:
    _, prepay_id = await bench.create()
    appid = bench.keys["appid"]
    stamp, nonce, package = "1700000000", "n1", f"prepay_id={prepay_id}"
    text = transport.pay_message(appid, stamp, nonce, package)
    args = {
        "timeStamp": stamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": transport.sign(text, bench.keys["private_key_pem"]),
    }
    sheet = await bench.person.call("POST", "/people/p1/pay-sheet", {"appid": appid, "args": args})
    assert (sheet["amount_fen"], sheet["merchant_name"]) == (8800, "思屿茶事")
    for bent in ({"nonceStr": "n2"}, {"paySign": "AAAA"}, {"timeStamp": "1700000001"}):
        with pytest.raises(PhoneError, match="签名"):
            await bench.person.request_payment("p1", appid, args | bent)
    await bench.person.request_payment("p1", appid, args)


async def test_sixty_four_payers_at_once_pay_once(bench: Bench) -> None:
    number, prepay_id = await bench.create()
    results = await asyncio.gather(
        *(bench.person.pay("p1", prepay_id) for _ in range(64)), return_exceptions=True
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, PhoneError) for result in results) == 63
    assert len(await bench.person.notifications(number)) == 1
    assert len(await bench.person.call("GET", "/people/p1/messages")) == 1


async def test_sixty_four_creations_at_once_make_one_order(bench: Bench) -> None:
    body = await bench.body()
    answers = await asyncio.gather(*(bench.call("POST", JSAPI, body) for _ in range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["prepay_id"] for answer in answers}) == 64
    assert len(await bench.person.call("GET", "/orders")) == 1


async def test_the_answer_is_signed_with_the_key_asked_for(bench: Bench) -> None:
    serial = next(iter(bench.keys["certificates"]))
    body = await bench.body()
    answer = await bench.call("POST", JSAPI, body, {"Wechatpay-Serial": serial})
    assert answer.headers["wechatpay-serial"] == serial
    answer = await bench.call("POST", JSAPI, body)
    assert answer.headers["wechatpay-serial"] == bench.keys["public_key_id"]


async def test_certificates_are_for_merchants_that_have_them(bench: Bench) -> None:
    answer = await bench.call("GET", "/v3/certificates")
    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")
    mchid = bench.keys["mchid"]
    await bench.person.call("PATCH", f"/merchants/{mchid}", {"signing": "certificate"})
    [entry] = (await bench.call("GET", "/v3/certificates")).json()["data"]
    sealed = Sealed(**entry["encrypt_certificate"])
    pem = transport.unseal(sealed, bench.keys["api_v3_key"]).decode()
    assert transport.certificate_serial(pem) == entry["serial_no"]


async def test_keys_rotate(bench: Bench) -> None:
    mchid = bench.keys["mchid"]
    await bench.person.call("PATCH", f"/merchants/{mchid}", {"signing": "certificate"})
    known = ring(bench)
    new = await bench.person.call("POST", "/keys/rotate", {"kind": "certificate"})
    answer = await bench.call("POST", JSAPI, await bench.body())
    assert answer.headers["wechatpay-serial"] == new["serial"]
    with pytest.raises(SerialUnknown):
        transport.verify_headers(known, answer.headers, answer.content, clock.now())
    entries = (await bench.call("GET", "/v3/certificates")).json()["data"]
    assert [e["serial_no"] for e in entries] == [new["serial"], *bench.keys["certificates"]]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("system_error", 500, "SYSTEM_ERROR"), ("frequency_limited", 429, "FREQUENCY_LIMITED")],
)
async def test_ordered_refusals(bench: Bench, kind: str, status: int, code: str) -> None:
    body = await bench.body()
    await bench.person.order_fault(kind, "pay.create", times=2)
    for _ in range(2):
        answer = await bench.call("POST", JSAPI, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await bench.person.call("GET", "/orders") == []
    assert (await bench.call("POST", JSAPI, body)).status_code == 200


async def test_an_html_page_instead_of_an_answer(bench: Bench) -> None:
    await bench.person.order_fault("html", "pay.query")
    number, _ = await bench.create()
    target = f"/v3/pay/transactions/out-trade-no/{number}?mchid={bench.keys['mchid']}"
    answer = await bench.call("GET", target)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (502, "text/html")


async def test_the_work_is_done_but_no_answer_comes(bench: Bench) -> None:
    await bench.person.order_fault("timeout_after_work", "pay.create", seconds=0)
    body = await bench.body()
    answer = await bench.call("POST", JSAPI, body)
    assert answer.status_code == 504
    assert (await bench.query(body["out_trade_no"]))["trade_state"] == "NOTPAY"
    assert (await bench.call("POST", JSAPI, body)).status_code == 200


@pytest.mark.parametrize("kind", ["bad_signature", "probe", "skewed_time"])
async def test_answers_that_must_not_be_believed(bench: Bench, kind: str) -> None:
    await bench.person.order_fault(kind, "pay.create")
    answer = await bench.call("POST", JSAPI, await bench.body())
    with pytest.raises(SignatureRefused):
        transport.verify_headers(ring(bench), answer.headers, answer.content, clock.now())


async def test_another_amount_under_a_good_signature(bench: Bench) -> None:
    number, prepay_id = await bench.create()
    await bench.person.pay("p1", prepay_id)
    await bench.person.order_fault("tamper_amount", "pay.query", fen=-8700)
    assert (await bench.query(number))["amount"]["total"] == 100
    assert (await bench.query(number))["amount"]["total"] == 8800


async def test_a_fault_is_for_one_merchant_when_it_says_so(bench: Bench) -> None:
    await bench.person.order_fault("system_error", "*", mchid="1900000009", times=None)
    assert (await bench.call("POST", JSAPI, await bench.body())).status_code == 200


async def test_a_skewed_clock_shows_in_date_and_refuses(bench: Bench) -> None:
    await bench.person.call("PATCH", "/settings", {"clock_skew_seconds": 600})
    answer = await bench.call("POST", JSAPI, await bench.body())
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    head = await bench.http.head("/")
    ahead = (clock.now() + timedelta(seconds=600)).strftime("%a, %d %b %Y %H:%M")
    assert head.headers["date"].startswith(ahead)


async def test_a_rate_limit_per_merchant(bench: Bench) -> None:
    limit = {"subject": bench.keys["mchid"], "operation": "pay.query", "seconds": 60, "calls": 2}
    await bench.person.call("PUT", "/limits", limit)
    number, _ = await bench.create()
    target = f"/v3/pay/transactions/out-trade-no/{number}?mchid={bench.keys['mchid']}"
    codes = [(await bench.call("GET", target)).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize("header", ["User-Agent", "Accept"])
async def test_who_calls_must_say_so(bench: Bench, header: str) -> None:
    answer = await bench.call("POST", JSAPI, await bench.body(), {header: ""})
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"a":' * 5000])
async def test_a_body_that_is_no_json_object(bench: Bench, raw: bytes) -> None:
    answer = await bench.call("POST", JSAPI, raw)
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
