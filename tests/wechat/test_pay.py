"""The pay client against a local WeChat, and against answers no WeChat should give."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from siyu.kernel import clock
from siyu.sandbox.client import SandboxClient
from siyu.wechat.pay import rules
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    NewTrade,
    PayCredentials,
    TradeAlreadyPaid,
    TradeClosed,
    TradeState,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    Answer,
    ChannelUnusable,
    Retry,
    SerialUnknown,
    WeChatError,
)
from siyu.wechat.transport.service import calling
from tests.wechat.conftest import Server
from tests.wechat.test_vectors import CERTIFICATE, KEY

V3_KEY = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"
OURS = PayCredentials(
    mchid="1900009191",
    serial_no="F5765756002FDD77",
    private_key_pem=KEY,
    api_v3_key=V3_KEY,
    certificates={"F5765756002FDD77": CERTIFICATE},
    base_url="http://wechat.test",
)


@pytest.fixture
async def person(served_sandbox: Server) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(served_sandbox.url) as client:
        await client.call("DELETE", "/faults")
        calling._lanes.clear()
        calling._budgets.clear()
        yield client


@pytest.fixture
async def keys(person: SandboxClient) -> dict[str, Any]:
    return await person.credentials()


@pytest.fixture
def credentials(keys: dict[str, Any], served_sandbox: Server) -> PayCredentials:
    return PayCredentials(
        mchid=keys["mchid"],
        serial_no=keys["serial_no"],
        private_key_pem=keys["private_key_pem"],
        api_v3_key=keys["api_v3_key"],
        public_key_id=keys["public_key_id"],
        public_key_pem=keys["public_key_pem"],
        base_url=served_sandbox.url,
    )


def new_trade(keys: dict[str, Any], **change: Any) -> NewTrade:
    fields: dict[str, Any] = {
        "appid": keys["appid"],
        "out_trade_no": secrets.token_hex(12),
        "description": "茶" * 200,
        "total": 8800,
        "time_expire": clock.now() + timedelta(minutes=30),
        "notify_url": "http://shop.test/callback",
    }
    return NewTrade(**(fields | change))


async def test_the_life_of_an_order(
    person: SandboxClient, keys: dict[str, Any], credentials: PayCredentials
) -> None:
    trade = new_trade(keys)
    assert await pay.query(credentials, trade.out_trade_no) is None
    assert not await pay.close(credentials, trade.out_trade_no)
    code_url = await pay.create_native(credentials, trade)
    unpaid = await pay.query(credentials, trade.out_trade_no)
    assert unpaid is not None
    assert (unpaid.trade_state, unpaid.transaction_id) == (TradeState.NOTPAY, "")
    assert (await pay.create_native(credentials, trade)) != code_url, "the same order, a new code"
    paid = await person.pay("p1", await pay.create_native(credentials, trade))
    found = await pay.query(credentials, trade.out_trade_no)
    assert found is not None
    assert found.trade_state is TradeState.SUCCESS
    assert found.transaction_id == paid["transaction_id"]
    assert found.success_time is not None and found.success_time.utcoffset() == timedelta(hours=8)
    assert await pay.query_by_transaction(credentials, found.transaction_id) == found
    assert await pay.query_by_transaction(credentials, "4200000000000000000000000000") is None
    with pytest.raises(TradeAlreadyPaid):
        await pay.create_native(credentials, trade)
    with pytest.raises(TradeAlreadyPaid):
        await pay.close(credentials, trade.out_trade_no)


async def test_a_closed_number_is_over(keys: dict[str, Any], credentials: PayCredentials) -> None:
    trade = new_trade(keys)
    await pay.create_native(credentials, trade)
    assert await pay.close(credentials, trade.out_trade_no)
    assert await pay.close(credentials, trade.out_trade_no), "closing is re-entrant"
    with pytest.raises(TradeClosed):
        await pay.create_native(credentials, trade)


async def test_the_same_number_with_other_parameters_is_refused_by_wechat(
    keys: dict[str, Any], credentials: PayCredentials
) -> None:
    trade = new_trade(keys)
    await pay.create_native(credentials, trade)
    with pytest.raises(WeChatError) as refused:
        await pay.create_native(credentials, msgspec.structs.replace(trade, total=1))
    assert (refused.value.code, refused.value.retry) == ("INVALID_REQUEST", Retry.NEVER)
    assert type(refused.value) is WeChatError and refused.value.request_id


async def test_a_merchant_in_public_key_mode_has_no_certificates(
    credentials: PayCredentials,
) -> None:
    assert await pay.download_certificates(credentials) == []


async def test_downloaded_certificates_prove_themselves(
    person: SandboxClient, served_sandbox: Server
) -> None:
    made = {"name": "老商户", "signing": "certificate"}
    keys = await person.call("POST", "/merchants", made)
    old = PayCredentials(
        mchid=keys["mchid"],
        serial_no=keys["serial_no"],
        private_key_pem=keys["private_key_pem"],
        api_v3_key=keys["api_v3_key"],
        base_url=served_sandbox.url,
    )
    [*_, newest] = await pay.download_certificates(old)
    assert newest.serial_no in keys["certificates"]
    assert newest.effective_time < clock.now() < newest.expire_time
    await person.order_fault("bad_signature", "pay.certificates", mchid=keys["mchid"])
    with pytest.raises(WeChatError, match="certificates: SignatureRefused"):
        await pay.download_certificates(old)
    with pytest.raises(WeChatError, match="certificates: SealBroken"):
        await pay.download_certificates(msgspec.structs.replace(old, api_v3_key=V3_KEY))
    await person.order_fault("html", "pay.certificates", mchid=keys["mchid"], times=None)
    with pytest.raises(WeChatError):
        await pay.download_certificates(old)
    with pytest.raises(WeChatError, match="SERIAL_UNKNOWN"):
        await pay.query(old, "nothing")


def answering(monkeypatch: pytest.MonkeyPatch, body: bytes, status: int = 200) -> None:
    """WeChat answers everything with this, signed by the key of the vectors."""

    async def send(*_: Any) -> Answer:
        signed = transport.signature_headers(
            body,
            serial="F5765756002FDD77",
            private_key_pem=KEY,
            timestamp=int(clock.now().timestamp()),
            nonce=secrets.token_hex(8),
        )
        headers = {name.lower(): value for name, value in signed.items()}
        return Answer(status=status, headers=headers, body=body)

    monkeypatch.setattr(calling, "_send", send)
    calling._lanes.clear()
    calling._budgets.clear()


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"prepay_id":1}', b'{"code_url":null}'])
async def test_a_signed_answer_that_lacks_what_was_asked_is_an_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    answering(monkeypatch, body)
    for asked in (
        pay.create_native(OURS, new_trade({"appid": "wx1"})),
        pay.create_jsapi(OURS, new_trade({"appid": "wx1"}, openid="o1")),
        pay.query(OURS, "N123456"),
        pay.download_certificates(OURS),
    ):
        with pytest.raises(WeChatError) as failed:
            await asked
        assert (failed.value.code, failed.value.retry) == ("MALFORMED", Retry.UNKNOWN)


async def test_a_certificate_under_another_serial_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sealed = transport.seal(
        CERTIFICATE.encode(), V3_KEY, nonce="0" * 12, associated_data="certificate"
    )
    entry = {
        "serial_no": "5DEA10EF55877E3CF6C33255C2E7DEFFF7E427EC",
        "effective_time": "2021-04-27T16:40:32+08:00",
        "expire_time": "2031-04-25T16:40:32+08:00",
        "encrypt_certificate": msgspec.to_builtins(sealed),
    }
    answering(monkeypatch, json.dumps({"data": [entry]}).encode())
    with pytest.raises(WeChatError, match="certificates: ValueError"):
        await pay.download_certificates(OURS)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "ORDERPAID", "", TradeAlreadyPaid),
        (400, "INVALID_REQUEST", "该订单已支付", TradeAlreadyPaid),
        (400, "INVALID_REQUEST", "别的", WeChatError),
        (400, "ORDERCLOSED", "", TradeClosed),
        (502, "", "", WeChatError),
    ],
)
def test_errors_by_their_old_and_new_names(
    status: int, code: str, message: str, kind: type[WeChatError]
) -> None:
    body = json.dumps({"code": code, "message": message}).encode()
    error = rules.error_of(Answer(status=status, headers={}, body=body))
    assert type(error) is kind
    assert error.code == (code or "HTTP_502")


@pytest.mark.parametrize("number", ["268449538", "268498689"])
def test_the_number_in_request_id_tells_what_the_code_does_not(number: str) -> None:
    body = b'{"code":"INVALID_REQUEST","message":"\xe5\x88\xab\xe7\x9a\x84"}'
    answer = Answer(status=400, headers={"request-id": f"08E6-{number}"}, body=body)
    assert type(rules.error_of(answer)) is TradeAlreadyPaid


async def test_junk_headers_make_nobody_call_wechat(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    async def send(*_: Any) -> Answer:
        called.append(1)
        raise WeChatError(0, "NOT_SENT", "", retry=Retry.NEVER)

    monkeypatch.setattr(calling, "_send", send)
    bare = msgspec.structs.replace(OURS, certificates={}, mchid="1900009192")
    with pytest.raises(SerialUnknown):
        await pay.read_notification(bare, {}, b"{}")
    assert called == []
    for _ in range(50):
        junk = {"wechatpay-serial": secrets.token_hex(20), "wechatpay-signature": "x"}
        with pytest.raises(SerialUnknown):
            await pay.read_notification(bare, junk, b"{}")
    assert len(called) == 1, "one try a minute"


def test_F007_what_is_missing_is_named() -> None:
    pay.check(OURS)
    bad = {
        "mchid": "",
        "serial_no": "",
        "private_key_pem": "x",
        "api_v3_key": "short",
        "public_key_id": "5DEA",
        "certificates": {"5DEA": "x"},
    }
    with pytest.raises(ChannelUnusable) as refused:
        pay.check(msgspec.structs.replace(OURS, **bad))
    assert refused.value.details["missing"] == (
        "mchid, serial_no, api_v3_key, private_key, public_key_id, public_key, certificates"
    )


def test_credentials_do_not_show_their_keys() -> None:
    assert repr(OURS) == "PayCredentials(mchid='1900009191')"
