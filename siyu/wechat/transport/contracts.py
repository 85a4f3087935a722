"""Nouns of the wire: header names, keys, answers, and the errors every client raises."""

from enum import StrEnum
from typing import Final

import msgspec

from siyu.kernel.errors import SiyuError, Unauthorized

PAY_SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
PROBE_PREFIX: Final = "WECHATPAY/SIGNTEST/"
PUBLIC_KEY_PREFIX: Final = "PUB_KEY_ID_"
WINDOW_SECONDS: Final = 300
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024

SERIAL: Final = "wechatpay-serial"
SIGNATURE: Final = "wechatpay-signature"
SIGNATURE_TYPE: Final = "wechatpay-signature-type"
TIMESTAMP: Final = "wechatpay-timestamp"
NONCE: Final = "wechatpay-nonce"
REQUEST_ID: Final = "request-id"


class Retry(StrEnum):
    """What a repeat can do, and what is known of the outcome."""

    NEVER = "never"  # refused for good: nothing happened, a repeat changes nothing
    RETRY = "retry"  # nothing happened, a later repeat may succeed
    UNKNOWN = "unknown"  # it may have happened: ask, or repeat under the same number


class WeChatError(Exception):
    """A call to WeChat that gave no good answer.

    status: HTTP status, 0 when no answer came; code: WeChat's own code, or one of ours for
    `NO_ANSWER`, `NOT_SENT`, `MALFORMED`, `BAD_SIGNATURE`, `CIRCUIT_OPEN`, `LOCAL_LIMIT`;
    body: the raw answer, cut to 2 KB, tokens and identities blanked; request_id: WeChat's
    number of the call, for its support.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry: Retry,
        body: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry = retry
        self.body = body
        self.request_id = request_id


class SignatureRefused(Unauthorized):
    """The message is not proven to come from the one it claims; `details["reason"]` says why."""

    code = "wechat.signature_refused"
    zh = "签名验证未通过"
    en = "The signature was refused"


class ProbeRefused(SignatureRefused):
    """WeChat's own test whether we check signatures; refusing it is the right answer (F009)."""

    code = "wechat.signature_probe"


class SerialUnknown(SiyuError):
    """Signed with a key we do not hold yet; WeChat sends again, and by then we may (F010)."""

    status = 503
    code = "wechat.serial_unknown"
    zh = "暂时没有对应的微信支付公钥"
    en = "The key of this signature is not known yet"


class SealBroken(Unauthorized):
    """Sealed content that does not open: wrong key, cut short, or changed (F012)."""

    code = "wechat.seal_broken"
    zh = "报文解密失败"
    en = "The sealed content cannot be opened"


class ChannelUnusable(SiyuError):
    """A key is missing or malformed, so this channel does not start (F007)."""

    status = 503
    code = "wechat.channel_unusable"
    zh = "微信通道未配置完整：{missing}"
    en = "The WeChat channel is not configured: {missing}"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The `resource` of a notification, or one downloaded certificate; names are WeChat's."""

    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str = ""
    original_type: str = ""


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """The five values of a request's Authorization header."""

    mchid: str
    serial_no: str
    nonce_str: str
    timestamp: int
    signature: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call to make.

    account: whose quota it uses (merchant number or app id); api: its name in limits and metrics;
    target: path and query exactly as sent; repeatable: a repeat of the same bytes cannot do the
    work twice (reads, and writes that carry their own number); per_second: the local limit;
    max_answer_bytes: a longer answer is MALFORMED.
    """

    account: str
    api: str
    method: str
    base_url: str
    target: str
    body: bytes = b""
    repeatable: bool = False
    per_second: float = 50.0
    tries: int = 3
    deadline_seconds: float = 20.0
    max_answer_bytes: int = MAX_ANSWER_BYTES


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
