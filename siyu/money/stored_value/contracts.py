"""Nouns of stored value, in fen: principal is the member's money, bonus the shop's gift."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, Forbidden, NotFound
from siyu.kernel.events import Event

TopUpId = NewType("TopUpId", UUID)
OfferId = NewType("OfferId", UUID)
LotId = NewType("LotId", UUID)


class LicenceKind(StrEnum):
    """What allows a shop to take money beforehand."""

    SINGLE_PURPOSE = "single_purpose"  # 单用途商业预付卡备案: the shop's own goods only
    LOCAL_FILING = "local_filing"  # a city's or province's own filing of prepaid businesses
    PAYMENT_LICENCE = "payment_licence"  # 支付业务许可证 (prepaid cards of several merchants)


class CardKind(StrEnum):
    """Named 记名: the buyer's identity is registered; else 不记名. It decides the limit."""

    NAMED = "named"
    UNNAMED = "unnamed"


class SpendOrder(StrEnum):
    """What an order uses first."""

    PROPORTIONAL = "proportional"
    PRINCIPAL_FIRST = "principal_first"
    BONUS_FIRST = "bonus_first"


class TopUpState(StrEnum):
    """Life of a top-up; the allowed moves are `rules.MOVES`."""

    PENDING = "pending"
    PAID = "paid"
    CLOSED = "closed"  # not paid in time
    PARKED = "parked"  # paid, and could not be taken: the money goes back


class SpendingState(StrEnum):
    """Stored value of an order."""

    HELD = "held"  # reserved until the order is paid
    CAPTURED = "captured"
    RELEASED = "released"


class AdjustmentState(StrEnum):
    """A correction by staff; above the limit it waits for a second person."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"


class Side(StrEnum):
    """The two kinds of value."""

    PRINCIPAL = "principal"
    BONUS = "bonus"


class WalletMovementKind(StrEnum):
    """Why value came or went; the words are `rules.WORDS`."""

    TOPPED_UP = "topped_up"
    SPENT = "spent"
    GIVEN_BACK = "given_back"
    REFUNDED = "refunded"
    REFUND_UNDONE = "refund_undone"
    MOVED = "moved"
    EXPIRED = "expired"
    ADJUSTED = "adjusted"


class StoredValueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shop's rules; the defaults are those of a shop that never touched them.

    card_kind and limit_fen: at most so much in one wallet after a top-up, bonus included
    (单用途商业预付卡管理办法 Art. 18: 5,000 yuan named, 1,000 yuan unnamed).
    bonus_limit_bps: the largest bonus an offer may give without an explicit, audited override.
    bonus_months: bonus is good to the end of the month this many months on; null: for ever.
    Principal never expires.
    grace_days: bonus given back by a refund after its day is good for this many days more.
    adjust_limit_fen: what one member of staff may adjust in 24 hours without a second person.
    """

    card_kind: CardKind = CardKind.UNNAMED
    limit_fen: int = 100_000
    spend_order: SpendOrder = SpendOrder.PROPORTIONAL
    bonus_limit_bps: int = 3000
    bonus_months: int | None = None
    grace_days: int = 30
    adjust_limit_fen: int = 20_000


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop has recorded and taken responsibility for; `valid_until_on` null: no end."""

    licence_id: UUID
    kind: LicenceKind
    number: str
    issuer: str
    valid_from_on: date
    valid_until_on: date | None
    accepted_by: str
    accepted_at: datetime
    withdrawn_at: datetime | None


class TopUpOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Pay in `amount_fen`, get `bonus_fen` on top. `override_reason`: why the bonus may exceed
    the shop's guard."""

    offer_id: OfferId
    amount_fen: int
    bonus_fen: int
    override_reason: str | None
    created_at: datetime
    retired_at: datetime | None


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """A payment into a wallet. `principal_left_fen`/`bonus_left_fen`: what of it may still be
    spent or refunded; `unused_fen`: bonus that ended unspent; refunded, withdrawn (bonus taken
    back by refunds) and kept back (bonus that was spent and paid for out of a refund) are sums
    over its refunds."""

    top_up_id: TopUpId
    member_id: UUID
    person_no: int
    offer_id: OfferId
    amount_fen: int
    bonus_fen: int
    platform: str
    state: TopUpState
    created_at: datetime
    pay_before: datetime
    paid_at: datetime | None
    payment_id: UUID | None
    refunded_fen: int
    withdrawn_fen: int
    kept_back_fen: int
    principal_left_fen: int
    bonus_left_fen: int
    unused_fen: int
    bonus_expires_on: date | None


