"""Nouns of gifting. Amounts are fen of the shop's currency."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, Forbidden, NotFound, TooLarge
from siyu.kernel.events import Event

CAP_FEN = 1_000_000
"""The most a piece may cost: 10,000 yuan (mission 40)."""
MAX_SHARES = 50
MAX_BLESSING = 100
MAX_VOICE_BYTES = 1_000_000
MAX_VOICE_SECONDS = 60
MAX_KITS = 20
MAX_MARKED = 500
MAX_REASON = 80
MAX_MESSAGE = 300

Blessing = Annotated[str, Meta(max_length=MAX_BLESSING)]
Scene = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}$")]


class GiftKind(StrEnum):
    """To one friend, or to the first of a group who come."""

    FRIEND = "friend"
    GROUP = "group"


class Theme(StrEnum):
    """How card and cover look."""

    SPRING = "spring"
    BIRTHDAY = "birthday"
    MOON = "moon"
    LOVE = "love"
    THANKS = "thanks"
    PLAIN = "plain"


class Standing(StrEnum):
    """Where a gift stands as an order; what became of each piece its shares say."""

    UNPAID = "unpaid"
    CLOSED = "closed"  # not paid in time, or cancelled before
    PAID = "paid"


class ShareState(StrEnum):
    """What became of one piece; the allowed moves are `rules.MOVES`."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    EXPIRED = "expired"  # taken back; its refund is about to be asked for
    REFUND_PENDING = "refund_pending"  # asked for; the giver does not have it yet
    REFUNDED = "refunded"


class EndedBy(StrEnum):
    """Why a share was not accepted."""

    TIME = "time"
    GIVER = "giver"
    STAFF = "staff"


class Outcome(StrEnum):
    """What "accept" would say now."""

    FREE = "free"
    OWN_GIFT = "own_gift"
    TAKEN = "taken"
    EXPIRED = "expired"
    ALREADY_ACCEPTED = "already_accepted"


class GiftRefundState(StrEnum):
    """How far the money of shares that ended has come."""

    DUE = "due"
    ASKED = "asked"
    DONE = "done"


class Gift(msgspec.Struct, frozen=True):
    """A gift without its shares. `unit_fen` is the list price of a piece; `link_key` opens it.

    `total_fen` is what the giver pays for all pieces, shipping included. Shares are accepted before
    `accept_before` by the database's clock. `scene`: where the giver came from.
    """

    gift_id: UUID
    link_key: str
    order_id: UUID
    order_no: str
    giver_id: UUID
    giver_no: int
    kind: GiftKind
    standing: Standing
    product_id: UUID
    product_no: int
    sku_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    unit_fen: int
    total_fen: int
    share_count: int
    blessing: str
    theme: Theme
    kit: str | None
    voice_id: UUID | None
    scene: str | None
    placed_at: datetime
    paid_at: datetime | None
    accept_before: datetime | None


class Share(msgspec.Struct, frozen=True):
    """One piece of a gift. Once swapped, `sent_sku_id` and `sent_title` (with its options) are
    what goes instead.

    `received_at`: when its receiver had it. `returned_id`: the refund by which the shop gave its
    money back though it was accepted.
    """

    gift_id: UUID
    share_no: int
    share_id: UUID
    state: ShareState
    receiver_id: UUID | None
    receiver_no: int | None
    is_new_customer: bool
    accepted_at: datetime | None
    ended_at: datetime | None
    ended_by: EndedBy | None
    refund_id: UUID | None
    consignment_id: UUID | None
    sent_sku_id: UUID | None
    sent_title: str | None
    received_at: datetime | None
    returned_id: UUID | None


class GiftRefund(msgspec.Struct, frozen=True):
    """Money of shares that ended, or of one that the shop gave back (`reason`); `trouble` says why
    it is not there yet (an error's code, or `closed`: finance gave it up, and staff say when it is
    asked for again).
    """

    refund_id: UUID
    gift_id: UUID
    state: GiftRefundState
    quantity: int
    amount_fen: int
    ended_by: EndedBy
    due_at: datetime | None
    trouble: str | None
    reason: str | None


class Author(StrEnum):
    """Who speaks about a received gift."""

    RECEIVER = "receiver"
    SHOP = "shop"


