"""Nouns of payouts: settings, a payout's life, agreements, errors, events."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event

PayoutId = NewType("PayoutId", UUID)

Fen = Annotated[int, msgspec.Meta(ge=0, le=10_000_000_000)]
Text32 = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class PayoutState(StrEnum):
    """Life of a payout; the allowed moves are `rules.MOVES`."""

    REQUESTED = "requested"  # waits for the shop's approval
    CREATED = "created"  # number stored; WeChat not asked yet, or its answer unknown
    ACCEPTED = "accepted"  # WeChat has the money and works on it
    WAITING = "waiting"  # the member must confirm on the phone
    SENDING = "sending"  # confirmed; WeChat pays
    CANCELLING = "cancelling"  # we asked WeChat to take it back
    PAID = "paid"
    FAILED = "failed"  # WeChat called it failed, or refused it: the money is back
    CANCELLED = "cancelled"
    REJECTED = "rejected"  # the shop said no


class AgreementState(StrEnum):
    """A member's agreement to receive without confirming each time."""

    CREATED = "created"
    WAITING = "waiting"  # the member must agree on the phone, within 24 hours
    ACTIVE = "active"
    CLOSED = "closed"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a shop pays out. One payout is min_fen..max_fen, at most daily_count of them and
    daily_fen a day, yearly_fen a calendar year (null: no limit); approve_above_fen: larger ones
    wait for staff (null: none does); tax_bps is withheld of each; role and reward are what WeChat's
    scene 1005 (佣金报酬) must report (岗位类型, 报酬说明); remark is shown to the member."""

    is_enabled: bool = True
    min_fen: Annotated[int, msgspec.Meta(ge=10, le=10_000_000_000)] = 100
    max_fen: Annotated[int, msgspec.Meta(ge=10, le=10_000_000_000)] = 500_000
    daily_count: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    daily_fen: Annotated[int, msgspec.Meta(ge=10, le=10_000_000_000)] = 1_000_000
    yearly_fen: Fen | None = None
    approve_above_fen: Fen | None = None
    tax_bps: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    role: Text32 = "推广员"
    reward: Text32 = "推广佣金"
    remark: Text32 = "推广佣金"


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """A payout as it may be shown. amount_fen leaves the balance, tax_fen is withheld, net_fen
    reaches the member; number is ours at WeChat; fail_reason WeChat's own code."""

    payout_id: PayoutId
    member_id: UUID
    person_no: int
    state: PayoutState
    amount_fen: int
    tax_fen: int
    net_fen: int
    is_confirmed_once: bool
    number: str
    provider_number: str | None
    name_masked: str | None
    fail_reason: str | None
    problem: str | None
    requested_at: datetime
    confirm_before: datetime | None
    ended_at: datetime | None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a member may ask for now. balance_fen may be below zero; most_fen is the largest payout
    possible (0: none, reason says why); paid_this_year_fen and tax_this_year_fen: of the calendar
    year; name_needed_from_fen: from this net amount on WeChat checks the real name."""

    balance_fen: int
    available_fen: int
    min_fen: int
    most_fen: int
    reason: str | None
    tax_bps: int
    paid_this_year_fen: int
    tax_this_year_fen: int
    name_needed_from_fen: int
    agreement: AgreementState | None


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A member's agreement as the shop sees it; number is ours at WeChat."""

    agreement_id: UUID
    member_id: UUID
    state: AgreementState
    number: str
    created_at: datetime


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What the phone gives to wx.requestMerchantTransfer; names are WeChat's own."""

    mchId: str  # noqa: N815
    appId: str  # noqa: N815
    package: str


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a payout; detail holds WeChat's own codes."""

    at: datetime
    event: str
    detail: dict[str, Any]


class PayoutUnknown(NotFound):
    """No such payout, or another member's."""

    code = "payouts.payout_unknown"
    zh = "没有这笔提现"
    en = "There is no such payout"


class PayoutsOff(Conflict):
    """The shop pays nothing out."""

    code = "payouts.off"
    zh = "店铺暂未开放提现"
    en = "The shop does not pay out at present"


class PayoutOpen(Conflict):
    """Another payout of this member is under way (F039)."""

    code = "payouts.payout_open"
    zh = "还有一笔提现正在处理"
    en = "Another payout is under way"


class OverLimit(Conflict):
    """Below the least, above the most, or beyond the limits of the day or the year."""

    code = "payouts.over_limit"
    zh = "提现金额须在 {min_fen} 至 {most_fen} 分之间：{limit}"
    en = "A payout must be between {min_fen} and {most_fen} fen: {limit}"


class BalanceTooSmall(Conflict):
    """The balance does not hold that much; below zero it pays nothing out (F037)."""

    code = "payouts.balance_too_small"
    zh = "可提现余额不足"
    en = "The balance is not enough"


class NameNeeded(BadInput):
    """From 2000 yuan on WeChat checks the payee's real name."""

    code = "payouts.name_needed"
    zh = "到账金额达到 2000 元，请填写收款人真实姓名"
    en = "From 2000 yuan on the payee's real name is needed"


class CannotCancel(Conflict):
    """It is on its way or has ended."""

    code = "payouts.cannot_cancel"
    zh = "该提现已无法撤销"
    en = "This payout can no longer be cancelled"


class CannotDecide(Conflict):
    """It does not wait for approval."""

    code = "payouts.cannot_decide"
    zh = "该提现不在待审核状态"
    en = "This payout does not wait for approval"


class NothingToConfirm(Conflict):
    """WeChat does not wait for the member's confirmation."""

    code = "payouts.nothing_to_confirm"
    zh = "该提现无需确认"
    en = "This payout does not wait for a confirmation"


class AgreementOpen(Conflict):
    """The member has agreed already, or is being asked."""

    code = "payouts.agreement_open"
    zh = "已授权或正在授权"
    en = "Agreed already, or being asked"


class BadSettings(BadInput):
    """The limits contradict each other; `reason` says which."""

    code = "payouts.bad_settings"
    zh = "提现设置不正确：{reason}"
    en = "The settings are not right: {reason}"


class PayoutEnded(Event, frozen=True):
    """A payout has come to its end: paid, failed, cancelled or rejected."""

    name: ClassVar[str] = "payouts.payout_ended"
    payout_id: UUID
    member_id: UUID
    person_no: int
    amount_fen: int
    state: str
    fail_reason: str | None
