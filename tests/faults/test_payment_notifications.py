"""F001-F013, F021: what WeChat tells us, told badly. By the numbers of the fault list."""

import ast
import base64
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import siyu
from siyu.kernel import clock, db, jobs
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.payments import queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel, PaymentId
from siyu.wechat.transport.contracts import PROBE_PREFIX
from tests.money.payments.bench import (
    Market,
    Pen,
    configure,
    market,
    pen,
    wechat_url,
)

__all__ = ["market", "pen", "wechat_url"]


async def attempt_of(market: Market) -> queries.Attempt:
    """An attempt that is committed; WeChat itself is not asked."""
    payable = market.payable()
    await market.intend(payable)
    [attempt] = await market.attempts(payable.order_id)
    return attempt


async def nothing_happened(market: Market, pen: Pen, attempt: queries.Attempt) -> None:
    assert await pen.stored() == 0
    assert await market.states(attempt.order_id) == ["created"]
    assert await market.successes() == [] and await market.parked() == []


async def test_F001_fifteen_deliveries_book_once(market: Market, pen: Pen) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    for _ in range(15):
        assert (await pen.post(body)).status_code == 204
        await jobs.drain()
    assert await pen.stored() == 1
    assert await market.states(attempt.order_id) == ["paid"]
    assert len(await market.successes()) == 1


async def test_F001_the_same_payment_under_other_notification_ids_books_once(
    market: Market, pen: Pen
) -> None:
    attempt = await attempt_of(market)
    trade = pen.trade(attempt.number)
    for _ in range(3):
        assert (await pen.post(pen.body(trade))).status_code == 204
    await jobs.drain()
    assert await pen.stored() == 3
    assert len(await market.successes()) == 1 and await market.parked() == []


async def test_F003_news_before_its_attempt_waits_and_is_applied(market: Market, pen: Pen) -> None:
    payable, payment_id = market.payable(), PaymentId(new_id())
    assert (await pen.post(pen.body(pen.trade(payment_id.hex)))).status_code == 204
    with pytest.raises(Exception, match="AttemptUnknown"):
        await jobs.drain()
    assert await market.parked() == []
    now = clock.now()
    attempt = queries.Attempt(
        shop_id=market.shop_id, payment_id=payment_id, order_id=payable.order_id, person_no=7,
        channel=Channel.JSAPI, state="created", amount_fen=8800, number=payment_id.hex,
        merchant=pen.mchid, app=pen.appid, payer="o-1", description="茶", provider_number=None,
        created_at=now, expires_at=now + timedelta(minutes=30), paid_at=None,
        purpose="order", owner=None, is_shared=False, refunded_fen=0, refund_count=0,
    )  # fmt: skip
    async with transaction(market.shop_id) as tx:
        await queries.insert_attempt(tx, attempt, now)
    with clock.turned(clock.now() + timedelta(minutes=1)):
        await jobs.drain()
    assert await market.states(payable.order_id) == ["paid"]
    assert len(await market.successes()) == 1


async def test_F003_money_for_a_number_nobody_gave_out_is_parked_not_forgotten(
    market: Market, pen: Pen, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await pen.post(pen.body(pen.trade(new_id().hex)))).status_code == 204
    with pytest.raises(Exception, match="AttemptUnknown"):
        await jobs.drain()
    with clock.turned(clock.now() + timedelta(minutes=11)):
        await jobs.drain()
    [parked] = await market.parked()
    assert (parked.reason, parked.amount_fen, parked.payment_id) == ("unknown_number", 8800, None)
    assert any(getattr(record, "alarm", "") == "money_parked" for record in caplog.records)
    assert len(await market.events("payments.money_parked")) == 1


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ({"total": 8799, "payer_total": 8799, "currency": "CNY"}, "wrong_amount"),
        ({"total": 8801, "payer_total": 8801, "currency": "CNY"}, "wrong_amount"),
        ({"total": 8800, "payer_total": 8800, "currency": "USD"}, "wrong_currency"),
        (
            {"total": 8800, "payer_total": 8800, "currency": "CNY", "payer_currency": "HKD"},
            "wrong_currency",
        ),
        ({"total": 8800, "payer_total": 7800, "currency": "CNY"}, "coupon_used"),
    ],
)
async def test_F004_money_of_another_amount_is_parked_and_the_order_stays_unpaid(
    market: Market, pen: Pen, amount: dict[str, Any], reason: str
) -> None:
    attempt = await attempt_of(market)
    trade = pen.trade(attempt.number, amount=amount)
    for _ in range(2):
        assert (await pen.post(pen.body(trade))).status_code == 204
    await jobs.drain()
    assert await market.states(attempt.order_id) == ["parked"]
    assert await market.successes() == []
    [parked] = await market.parked()
    assert (parked.reason, parked.amount_fen) == (reason, amount["total"])
    assert parked.order_id == attempt.order_id
    assert len(await market.events("payments.money_parked")) == 1