class Message(msgspec.Struct, frozen=True):
    """A question of a share's receiver, or the shop's answer (`said_by`: who of the staff)."""

    share_no: int
    author: Author
    said_by: str | None
    content: str
    said_at: datetime


class Voice(msgspec.Struct, frozen=True):
    """A recorded greeting."""

    voice_id: UUID
    media_type: str
    size_bytes: int
    duration_ms: int


class Kit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A festival: how its gifts look, what one may say, and how the shop tells of it.

    `kit` names it for good; `card_title` is the share card's title and says that it is a gift
    (mission 46); `guide` is the 送礼指南 for articles and groups; shown in [starts_on, ends_on].
    """

    kit: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]
    name: Annotated[str, Meta(min_length=1, max_length=20)]
    theme: Theme
    card_title: Annotated[str, Meta(min_length=1, max_length=30)]
    blessings: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=MAX_BLESSING)]],
        Meta(min_length=1, max_length=12),
    ]
    guide: Annotated[str, Meta(max_length=2000)]
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=10)]], Meta(max_length=10)]
    starts_on: date | None
    ends_on: date | None
    is_enabled: bool


class GiftSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a shop decides about its gifts. `cap_fen`: the most a piece may cost."""

    is_enabled: bool = True
    cap_fen: Annotated[int, Meta(ge=1, le=CAP_FEN)] = CAP_FEN
    max_shares: Annotated[int, Meta(ge=1, le=MAX_SHARES)] = 20
    allows_cancel: bool = True


class GiftAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a giver wants: pieces of one SKU for so many receivers, and what is said with it."""

    sku_id: UUID
    count: int
    kind: GiftKind
    blessing: str = ""
    theme: Theme = Theme.PLAIN
    kit: str | None = None
    voice_id: UUID | None = None
    scene: str | None = None


class Exclusion(msgspec.Struct, frozen=True):
    """Whether a category gives no gifts; `is_decided`: the merchant said so, else its name."""

    category_id: UUID
    is_excluded: bool
    is_decided: bool
    reason: str


class GiftNotFound(NotFound):
    """No gift opens with this, or it is another's, or not paid yet."""

    code = "gifting.gift_not_found"
    zh = "没有找到这份礼物"
    en = "There is no such gift"


class GiftsOff(Conflict):
    """The shop sends no gifts at present."""

    code = "gifting.off"
    zh = "本店暂未开通送礼"
    en = "This shop does not send gifts at present"


class NotGiftable(Conflict):
    """`why`: not_marked, over_cap, excluded, not_sent (nothing to send), off_shelf."""

    code = "gifting.not_giftable"
    zh = "该商品不支持送礼"
    en = "This item cannot be given"


class TooManyShares(BadInput):
    """More receivers than `limit`; a gift to a friend has one."""

    code = "gifting.too_many_shares"
    zh = "一份礼物最多送给 {limit} 人"
    en = "A gift has at most {limit} receivers"


class TooManyMarked(Conflict):
    """The shop marks at most `limit` products."""

    code = "gifting.too_many_marked"
    zh = "最多标记 {limit} 个可送礼商品"
    en = "At most {limit} products can be marked as gifts"


class ReasonNeeded(BadInput):
    """A category whose name is excluded is let in only with a reason."""

    code = "gifting.reason_needed"
    zh = "请填写允许该分类送礼的理由"
    en = "Say why gifts may come of this category"


class BadKit(BadInput):
    """`why`: title (no gift word in it), dates, double, blessing."""

    code = "gifting.bad_kit"
    zh = "送礼主题填写有误"
    en = "The kit is not filled in correctly"


class BadVoice(BadInput):
    """`why`: format, too_long, empty."""

    code = "gifting.bad_voice"
    zh = "请上传 60 秒以内的语音"
    en = "Record at most 60 seconds of voice"


class VoiceTooLarge(TooLarge):
    """More than 1 MB."""

    code = "gifting.voice_too_large"
    zh = "语音不能超过 1 MB"
    en = "A voice greeting has at most 1 MB"


class VoiceNotFound(NotFound):
    """No such recording, or it is not for you."""

    code = "gifting.voice_not_found"
    zh = "没有找到这段语音"
    en = "There is no such recording"


