"""The published test vectors; where each comes from stands in `vectors/*.json`."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from siyu.wechat.mini_program import rules as mini_rules
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    NotificationMalformed,
    PayCredentials,
    RefundStatus,
    TransferState,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    PROBE_PREFIX,
    ChannelUnusable,
    SealBroken,
    Sealed,
    SignatureRefused,
)

HERE = Path(__file__).parent / "vectors"
PAY: dict[str, Any] = json.loads((HERE / "pay_v3.json").read_text("utf-8"))
MESSAGES: dict[str, Any] = json.loads((HERE / "messages.json").read_text("utf-8"))


def pem(kind: str, body: str) -> str:
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


KEY = pem("PRIVATE KEY", PAY["signing"]["private_key"])
CERTIFICATE = pem("CERTIFICATE", PAY["signing"]["certificate"])
CREDENTIALS = PayCredentials(
    mchid="1900000100",
    serial_no=PAY["signing"]["serial"],
    private_key_pem=KEY,
    api_v3_key=PAY["sealing"]["api_v3_key"],
    certificates={PAY["signing"]["serial"]: CERTIFICATE},
)


def test_signature_of_the_official_go_sdk() -> None:
    vector = PAY["signing"]
    message = vector["message"].encode()
    assert transport.sign(message, KEY) == vector["signature"]
    transport.verify(message, vector["signature"], CERTIFICATE)
    assert transport.certificate_serial(CERTIFICATE) == vector["serial"]


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        (b"sourcf", PAY["signing"]["signature"]),
        (b"source", PROBE_PREFIX + PAY["signing"]["signature"]),
        (b"source", ""),
        (b"source", PAY["signing"]["signature"][:-4]),
        (b"source", "签名"),
    ],
)
def test_other_message_or_signature_is_refused(message: bytes, signature: str) -> None:
    with pytest.raises(SignatureRefused):
        transport.verify(message, signature, CERTIFICATE)


@pytest.mark.parametrize("request_", PAY["derived"]["requests"], ids=["get", "post"])
def test_request_signature(request_: dict[str, str]) -> None:
    derived = PAY["derived"]
    header = transport.authorization(
        request_["method"],
        request_["target"],
        request_["body"].encode(),
        mchid="1900009191",
        serial_no="ABC",
        private_key_pem=KEY,
        timestamp=derived["timestamp"],
        nonce=derived["nonce"],
    )
    assert header == (
        f'WECHATPAY2-SHA256-RSA2048 mchid="1900009191",nonce_str="{derived["nonce"]}",'
        f'signature="{request_["signature"]}",timestamp="{derived["timestamp"]}",serial_no="ABC"'
    )


def test_pay_sign() -> None:
    derived, vector = PAY["derived"], PAY["derived"]["pay_sign"]
    message = transport.pay_message(
        vector["app_id"], str(derived["timestamp"]), derived["nonce"], vector["package"]
    )
    assert transport.sign(message, KEY) == vector["signature"]


def test_signature_over_an_empty_answer() -> None:
    vector = PAY["derived"]["empty_answer"]
    message = transport.answer_message(vector["timestamp"], vector["nonce"], b"")
    assert message == f"{vector['timestamp']}\n{vector['nonce']}\n\n".encode()
    assert transport.sign(message, KEY) == vector["signature"]


def sealed(vector: dict[str, str], **change: str) -> Sealed:
    return Sealed(
        algorithm="AEAD_AES_256_GCM",
        ciphertext=change.get("ciphertext", vector["ciphertext"]),
        nonce=change.get("nonce", vector["nonce"]),
        associated_data=change.get("associated_data", vector["associated_data"]),
    )


def test_sealed_resource_of_the_official_java_sdk() -> None:
    vector = PAY["sealing"]
    key = vector["api_v3_key"]
    assert transport.unseal(sealed(vector), key) == vector["plain"].encode()
    made = transport.seal(
        vector["plain"].encode(),
        key,
        nonce=vector["nonce"],
        associated_data=vector["associated_data"],
    )
    assert made.ciphertext == vector["ciphertext"]


@pytest.mark.parametrize(
    "change",
    [
        {"associated_data": PAY["sealing"]["bad_associated_data"]},
        {"nonce": PAY["sealing"]["bad_nonce"]},
        {"ciphertext": PAY["sealing"]["ciphertext"][:-4]},
        {"ciphertext": "!" + PAY["sealing"]["ciphertext"]},
        {"ciphertext": ""},
    ],
)
def test_F012_a_changed_seal_does_not_open(change: dict[str, str]) -> None:
    with pytest.raises(SealBroken):
        transport.unseal(sealed(PAY["sealing"], **change), PAY["sealing"]["api_v3_key"])


@pytest.mark.parametrize("name", ["refund", "share", "transfer"])
def test_notification_sealed_by_another_implementation(name: str) -> None:
    vector = PAY["callbacks"][name]
    resource = {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": vector["ciphertext"],
        "nonce": vector["nonce"],
        "associated_data": vector["original_type"],
        "original_type": vector["original_type"],
    }
    body = json.dumps({"id": "EV-1", "event_type": vector["event_type"], "resource": resource})
    opened = pay.open_notification(CREDENTIALS, body.encode())
    assert opened.content.decode() == vector["plain"]
    if name == "refund":
        refund = pay.read_refund(opened)
        assert (refund.status, refund.amount.payer_refund) == (RefundStatus.SUCCESS, 999)
        assert refund.out_refund_no == "7752501201407033233368018"
    if name == "share":
        assert pay.read_share(opened).receiver.amount == 888
    if name == "transfer":
        told = pay.read_transfer(opened)
        assert (told.state, told.mch_id) == (TransferState.SUCCESS, "1900001109")
        older = json.loads(vector["plain"])
        older["mchid"] = older.pop("mch_id")
        named = msgspec.structs.replace(opened, content=json.dumps(older).encode())
        assert pay.read_transfer(named) == told
    for read in (pay.read_refund, pay.read_share, pay.read_transfer, pay.read_authorization):
        with pytest.raises(NotificationMalformed):
            read(msgspec.structs.replace(opened, content=b"{}"))


def test_downloaded_certificate() -> None:
    vector = PAY["certificate_download"]
    opened = transport.unseal(sealed(vector), PAY["sealing"]["api_v3_key"]).decode()
    assert transport.certificate_serial(opened) == vector["serial"]
    assert transport.public_key(opened).key_size == 2048


def test_F007_a_key_of_another_length_is_refused_though_the_cipher_would_take_it() -> None:
    vector = PAY["short_key"]
    plain = AESGCM(vector["key"].encode()).decrypt(
        vector["nonce"].encode(),
        base64.b64decode(vector["ciphertext"]),
        vector["associated_data"].encode(),
    )
    assert plain.decode() == vector["plain"]
    for key in (vector["key"], "", "x" * 31, "x" * 33):
        with pytest.raises(ChannelUnusable):
            transport.unseal(sealed(vector), key)


def test_sensitive_field_of_the_official_java_sdk() -> None:
    vector = PAY["sensitive_field"]
    key = pem("PRIVATE KEY", vector["private_key"])
    assert transport.reveal(vector["ciphertext"], key) == vector["plain"]
    with pytest.raises(SealBroken):
        transport.reveal(vector["bad_ciphertext"], key)


def test_sensitive_field_there_and_back() -> None:
    assert transport.reveal(transport.hide("王小明", CERTIFICATE), KEY) == "王小明"


@pytest.mark.parametrize(
    "name", ["wecom_url", "wecom_message", "fixed_random", "url_check", "official_account"]
)
def test_pushed_message(name: str) -> None:
    vector = MESSAGES[name]
    parts = (vector["token"], vector["timestamp"], vector["nonce"], vector["encrypted"])
    transport.verify_message(*parts, signature=vector["signature"])
    plain = transport.open_message(vector["key"], vector["encrypted"], vector["receiver"])
    assert plain.decode() == vector["plain"]
    with pytest.raises(SealBroken):
        transport.open_message(vector["key"], vector["encrypted"], "wx0000000000000000")
    if "random" in vector:
        made = transport.seal_message(
            vector["key"], plain, vector["receiver"], vector["random"].encode()
        )
        assert made == vector["encrypted"]


def test_pushed_message_with_another_nonce_is_refused() -> None:
    vector = MESSAGES["url_check"]
    with pytest.raises(SignatureRefused):
        transport.verify_message(
            vector["token"],
            vector["timestamp"],
            vector["bad_nonce"],
            vector["encrypted"],
            signature=vector["signature"],
        )


def test_F007_empty_message_secrets_prove_nothing() -> None:
    with pytest.raises(ChannelUnusable):
        transport.verify_message("", "1", "1", signature="")
    with pytest.raises(ChannelUnusable):
        transport.open_message("", MESSAGES["wecom_url"]["encrypted"], "")
    with pytest.raises(ChannelUnusable):
        transport.page_signature("", "n", 1, "https://example.com/")


def test_plain_url_signature() -> None:
    vector = MESSAGES["plain_url"]
    made = transport.message_signature(vector["token"], vector["timestamp"], vector["nonce"])
    assert made == vector["signature"]


def test_page_signature_of_the_official_documentation() -> None:
    vector = MESSAGES["page"]
    made = transport.page_signature(
        vector["ticket"], vector["nonce"], vector["timestamp"], vector["url"]
    )
    assert made == vector["signature"]


def test_user_data() -> None:
    vector = MESSAGES["user_data"]
    parts = (vector["session_key"], vector["iv"], vector["encrypted"])
    assert mini_rules.open_user_data(*parts, vector["appid"]) == json.loads(vector["plain"])
    for bad in (
        (*parts, "wx0000000000000000"),
        (parts[0], parts[1], parts[2][:-4], vector["appid"]),
        ("", "", "", vector["appid"]),
        (parts[0], parts[0][:8], parts[2], vector["appid"]),
    ):
        with pytest.raises(SealBroken):
            mini_rules.open_user_data(*bad)


def test_user_data_signatures() -> None:
    raw, check = MESSAGES["raw_data"], MESSAGES["session_check"]
    assert mini_rules.user_data_signature(raw["raw"], raw["session_key"]) == raw["signature"]
    assert mini_rules.session_signature(check["session_key"]) == check["signature"]