async def test_F005_GHSA_rc52_c4hv_w89p_only_the_sealed_number_says_which_order(
    market: Market, pen: Pen
) -> None:
    paid, other = await attempt_of(market), await attempt_of(market)
    trade = pen.trade(paid.number, attach=str(other.order_id), order_id=str(other.order_id))
    body = pen.body(
        trade,
        out_trade_no=other.number,
        order_id=str(other.order_id),
        payment_id=str(other.payment_id),
    )
    response = await pen.http.post(
        f"/callback/wechat/pay/{pen.shop_id}?order_id={other.order_id}&out_trade_no={other.number}",
        content=body,
        headers=pen.headers(body),
    )
    assert response.status_code == 204
    await jobs.drain()
    assert await market.states(paid.order_id) == ["paid"]
    assert await market.states(other.order_id) == ["created"]


@pytest.mark.parametrize(
    "host",
    [
        {"Host": "localhost"},
        {"Host": "127.0.0.1:8080"},
        {"X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1"},
        {"X-Debug": "1", "X-Skip-Signature": "true"},
    ],
)
@pytest.mark.parametrize("proof", ["none", "wrong"])
async def test_F006_CVE_2026_33661_no_host_and_no_flag_skips_the_signature(
    market: Market, pen: Pen, host: dict[str, str], proof: str
) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    signed = pen.headers(body + b" ") if proof == "wrong" else {"Wechatpay-Serial": "x"}
    response = await pen.post(body, signed | host)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "wechat.signature_refused"
    await nothing_happened(market, pen, attempt)


def test_F006_no_code_path_can_skip_the_check() -> None:
    """`receive` verifies before anything else looks at the body, with no condition around it, and
    no module of the wire knows a host name, an environment variable or a debug flag."""
    package = Path(siyu.__file__).parent
    receive = ast.parse((package / "money/payments/http_callback.py").read_text("utf-8"))
    [function] = [n for n in ast.walk(receive) if isinstance(n, ast.AsyncFunctionDef)]
    verified = [
        type(node).__name__ for node in function.body if "read_notification" in ast.unparse(node)
    ]
    assert verified == ["Try"], "the check stands at the top level of the route"
    for file in [*package.glob("wechat/**/*.py"), *package.glob("money/payments/**/*.py")]:
        code = ast.unparse(ast.parse(file.read_text("utf-8")))
        for word in ("localhost", "127.0.0.1", "os.environ", "DEBUG", "verify=False", "getenv"):
            assert word not in code, f"{word} in {file}"


@pytest.mark.parametrize("name", ["api_v3_key", "private_key", "mchid", "certificate_serial"])
async def test_F007_a_shop_without_keys_believes_nothing(
    market: Market, pen: Pen, shop: ShopId, name: str
) -> None:
    column = {"api_v3_key": "api_v3_key_sealed", "private_key": "private_key_sealed"}.get(
        name, name
    )
    attempt = await attempt_of(market)
    async with transaction(shop) as tx:
        await tx.run(f"update shops.wechat set {column} = null where shop_id = $1", shop)
    body = pen.body(pen.trade(attempt.number))
    assert (await pen.post(body)).status_code == 409
    await nothing_happened(market, pen, attempt)


