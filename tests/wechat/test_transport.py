"""The wire: signatures and their refusals, what may be logged, limits, breaker, budget."""

import asyncio
import email.utils
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from siyu.kernel import clock
from siyu.wechat.transport import rules
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    PAY_SCHEME,
    Answer,
    Call,
    ChannelUnusable,
    ProbeRefused,
    Retry,
    SealBroken,
    SerialUnknown,
    SignatureRefused,
    WeChatError,
)
from siyu.wechat.transport.service import calling
from tests.wechat.test_vectors import CERTIFICATE, KEY

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
RING = transport.KeyRing({"5DEA": CERTIFICATE, "PUB_KEY_ID_1": CERTIFICATE})


def headers(body: bytes = b"{}", serial: str = "5DEA", **change: Any) -> dict[str, str]:
    made = transport.signature_headers(
        body,
        serial=serial,
        private_key_pem=KEY,
        timestamp=change.pop("timestamp", int(NOW.timestamp())),
        nonce=change.pop("nonce", "n1"),
    )
    return {name.lower(): value for name, value in made.items()} | change


@pytest.mark.parametrize("serial", ["5DEA", "PUB_KEY_ID_1"])
@pytest.mark.parametrize("body", [b"", b"{}", "中文\n".encode(), b"\xff\x00"])
def test_the_serial_chooses_the_key(serial: str, body: bytes) -> None:
    transport.verify_headers(RING, headers(body, serial), body, NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wechatpay-signature": ""}, "headers"),
        ({"wechatpay-serial": ""}, "headers"),
        ({"wechatpay-nonce": ""}, "headers"),
        ({"wechatpay-nonce": "n2"}, "signature"),
        ({"wechatpay-timestamp": str(int(NOW.timestamp()) + 1)}, "signature"),
        ({"wechatpay-timestamp": "soon"}, "headers"),
        ({"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"}, "signature type"),
        ({"timestamp": int(NOW.timestamp()) - 300}, "timestamp"),
        ({"timestamp": int(NOW.timestamp()) + 300}, "timestamp"),
    ],
)
def test_what_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        transport.verify_headers(RING, headers(**change), b"{}", NOW)
    assert refused.value.details == {"reason": reason}
    assert refused.value.status == 401


def test_a_header_that_older_answers_lack_is_not_needed() -> None:
    given = headers()
    del given["wechatpay-signature-type"]
    transport.verify_headers(RING, given, b"{}", NOW)


def test_probe_and_unknown_serial_are_told_apart() -> None:
    probe = headers()
    probe["wechatpay-signature"] = "WECHATPAY/SIGNTEST/" + probe["wechatpay-signature"]
    with pytest.raises(ProbeRefused):
        transport.verify_headers(RING, probe, b"{}", NOW)
    with pytest.raises(SerialUnknown):
        transport.verify_headers(RING, headers(serial="0"), b"{}", NOW)


def test_F007_a_ring_without_keys_cannot_be_made() -> None:
    for keys in ({}, {"": CERTIFICATE}, {"5DEA": ""}):
        with pytest.raises(ChannelUnusable):
            transport.KeyRing(keys)
    for bad in ("", "x", CERTIFICATE):
        with pytest.raises(ChannelUnusable):
            transport.sign(b"", bad)
    for bad in ("", "x", KEY, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ChannelUnusable):
            transport.verify(b"", "", bad)


def test_F008_the_memory_of_nonces_forgets_only_what_the_window_refuses() -> None:
    memory = transport.NonceMemory(size=3)
    memory.remember("s", "a", 1000)
    memory.remember("t", "a", 1000)
    memory.remember("s", "b", 1599)
    with pytest.raises(SignatureRefused):
        memory.remember("s", "a", 1600)
    memory.remember("s", "c", 1601)
    assert list(memory._seen) == [("s", "b"), ("s", "c")]
    for number in range(9):
        memory.remember("s", f"n{number}", 1602)
    assert len(memory._seen) == 3


