"""Nouns of the wire: header names, keys, answers, and the errors every client raises."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from siyu.kernel.errors import BadInput, SiyuError, Unauthorized

PAY_SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
PROBE_PREFIX: Final = "WECHATPAY/SIGNTEST/"
PUBLIC_KEY_PREFIX: Final = "PUB_KEY_ID_"
WINDOW_SECONDS: Final = 300
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
MAX_PUSH_BYTES: Final = 64 * 1024

SERIAL: Final = "wechatpay-serial"
SIGNATURE: Final = "wechatpay-signature"
SIGNATURE_TYPE: Final = "wechatpay-signature-type"
TIMESTAMP: Final = "wechatpay-timestamp"
NONCE: Final = "wechatpay-nonce"
REQUEST_ID: Final = "request-id"


class Environment(StrEnum):
    """Which WeChat an account speaks with."""

    REAL = "real"
    SANDBOX = "sandbox"


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


class PushKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What proves and opens the messages pushed to an address; receiver: app id or corp id."""

    token: str
    encoding_aes_key: str
    receiver: str

    def __repr__(self) -> str:
        return f"PushKeys(receiver={self.receiver!r})"


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """New secrets of an account; one that is None stays as it is. Token and key come together."""

    secret: str | None = None
    token: str | None = None
    encoding_aes_key: str | None = None


class SealedSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets of an account as stored, sealed by the vault; no token: nothing is pushed."""

    secret_sealed: bytes
    token_sealed: bytes | None
    aes_key_sealed: bytes | None


class SettingsIncomplete(BadInput):
    """The first time the secret is needed, and token and key only go together."""

    code = "wechat.settings_incomplete"
    zh = "请填写完整：{missing}"
    en = "Please fill in: {missing}"


class ConnectionCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether WeChat takes an account's id and secret; else its code and number of the call."""

    works: bool
    wechat_code: str
    request_id: str


class SendProblem(StrEnum):
    """Why a message was not sent."""

    NO_CONSENT = "no_consent"  # 43101: no subscription is left, or the person refuses
    NOT_FOLLOWING = "not_following"  # 43004: does not follow the official account
    BLOCKED = "blocked"  # 48002: the person has blocked the account
    WINDOW_CLOSED = "window_closed"  # 45015: nothing came from the person for 48 hours
    WINDOW_USED = "window_used"  # 45047: as many answers as a message of the person allows
    QUOTA = "quota"  # 45009: the day's calls are used up
    BAD_PERSON = "bad_person"  # 40003, 84061: no such openid, or not this member's customer
    BAD_TEMPLATE = "bad_template"  # 40037
    BAD_VALUE = "bad_value"  # 47003: the text names the field
    SENSITIVE = "sensitive"  # 45168: a word WeChat does not allow
    LATER = "later"  # nothing happened: try again
    UNCLEAR = "unclear"  # it may have been sent
    REFUSED = "refused"  # for good: staff must see to it


class MessageTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A private template; `fields` in the order of its text, as `thing1`."""

    template_id: str
    title: str
    content: str
    example: str
    is_long_term: bool
    fields: list[str]


class AppPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a mini-program, with its query."""

    appid: str
    page: str


# What people and WeChat tell through pushed messages. `at`: their moment, to the second.


class SubscriptionAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """Someone answered the asking for a template; by_popup False: changed it in the settings."""

    openid: str
    template_id: str
    is_accepted: bool
    by_popup: bool
    at: datetime


class SubscriptionSent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a subscription message; error_code 0: it is on the phone."""

    openid: str
    template_id: str
    msgid: str
    error_code: int
    status: str
    at: datetime


class MessageReceived(msgspec.Struct, frozen=True, kw_only=True):
    """Someone wrote; the window for answers is open. text: "" for pictures, voices, …"""

    openid: str
    text: str
    at: datetime


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """Someone follows the official account; scene: of the QR code they came by, or ""."""

    openid: str
    scene: str
    at: datetime


class Unfollowed(msgspec.Struct, frozen=True, kw_only=True):
    """Someone follows no more."""

    openid: str
    at: datetime


class NoticeSent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a template message; status: success, blocked, failed."""

    openid: str
    msgid: str
    status: str
    at: datetime


class MassSent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mass message; `filtered` = `sent` + `failed`."""

    msgid: str
    status: str
    total: int
    filtered: int
    sent: int
    failed: int
    at: datetime


News = (
    SubscriptionAnswered
    | SubscriptionSent
    | MessageReceived
    | Followed
    | Unfollowed
    | NoticeSent
    | MassSent
)
