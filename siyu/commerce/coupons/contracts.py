"""Nouns of coupons. Amounts are fen, shares basis points, times half-open [from, until)."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NewType
from uuid import UUID

import msgspec

from siyu.commerce.promotions.contracts import CouponGives, Scope
from siyu.kernel.errors import BadInput, Conflict, NotFound, TooMany
from siyu.kernel.events import Event

BatchId = NewType("BatchId", UUID)
ClaimId = NewType("ClaimId", UUID)

MAX_COUNT = 10_000_000
MAX_PER_MEMBER = 100


class Issue(StrEnum):
    """How members come by the coupons of a batch."""

    CENTRE = "centre"  # claimed in the coupon centre
    CODE = "code"  # claimed by saying the code (口令)
    NEWCOMER = "newcomer"  # all running batches of this kind are the new-member pack (新人礼包)
    FIRST_ORDER = "first_order"  # given with the pack, good for the first order only
    BIRTHDAY = "birthday"  # given on each birthday
    STAFF = "staff"  # handed out


class BatchState(StrEnum):
    """Where a batch stands. Coupons already given stay good whatever becomes of their batch."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class ClaimState(StrEnum):
    """Where a member's coupon stands."""

    CLAIMED = "claimed"  # may be used
    HELD = "held"  # kept for an unpaid order
    USED = "used"
    EXPIRED = "expired"
    VOID = "void"  # taken away by staff


class MoveKind(StrEnum):
    """The steps a coupon's history is told in."""

    CLAIMED = "claimed"
    HELD = "held"
    RELEASED = "released"  # its order ended unpaid
    USED = "used"
    GIVEN_BACK = "given_back"  # its order was refunded
    EXPIRED = "expired"
    VOIDED = "voided"


class Tab(StrEnum):
    """How a member's coupons are sorted."""

    USABLE = "usable"
    USED = "used"
    EXPIRED = "expired"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch promises; fixed once it has run.

    from_fen, scope, group, full_price_only: as in `promotions.CouponOff`. code: of issue `code`
    only. starts_at: coupons are given, and good, from here on. valid_days: good so many calendar
    days of the shop, the day of the claim being the first; None: until the batch's `ends_at`.
    needs_phone: the member has given a phone number, and the limit per member counts per number,
    too. return_days: a full refund gives the coupon back, good for at least so many days more;
    None: it is not given back.
    """

    gives: CouponGives
    from_fen: int = 0
    scope: Scope = Scope()
    group: str = "coupon"
    full_price_only: bool = False
    issue: Issue = Issue.CENTRE
    code: str | None = None
    starts_at: datetime
    valid_days: int | None = None
    needs_phone: bool = False
    return_days: int | None = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch goes; may be changed while it runs, never below what is given already.

    total_count: coupons in all; per_member, per_device: of one member, of one phone or browser;
    budget_fen: what they may take off orders together. None: no limit.
    A budget can be changed later, not brought in or taken away.
    ends_at: no coupon is given any more; one without `valid_days` ends here as it was promised.
    """

    total_count: int | None = None
    per_member: int = 1
    per_device: int | None = None
    budget_fen: int | None = None
    ends_at: datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as staff write it. `note` is read by customers under the coupon."""

    name: str
    note: str
    terms: Terms
    limits: Limits


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. claimed_count: coupons given; committed_fen: what they took off orders that wait or
    are paid, counted only where there is a budget."""

    batch_id: UUID
    name: str
    note: str
    state: BatchState
    gives: CouponGives
    from_fen: int
    scope: Scope
    group: str
    full_price_only: bool
    issue: Issue
    code: str | None
    starts_at: datetime
    ends_at: datetime
    valid_days: int | None
    needs_phone: bool
    return_days: int | None
    total_count: int | None
    per_member: int
    per_device: int | None
    budget_fen: int | None
    claimed_count: int
    committed_fen: int
    version: int
    created_at: datetime
    updated_at: datetime


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A member's coupon. order_id, off_fen: the order that holds or used it, and what it took off
    that order."""

    claim_id: UUID
    batch_id: UUID
    member_id: UUID
    person_no: int
    state: ClaimState
    valid_from: datetime
    valid_until: datetime
    order_id: UUID | None
    off_fen: int | None
    claimed_at: datetime
    used_at: datetime | None


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    """A claim together with what its batch promises: what a member sees, and what prices need."""

    claim: Claim
    batch: Batch


class Unusable(StrEnum):
    """Why a coupon does nothing for a basket."""

    NOT_YET = "not_yet"
    HELD = "held"  # kept for another unpaid order
    OUT_OF_SCOPE = "out_of_scope"
    BELOW_FROM = "below_from"  # `short_fen` more is needed
    NOT_FIRST_ORDER = "not_first_order"
    BUDGET_SPENT = "budget_spent"
    NO_EFFECT = "no_effect"  # another reduction already does as much


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a coupon does for a basket when it is the only one: `saving_fen` less to pay, or the
    reason why nothing. short_fen: what is missing up to its `from_fen`."""

    coupon: Coupon
    saving_fen: int
    reason: Unusable | None
    short_fen: int = 0