def test_a_request_header_is_read_in_any_order_and_checked() -> None:
    value = transport.authorization(
        "post",
        "/v3/x?a=%20",
        b"{}",
        mchid="19",
        serial_no="AB",
        private_key_pem=KEY,
        timestamp=int(NOW.timestamp()),
        nonce="n",
    )
    scheme, _, rest = value.partition(" ")
    turned = f"{scheme} " + ",".join(reversed(rest.split(",")))
    given = transport.parse_authorization(turned)
    assert (given.mchid, given.serial_no, given.nonce_str) == ("19", "AB", "n")

    def check(target: str = "/v3/x?a=%20", body: bytes = b"{}", now: datetime = NOW) -> None:
        transport.verify_request(given, "POST", target, body, public_pem=CERTIFICATE, now=now)

    check()
    for change in (
        {"target": "/v3/x?a= "},
        {"body": b"{ }"},
        {"now": NOW + timedelta(seconds=300)},
    ):
        with pytest.raises(SignatureRefused):
            check(**change)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer x",
        PAY_SCHEME,
        f'{PAY_SCHEME} mchid="1"',
        'WECHATPAY2-SM2 mchid="1",serial_no="1",nonce_str="1",timestamp="1",signature="1"',
        f'{PAY_SCHEME} mchid="1",serial_no="1",nonce_str="1",timestamp="x",signature="1"',
        f'{PAY_SCHEME} mchid="1",serial_no="1",nonce_str="1",timestamp="1",signature="1",more="1"',
    ],
)
def test_garbled_request_headers(value: str) -> None:
    with pytest.raises(SignatureRefused):
        transport.parse_authorization(value)


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "retry"),
    [
        (400, "PARAM_ERROR", Retry.NEVER),
        (401, "SIGN_ERROR", Retry.NEVER),
        (404, "ORDER_NOT_EXIST", Retry.NEVER),
        (500, "OPENID_MISMATCH", Retry.NEVER),
        (429, "FREQUENCY_LIMITED", Retry.RETRY),
        (429, "SOMETHING_NEW", Retry.RETRY),
        (403, "RATELIMIT_EXCEEDED", Retry.RETRY),
        (500, "SYSTEM_ERROR", Retry.UNKNOWN),
        (502, "HTTP_502", Retry.UNKNOWN),
        (403, "SOMETHING_NEW", Retry.UNKNOWN),
    ],
)
def test_what_an_error_says_of_the_outcome(status: int, code: str, retry: Retry) -> None:
    assert rules.classify_pay(status, code) is retry


def test_busy_codes_of_the_other_api_may_be_repeated() -> None:
    assert rules.classify_errcode(-1) is Retry.RETRY
    assert rules.classify_errcode(45011) is Retry.RETRY
    assert rules.classify_errcode(40029) is Retry.NEVER


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            b'{"access_token":"s3cret","expires_in":7200}',
            '{"access_token": "***", "expires_in": 7200}',
        ),
        (b'{"a":[{"OpenId":"s3cret"}],"b":{"session_key":"s3cret"}}', None),
        (b'{"errmsg":"invalid access_token=s3cret rid: 1"}', None),
        (b'{"detail":{"sign_information":{"truncated":"s3cret"}}}', None),
        (b"<html>?secret=s3cret&x=1</html>", "<html>?secret=***&x=1</html>"),
        (b"\xff" * 10_000, None),
        (b"[" * 100_000, None),
    ],
)
def test_F092_nothing_secret_is_kept_of_an_answer(body: bytes, shown: str | None) -> None:
    text = transport.without_secrets(body)
    assert "s3cret" not in text and len(text) <= 2048
    assert shown is None or text == shown


def test_pauses_grow_and_stay_bounded() -> None:
    assert [rules.pause_seconds(n, 1.0) for n in (1, 2, 3, 10)] == [0.2, 0.4, 0.8, 5.0]
    assert rules.pause_seconds(1, 0.0) == 0.1


