"""The verbs of the wire, for the clients of `wechat/*` and for the sandbox."""

from siyu.wechat.transport.rules import (
    answer_message,
    classify_errcode,
    classify_pay,
    pay_message,
    request_message,
    without_secrets,
)
from siyu.wechat.transport.service.calling import (
    SKEW_ALARM_SECONDS,
    call,
    check_clock,
    close,
    skew_seconds,
)
from siyu.wechat.transport.service.messages import (
    message_signature,
    open_message,
    page_signature,
    seal_message,
    verify_message,
)
from siyu.wechat.transport.service.sealing import hide, reveal, seal, unseal
from siyu.wechat.transport.service.signing import (
    KeyRing,
    NonceMemory,
    authorization,
    certificate_serial,
    parse_authorization,
    private_key,
    public_key,
    sign,
    signature_headers,
    verify,
    verify_headers,
    verify_request,
)

__all__ = [
    "SKEW_ALARM_SECONDS",
    "KeyRing",
    "NonceMemory",
    "answer_message",
    "authorization",
    "call",
    "certificate_serial",
    "check_clock",
    "classify_errcode",
    "classify_pay",
    "close",
    "hide",
    "message_signature",
    "open_message",
    "page_signature",
    "parse_authorization",
    "pay_message",
    "private_key",
    "public_key",
    "request_message",
    "reveal",
    "seal",
    "seal_message",
    "sign",
    "signature_headers",
    "skew_seconds",
    "unseal",
    "verify",
    "verify_headers",
    "verify_message",
    "verify_request",
    "without_secrets",
]