class WalletRow(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet as the shop and the member see it. principal, bonus: may be spent now; held:
    reserved by unpaid orders; next_expiry: the bonus whose last day comes first."""

    member_id: UUID
    principal_fen: int
    bonus_fen: int
    held_fen: int
    next_expiry_on: date | None
    next_expiry_fen: int
    frozen_at: datetime | None
    frozen_reason: str | None
    opened_at: datetime


class Wallet(msgspec.Struct, frozen=True):
    """What a member may spend now."""

    principal_fen: int
    bonus_fen: int

    @property
    def total_fen(self) -> int:
        """Both together."""
        return self.principal_fen + self.bonus_fen


class Held(msgspec.Struct, frozen=True):
    """What an order uses of either side; also what a refund gave back to either side."""

    principal_fen: int
    bonus_fen: int


class RefundTerms(msgspec.Struct, frozen=True):
    """What refunding a part of a top-up means: principal taken out of the wallet, money to the
    payer, bonus withdrawn, and what is kept back for bonus that was spent beyond its share
    (`principal_fen == money_fen + kept_back_fen`)."""

    principal_fen: int
    money_fen: int
    withdrawn_fen: int
    kept_back_fen: int


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """Value that came together. Its bonus ends on `expires_on`, its principal never."""

    lot_id: LotId
    principal_left_fen: int
    bonus_left_fen: int
    expires_on: date | None
    created_at: datetime


class WalletMovement(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the statement: `movement_no` counts a member's lines without a gap; amounts are
    signed; the `_after_fen` include what unpaid orders have reserved; `kept_back_fen` of refunded
    principal paid for bonus that was spent."""

    movement_no: int
    kind: WalletMovementKind
    principal_fen: int
    bonus_fen: int
    principal_after_fen: int
    bonus_after_fen: int
    kept_back_fen: int
    order_id: UUID | None
    top_up_id: UUID | None
    note: str
    at: datetime


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """A correction by staff, with its reason."""

    adjustment_id: UUID
    member_id: UUID
    side: Side
    delta_fen: int
    reason: str
    state: AdjustmentState
    asked_by: str
    asked_by_name: str
    asked_at: datetime
    decided_by: str | None
    decided_by_name: str | None
    decided_at: datetime | None


class TopUpRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of a part of a top-up. `state`: intended, succeeded, or undone."""

    refund_id: UUID
    top_up_id: UUID
    principal_fen: int
    money_fen: int
    withdrawn_fen: int
    kept_back_fen: int
    state: str
    reason: str
    created_at: datetime


class NotLicensed(Forbidden):
    """The shop has recorded no licence or filing that is valid today (mission 53, 209)."""

    code = "stored_value.not_licensed"
    zh = "店铺尚未登记有效的预付卡备案或许可，不能储值"
    en = "The shop has recorded no valid licence or filing for stored value"


class BadLicence(BadInput):
    """A licence is recorded whole and accepted; `field` says what is wrong."""

    code = "stored_value.bad_licence"
    zh = "备案信息 {field} 不正确"
    en = "The licence's {field} is not right"


class BadStoredValueSetting(BadInput):
    """A setting outside its range; `setting` names it."""

    code = "stored_value.bad_setting"
    zh = "储值设置 {setting} 超出范围"
    en = "The stored value setting {setting} is out of range"


class BonusTooHigh(Conflict):
    """The bonus exceeds the shop's guard; staff may override it with a reason (mission 53)."""

    code = "stored_value.bonus_too_high"
    zh = "赠送比例超过上限，如需继续请填写理由"
    en = "The bonus exceeds the guard; give a reason to override it"


class OfferNotFound(NotFound):
    """No such offer, or it has been retired."""

    code = "stored_value.offer_not_found"
    zh = "没有这个储值档位"
    en = "There is no such offer"


class OfferTaken(Conflict):
    """There is an active offer of this amount already."""

    code = "stored_value.offer_taken"
    zh = "已有相同金额的储值档位"
    en = "There is an offer of this amount already"


class LimitExceeded(Conflict):
    """The wallet would hold more than the rules for prepaid cards allow; `limit_fen`."""

    code = "stored_value.limit_exceeded"
    zh = "储值后余额超过上限"
    en = "The wallet would exceed its limit"


class ValueShort(Conflict):
    """Less value than wanted; `available_fen` says what there is."""

    code = "stored_value.short"
    zh = "余额不足"
    en = "Not enough stored value"


class WalletFrozen(Conflict):
    """Staff have frozen this wallet."""

    code = "stored_value.frozen"
    zh = "账户已冻结，请联系商家"
    en = "The wallet is frozen, please ask the shop"


class TopUpNotFound(NotFound):
    """No such top-up, or another member's."""

    code = "stored_value.top_up_not_found"
    zh = "没有这笔储值"
    en = "There is no such top-up"


class TopUpOver(Conflict):
    """The top-up is no longer waiting for money; `state` is the present one."""

    code = "stored_value.top_up_over"
    zh = "这笔储值已结束，请重新发起"
    en = "This top-up has ended, please start again"


class NothingToRefund(Conflict):
    """More than the unspent principal of the top-up, or nothing after what is kept back."""

    code = "stored_value.nothing_to_refund"
    zh = "没有可退的本金"
    en = "There is no principal to refund"


class NothingToAdjust(BadInput):
    """An adjustment of 0 fen."""

    code = "stored_value.nothing_to_adjust"
    zh = "调账金额不能为 0"
    en = "An adjustment is never 0"


class AdjustmentNotFound(NotFound):
    """No such adjustment."""

    code = "stored_value.adjustment_not_found"
    zh = "没有这笔调账"
    en = "There is no such adjustment"


class AdjustmentDecided(Conflict):
    """Somebody has decided it already; `state` is the present one."""

    code = "stored_value.adjustment_decided"
    zh = "这笔调账已处理"
    en = "This adjustment has been decided"


class SecondPersonNeeded(Forbidden):
    """Whoever asked for an adjustment cannot approve it."""

    code = "stored_value.second_person_needed"
    zh = "需由另一位员工复核"
    en = "Another member of staff must approve it"


class ToppedUp(Event, frozen=True):
    """Money was paid in."""

    name: ClassVar[str] = "stored_value.topped_up"
    person_no: int
    member_id: UUID
    top_up_id: UUID
    amount_fen: int
    bonus_fen: int


class ValueSpent(Event, frozen=True):
    """An order was paid with stored value."""

    name: ClassVar[str] = "stored_value.value_spent"
    person_no: int
    member_id: UUID
    order_id: UUID
    amount_fen: int
    principal_fen: int
    bonus_fen: int


class TopUpRefunded(Event, frozen=True):
    """Unspent principal is on its way back to the payer."""

    name: ClassVar[str] = "stored_value.top_up_refunded"
    person_no: int
    member_id: UUID
    top_up_id: UUID
    refund_id: UUID
    amount_fen: int
    withdrawn_fen: int


class BonusExpired(Event, frozen=True):
    """The last day of some bonus is over."""

    name: ClassVar[str] = "stored_value.bonus_expired"
    person_no: int
    member_id: UUID
    amount_fen: int