class TooManyVoices(Conflict):
    """Too many recordings wait for a gift; they are forgotten after a day."""

    code = "gifting.too_many_voices"
    zh = "录音次数过多，请稍后再试"
    en = "Too many recordings, please try later"


class OwnGift(Forbidden):
    """The giver may not take a share (F055)."""

    code = "gifting.own_gift"
    zh = "这是您送出的礼物，不能自己领取"
    en = "This is your own gift"


class GiftTaken(Conflict):
    """Others were faster (F055)."""

    code = "gifting.taken"
    zh = "礼物已经被领完了"
    en = "The gift has been taken"


class AlreadyAccepted(Conflict):
    """One share per person."""

    code = "gifting.already_accepted"
    zh = "您已经领取过这份礼物"
    en = "You have accepted this gift already"


class GiftExpired24h(Conflict):
    """Its 24 hours are over, or it was taken back; the money returns to the giver (F054)."""

    code = "gifting.expired"
    zh = "礼物已过期，将退款给送礼人"
    en = "The gift has expired and its money goes back to the giver"


class CancelRefused(Conflict):
    """Nothing waits any more, or the shop does not allow it."""

    code = "gifting.cancel_refused"
    zh = "礼物当前不能取消"
    en = "The gift cannot be cancelled now"


class NotArrived(Conflict):
    """It has not left yet."""

    code = "gifting.not_arrived"
    zh = "礼物还没有发货"
    en = "The gift has not been sent yet"


class ReturnRefused(Conflict):
    """It was not accepted, or its money went back before."""

    code = "gifting.return_refused"
    zh = "这一份还没有人领取，或已经退款"
    en = "Nobody accepted this piece, or its money went back already"


class TooManyMessages(Conflict):
    """A receiver, or the shop, has said enough about one share."""

    code = "gifting.too_many_messages"
    zh = "留言次数过多，请电话联系商家"
    en = "Too many messages, please call the shop"


class SwapRefused(Conflict):
    """`why`: in_stock, price, not_giftable, swapped."""

    code = "gifting.swap_refused"
    zh = "原礼物缺货时才能更换为同价商品"
    en = "Only a gift that is out of stock can be swapped, for an item of equal price"


class GiftOpened(Event, frozen=True):
    """A gift is paid and waits for its receivers. `amount_fen` repeats what the order's own events
    tell; readers that add up turnover read those.
    """

    name: ClassVar[str] = "gifting.gift_opened"
    gift_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    product_no: int
    share_count: int
    kind: GiftKind
    kit: str | None
    scene: str | None


class GiftAccepted(Event, frozen=True):
    """`person_no` accepted a share of `giver_no`'s gift; `scene`: how they came to it."""

    name: ClassVar[str] = "gifting.gift_accepted"
    gift_id: UUID
    share_no: int
    person_no: int
    giver_no: int
    amount_fen: int
    product_no: int
    is_new_customer: bool
    kit: str | None
    scene: str | None


class GiftExpired(Event, frozen=True):
    """Shares were not accepted and are taken back."""

    name: ClassVar[str] = "gifting.gift_expired"
    gift_id: UUID
    person_no: int
    amount_fen: int
    product_no: int
    share_count: int
    ended_by: EndedBy


class GiftRefunded(Event, frozen=True):
    """The giver has the money of shares that were taken back."""

    name: ClassVar[str] = "gifting.gift_refunded"
    gift_id: UUID
    person_no: int
    amount_fen: int
    product_no: int
    share_count: int


class GiftReceived(Event, frozen=True):
    """A receiver has what was given, by their own word or by time."""

    name: ClassVar[str] = "gifting.gift_received"
    gift_id: UUID
    share_no: int
    person_no: int
    product_no: int


class GiftReturned(Event, frozen=True):
    """The shop gives the giver (`person_no`) back what an accepted piece cost; the refund itself is
    told by `GiftRefunded`. `amount_fen`: the piece's list price.
    """

    name: ClassVar[str] = "gifting.gift_returned"
    gift_id: UUID
    share_no: int
    person_no: int
    amount_fen: int
    product_no: int


class GiftSwapped(Event, frozen=True):
    """A receiver took another item of equal price, for the gift was out of stock."""

    name: ClassVar[str] = "gifting.gift_swapped"
    gift_id: UUID
    share_no: int
    person_no: int
    amount_fen: int
    product_no: int
    sent_product_no: int