async def test_F007_CVE_2026_103517_an_empty_key_opens_nothing(market: Market, pen: Pen) -> None:
    """Sealed with 32 zero bytes, as a sloppy library would pad an empty key."""
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number), key="\0" * 32)
    assert (await pen.post(body)).status_code == 401
    await nothing_happened(market, pen, attempt)


@pytest.mark.parametrize("seconds", [-300, 300, -86400, 86400])
async def test_F008_outside_the_window_is_refused(market: Market, pen: Pen, seconds: int) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    # One second of slack against the running clock, on the side that is refused.
    at = int(clock.now().timestamp()) + seconds + (seconds > 0)
    assert (await pen.post(body, pen.headers(body, timestamp=at))).status_code == 401
    await nothing_happened(market, pen, attempt)


@pytest.mark.parametrize("seconds", [-295, 295])
async def test_F008_inside_the_window_is_believed(market: Market, pen: Pen, seconds: int) -> None:
    body = pen.body(pen.trade((await attempt_of(market)).number))
    at = int(clock.now().timestamp()) + seconds
    assert (await pen.post(body, pen.headers(body, timestamp=at))).status_code == 204


async def test_F008_a_replayed_nonce_is_refused(market: Market, pen: Pen) -> None:
    body = pen.body(pen.trade((await attempt_of(market)).number))
    headers = pen.headers(body)
    assert (await pen.post(body, headers)).status_code == 204
    replay = await pen.post(body, headers)
    assert replay.status_code == 401
    assert replay.json()["error"]["details"] == {"reason": "nonce"}
    assert await pen.stored() == 1


@pytest.mark.parametrize("missing", ["Serial", "Signature", "Timestamp", "Nonce"])
async def test_F008_every_header_is_needed(market: Market, pen: Pen, missing: str) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    headers = pen.headers(body)
    del headers[f"Wechatpay-{missing}"]
    assert (await pen.post(body, headers)).status_code in (401, 503)
    await nothing_happened(market, pen, attempt)


@pytest.mark.parametrize("value", ["", "now", "１５５４２０９９８０", "-1", "1e9", "9" * 40, "1.5"])
async def test_F008_odd_timestamps_are_refused(market: Market, pen: Pen, value: str) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    headers = pen.headers(body)
    raw = [(name.encode(), text.encode()) for name, text in headers.items()]
    raw = [(n, value.encode() if n == b"Wechatpay-Timestamp" else v) for n, v in raw]
    answer = await pen.http.post(f"/callback/wechat/pay/{pen.shop_id}", content=body, headers=raw)
    assert answer.status_code == 401
    await nothing_happened(market, pen, attempt)


async def test_F009_a_probe_is_refused_quietly_and_the_genuine_one_is_taken(
    market: Market, pen: Pen, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    headers = pen.headers(body)
    headers["Wechatpay-Signature"] = PROBE_PREFIX + headers["Wechatpay-Signature"]
    caplog.set_level(logging.INFO, "siyu")
    probe = await pen.post(body, headers)
    assert (probe.status_code, probe.json()["error"]["code"]) == (401, "wechat.signature_probe")
    assert [r.levelname for r in caplog.records if "probe" in r.message] == ["INFO"]
    await nothing_happened(market, pen, attempt)
    assert (await pen.post(body)).status_code == 204


async def test_F010_an_unknown_public_key_asks_wechat_to_send_again(
    market: Market, pen: Pen
) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    answer = await pen.post(body, pen.headers(body, serial="PUB_KEY_ID_0999"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "wechat.serial_unknown")
    await nothing_happened(market, pen, attempt)


async def test_F011_the_raw_bytes_are_what_was_signed(market: Market, pen: Pen) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number)).replace(b'"id"', b'"\\u0069d"')
    assert b"\n   " in body and b"\\u652f" in body
    assert (await pen.post(body)).status_code == 204
    other = body.replace(b"\n   ", b"\n  ")
    assert (await pen.post(other, pen.headers(body))).status_code == 401