class CouponFace(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on a coupon."""

    batch_id: UUID
    name: str
    note: str
    gives: CouponGives
    from_fen: int
    scope: Scope
    group: str
    full_price_only: bool
    issue: Issue


class CouponView(CouponFace, frozen=True, kw_only=True):
    """A coupon somebody has. order_id, off_fen: the order that keeps or used it."""

    claim_id: UUID
    state: ClaimState
    valid_from: datetime
    valid_until: datetime
    order_id: UUID | None
    off_fen: int | None
    claimed_at: datetime
    used_at: datetime | None


class CouponOfferView(CouponView, frozen=True, kw_only=True):
    """What an own coupon does for a basket when it is the only one: `saving_fen` less to pay, or
    the reason why nothing; short_fen: so much is missing."""

    saving_fen: int
    reason: Unusable | None
    short_fen: int


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a coupon's history."""

    move_no: int
    kind: MoveKind
    order_id: UUID | None
    off_fen: int | None
    note: str
    at: datetime


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch has done. given_fen: taken off paid orders; turnover_fen: what these orders
    came to, each counted once per batch."""

    claimed: int
    held: int
    used: int
    expired: int
    void: int
    given_fen: int
    orders: int
    turnover_fen: int


class HandedOut(msgspec.Struct, frozen=True):
    """Who got a coupon, and who did not because they have as many as one may have."""

    given: list[UUID]
    had: list[UUID]


class Birthday(msgspec.Struct, frozen=True):
    """A day of the year. 29 February is kept on the 28th in common years."""

    month: int
    day: int


# --- refusals -------------------------------------------------------------------------------------


class BatchNotFound(NotFound):
    """There is no such batch in this shop, or it is not for claiming."""

    code = "coupons.batch_not_found"
    zh = "没有找到该优惠券"
    en = "There is no such coupon"


class ClaimNotFound(NotFound):
    """The member has no such coupon; another member's is the same answer (F081)."""

    code = "coupons.claim_not_found"
    zh = "没有找到该优惠券"
    en = "There is no such coupon"


class CodeUnknown(NotFound):
    """No running batch goes by this code."""

    code = "coupons.code_unknown"
    zh = "口令不正确或已失效"
    en = "This code is not valid"


class TooManyCodes(TooMany):
    """Too many wrong codes in a short time."""

    code = "coupons.too_many_codes"
    zh = "口令尝试次数过多，请稍后再试"
    en = "Too many codes were tried; please wait a while"


class NotRunning(Conflict):
    """The batch gives no coupons now: `state` is its state, or soon, or over."""

    code = "coupons.not_running"
    zh = "该优惠券当前不可领取"
    en = "This coupon cannot be claimed now"


class SoldOut(Conflict):
    """All coupons of the batch are given, or its budget is used up; `left` says how many are."""

    code = "coupons.sold_out"
    zh = "优惠券已领完"
    en = "All coupons are gone"


class LimitReached(Conflict):
    """One member (`of` member), phone number (phone) or device (device) has as many as allowed."""

    code = "coupons.limit_reached"
    zh = "已达到领取上限"
    en = "You have as many of these as one may have"


class PhoneNeeded(Conflict):
    """Only members who gave a phone number get it."""

    code = "coupons.phone_needed"
    zh = "请先绑定手机号再领取"
    en = "Please give your phone number first"


class DeviceNeeded(Conflict):
    """The batch counts per device, and the request names none."""

    code = "coupons.device_needed"
    zh = "请在小程序或浏览器中领取"
    en = "Please claim it on your own device"


class CouponUnusable(Conflict):
    """The coupon cannot be used in this order: `reason` is a state of the claim, `not_yet`,
    `not_first_order`, or `expired`."""

    code = "coupons.unusable"
    zh = "优惠券不可用"
    en = "This coupon cannot be used"


class BudgetSpent(Conflict):
    """What the coupon would take off is more than the batch has left."""

    code = "coupons.budget_spent"
    zh = "优惠券活动预算已用完"
    en = "The budget of this coupon is used up"


class BadTerms(BadInput):
    """A batch that cannot be; `field` names what is wrong."""

    code = "coupons.bad_terms"
    zh = "优惠券设置有误：{field}"
    en = "The coupon is not possible: {field}"


class TermsFixed(Conflict):
    """The promise of a batch that has run is not changed, nor its limits below what is given;
    `field` names what was."""

    code = "coupons.terms_fixed"
    zh = "优惠券已发布，{field} 不能再改"
    en = "The coupon was published; {field} can no longer be changed"


class CodeTaken(Conflict):
    """Another batch that has not ended goes by this code."""

    code = "coupons.code_taken"
    zh = "该口令已被其他优惠券使用"
    en = "Another coupon goes by this code"


class BatchMoveRefused(Conflict):
    """The batch is in `state`, from where this is not possible."""

    code = "coupons.move_refused"
    zh = "优惠券当前状态不允许此操作"
    en = "The coupon's state does not allow this"


class BatchChanged(Conflict):
    """Somebody else changed the batch meanwhile; `version` is the present one."""

    code = "coupons.changed"
    zh = "优惠券已被他人修改，请刷新后重试"
    en = "Somebody else changed this coupon; please reload"


class BirthdayFixed(Conflict):
    """A birthday is given once; `delete` it to give another from next year on."""

    code = "coupons.birthday_fixed"
    zh = "生日每年只能修改一次"
    en = "A birthday can be changed once a year"


# --- events ---------------------------------------------------------------------------------------


class CouponClaimed(Event, frozen=True):
    """A member got a coupon. amount_fen: what it takes off at most, 0 where that is open."""

    name: ClassVar[str] = "coupons.coupon_claimed"
    person_no: int
    member_id: UUID
    batch_id: UUID
    claim_id: UUID
    issue: Issue
    amount_fen: int


class CouponUsed(Event, frozen=True):
    """A paid order used a coupon, which took `amount_fen` off."""

    name: ClassVar[str] = "coupons.coupon_used"
    person_no: int
    member_id: UUID
    batch_id: UUID
    claim_id: UUID
    order_id: UUID
    amount_fen: int


class CouponReturned(Event, frozen=True):
    """A coupon can be used again: its order ended unpaid (cancelled) or was refunded."""

    name: ClassVar[str] = "coupons.coupon_returned"
    person_no: int
    member_id: UUID
    batch_id: UUID
    claim_id: UUID
    order_id: UUID
    amount_fen: int
    reason: Literal["cancelled", "refunded"]