# -- calling -------------------------------------------------------------------------------------


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the next tries get: an Answer or a WeChatError; the last one stays."""
    queue: list[Any] = []

    async def send(request: Call, given: Any) -> Answer:
        sent.append(dict(given))
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    sent: list[dict[str, str]] = []
    queue_with_sent = _Wire(queue, sent)
    monkeypatch.setattr(calling, "_send", send)
    monkeypatch.setattr(rules, "pause_seconds", lambda *_: 0.0)
    calling._lanes.clear()
    calling._budgets.clear()
    return queue_with_sent


class _Wire(list[Any]):
    """The queue, and the headers of each try."""

    def __init__(self, queue: list[Any], sent: list[dict[str, str]]) -> None:
        super().__init__()
        self.queue, self.sent = queue, sent

    def will(self, *answers: Any) -> None:
        self.queue[:] = answers


def ask(**change: Any) -> Call:
    fields: dict[str, Any] = {
        "account": "19",
        "api": "test.ask",
        "method": "GET",
        "base_url": "http://wechat.test",
        "target": "/",
    }
    return Call(**(fields | change))


GOOD = Answer(status=200, headers={}, body=b"{}")
LOST = WeChatError(0, "NO_ANSWER", "ReadTimeout", retry=Retry.UNKNOWN)
NOT_SENT = WeChatError(0, "NOT_SENT", "ConnectError", retry=Retry.RETRY)
REFUSED = WeChatError(400, "PARAM_ERROR", "", retry=Retry.NEVER)


@pytest.mark.parametrize(
    ("answers", "repeatable", "tries"),
    [
        ((GOOD,), False, 1),
        ((REFUSED,), True, 1),
        ((NOT_SENT, GOOD), False, 2),
        ((LOST, GOOD), True, 2),
        ((LOST, GOOD), False, 1),
        ((NOT_SENT, NOT_SENT, NOT_SENT, GOOD), True, 3),
    ],
)
async def test_what_is_repeated(
    wire: _Wire, answers: tuple[Any, ...], repeatable: bool, tries: int
) -> None:
    wire.will(*answers)
    counter = iter(range(9))
    call = transport.call(
        ask(repeatable=repeatable), lambda: {"n": str(next(counter))}, lambda answer: answer
    )
    last = answers[tries - 1]
    if isinstance(last, WeChatError):
        with pytest.raises(WeChatError) as raised:
            await call
        assert raised.value is last
    else:
        assert await call is GOOD
    assert [one["n"] for one in wire.sent] == [str(n) for n in range(tries)], "signed anew"


async def test_repeats_are_a_tenth_of_the_calls(wire: _Wire) -> None:
    wire.will(NOT_SENT)
    for account in range(20):
        with pytest.raises(WeChatError):
            await transport.call(ask(account=str(account)), dict, lambda answer: answer)
    assert 20 + 10 <= len(wire.sent) <= 20 + 12


async def test_an_account_waits_for_its_turn_and_others_do_not(wire: _Wire) -> None:
    wire.will(GOOD)

    async def burst(account: str) -> float:
        began = clock.monotonic()
        await asyncio.gather(
            *(
                transport.call(ask(account=account, per_second=20.0), dict, lambda answer: answer)
                for _ in range(30)
            )
        )
        return clock.monotonic() - began

    assert await burst("a") >= 0.45
    began = clock.monotonic()
    await transport.call(ask(account="b", per_second=20.0), dict, lambda answer: answer)
    assert clock.monotonic() - began < 0.2


async def test_no_call_waits_beyond_its_deadline(wire: _Wire) -> None:
    wire.will(GOOD)
    request = ask(per_second=1.0, deadline_seconds=0.5)
    await transport.call(request, dict, lambda answer: answer)
    with pytest.raises(WeChatError) as limited:
        await transport.call(request, dict, lambda answer: answer)
    assert (limited.value.code, limited.value.retry) == ("LOCAL_LIMIT", Retry.RETRY)
    assert len(wire.sent) == 1


async def test_the_breaker_opens_lets_one_through_and_closes(wire: _Wire) -> None:
    wire.will(LOST)
    for _ in range(8):
        with pytest.raises(WeChatError, match="NO_ANSWER"):
            await transport.call(ask(), dict, lambda answer: answer)
    with pytest.raises(WeChatError, match="CIRCUIT_OPEN"):
        await transport.call(ask(), dict, lambda answer: answer)
    assert len(wire.sent) == 8
    await_api = ask(api="test.other")
    wire.will(GOOD)
    await transport.call(await_api, dict, lambda answer: answer)
    lane = calling._lanes["http://wechat.test", "19", "test.ask"]
    lane.closed_until = clock.monotonic()
    assert await transport.call(ask(), dict, lambda answer: answer) is GOOD
    assert lane.failures == 0


async def test_a_busy_answer_makes_the_account_pause(wire: _Wire) -> None:
    wire.will(Answer(status=429, headers={}, body=b""), GOOD)
    await transport.call(ask(), dict, lambda answer: answer)
    began = clock.monotonic()
    await transport.call(ask(), dict, lambda answer: answer)
    assert clock.monotonic() - began >= 0.9


async def test_a_dead_port_is_known_not_to_have_been_reached() -> None:
    request = ask(base_url="http://127.0.0.1:9", tries=1)
    with pytest.raises(WeChatError) as failed:
        await transport.call(request, dict, lambda answer: answer)
    assert (failed.value.code, failed.value.retry) == ("NOT_SENT", Retry.RETRY)
    assert failed.value.__suppress_context__, "the exception below holds the request"


async def test_an_endless_answer_is_cut_off() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(WeChatError, match="MALFORMED"):
        await transport.call(
            ask(base_url=f"http://127.0.0.1:{port}", tries=1, max_answer_bytes=50_000),
            dict,
            lambda answer: answer,
        )
    server.close()
    await transport.close()
    await transport.close()


def test_F007_keys_of_another_kind_or_too_short_are_refused() -> None:
    """1024-bit RSA can be broken, and an elliptic key is not what WeChat signs with."""
    for made in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):
        private = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(ChannelUnusable):
            transport.sign(b"", private)
        with pytest.raises(ChannelUnusable):
            transport.verify(b"", "", public.decode())


def test_pushed_messages_that_are_no_messages() -> None:
    key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    for encrypted in ("", "*", "MTIzNA==", "A" * 63):
        with pytest.raises(SealBroken):
            transport.open_message(key, encrypted, "wx1")
    for bad in ("", key[:-1], key + "A", "*" * 43, "é" * 43):
        with pytest.raises(ChannelUnusable):
            transport.open_message(bad, "", "wx1")


@pytest.mark.parametrize("date", ["", "x", "Sat, 99 Feb 2026 00:00:00 GMT", "1"])
def test_F020_an_unreadable_date_is_no_skew(date: str) -> None:
    assert calling._note_skew("http://wechat.test", {"date": date}) is None
    assert calling._note_skew("http://wechat.test", {}) is None


def test_F020_answers_alarm_once_and_the_hourly_check_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    late = {"date": email.utils.format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)}
    calling._skew.clear()
    for _ in range(3):
        calling._note_skew("http://wechat.test", late)
    assert len(caplog.records) == 1
    calling._note_skew("http://wechat.test", late, alarm=True)
    assert len(caplog.records) == 2