@pytest.mark.parametrize("change", ["tag", "cut", "aad", "nonce", "algorithm", "not base64"])
async def test_F012_a_broken_seal_is_refused(market: Market, pen: Pen, change: str) -> None:
    attempt = await attempt_of(market)
    envelope = json.loads(pen.body(pen.trade(attempt.number)))
    sealed, text = envelope["resource"], base64.b64decode(envelope["resource"]["ciphertext"])
    match change:
        case "tag":
            text = text[:-1] + bytes([text[-1] ^ 1])
        case "cut":
            text = text[:-20]
        case "aad":
            sealed["associated_data"] = "refund"
        case "nonce":
            sealed["nonce"] = "short"
        case "algorithm":
            sealed["algorithm"] = "NONE"
    sealed["ciphertext"] = "*" if change == "not base64" else base64.b64encode(text).decode()
    answer = await pen.post(json.dumps(envelope).encode())
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "wechat.seal_broken")
    await nothing_happened(market, pen, attempt)


async def test_F013_the_answer_does_not_wait_for_the_work(market: Market, pen: Pen) -> None:
    attempt = await attempt_of(market)
    async with db.database().pool.acquire() as stalled:
        await stalled.execute(f"begin; set local siyu.shop_id = '{market.shop_id}'")
        await stalled.execute("select 1 from payments.attempts for update")
        began = clock.monotonic()
        assert (await pen.post(pen.body(pen.trade(attempt.number)))).status_code == 204
        assert clock.monotonic() - began < 1.0
        await stalled.execute("rollback")
    assert await market.states(attempt.order_id) == ["created"]
    await jobs.drain()
    assert await market.states(attempt.order_id) == ["paid"]


@pytest.mark.parametrize("field", ["mchid", "appid"])
async def test_F021_of_another_merchant_or_app_is_refused(
    market: Market, pen: Pen, field: str
) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number, **{field: "1900000000"}))
    answer = await pen.post(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "payments.misrouted")
    await nothing_happened(market, pen, attempt)


async def test_F021_at_another_shops_address_is_refused(
    market: Market, pen: Pen, database: db.Database
) -> None:
    attempt = await attempt_of(market)
    async with db.system_transaction() as tx:
        other = ShopId(
            await tx.value(
                "insert into shops.shops (code, name, created_at)"
                " values ($1, '别家', now()) returning shop_id",
                f"other-{market.shop_id}",
            )
        )
    body = pen.body(pen.trade(attempt.number))
    assert (await pen.post(body, shop_id=other)).status_code == 409, "it has no keys"
    await configure(other, market.keys)
    assert (await pen.post(body, shop_id=other)).status_code == 503, "it has another public key"
    assert (await pen.post(body, shop_id=2_000_000)).status_code == 409, "there is no such shop"
    await nothing_happened(market, pen, attempt)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'{"id":1}', b"\xff\xfe", b'{"id":"' + b"x" * 70000 + b'"}'],
)
async def test_signed_nonsense_is_refused(market: Market, pen: Pen, body: bytes) -> None:
    attempt = await attempt_of(market)
    assert (await pen.post(body)).status_code in (403, 413)
    await nothing_happened(market, pen, attempt)


@pytest.mark.parametrize(
    "change",
    [{"trade_state": "PAID"}, {"transaction_id": ""}, {"amount": {}}, {"success_time": "x"}],
)
async def test_a_trade_that_cannot_be_read_is_refused(
    market: Market, pen: Pen, change: dict[str, Any]
) -> None:
    attempt = await attempt_of(market)
    assert (await pen.post(pen.body(pen.trade(attempt.number, **change)))).status_code == 403
    await nothing_happened(market, pen, attempt)


async def test_other_events_are_kept_for_later_and_change_nothing(market: Market, pen: Pen) -> None:
    attempt = await attempt_of(market)
    body = pen.body({"coupon_id": "1"}, event_type="COUPON.USE")
    assert (await pen.post(body)).status_code == 204
    await jobs.drain()
    assert await pen.stored() == 1
    assert await market.states(attempt.order_id) == ["created"]


async def test_replay_of_a_stored_notification_books_nothing_twice(
    market: Market, pen: Pen
) -> None:
    attempt = await attempt_of(market)
    body = pen.body(pen.trade(attempt.number))
    assert (await pen.post(body)).status_code == 204
    await jobs.drain()
    await payments.record_notification(market.shop_id, body, clock.now())
    assert len(await market.successes()) == 1
