"""Nouns of profit sharing: receivers, rules, plans and their parts, errors."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, Protocol
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound

ReceiverId = NewType("ReceiverId", UUID)
RuleId = NewType("RuleId", UUID)


class ReceiverKind(StrEnum):
    """Who can receive a part at WeChat."""

    MERCHANT = "merchant"  # a merchant number; can be asked to give back
    PERSON = "person"  # a member's change purse; can never be asked to give back


class ReceiverState(StrEnum):
    """Where a receiver stands at WeChat."""

    ADDING = "adding"  # not confirmed by WeChat yet
    ACTIVE = "active"
    REFUSED = "refused"  # WeChat will not have it; `reason` holds its own code
    REMOVING = "removing"
    REMOVED = "removed"


class Relation(StrEnum):
    """What a receiver is to the shop, in WeChat's words."""

    STORE = "STORE"
    STAFF = "STAFF"
    STORE_OWNER = "STORE_OWNER"
    PARTNER = "PARTNER"
    HEADQUARTER = "HEADQUARTER"
    BRAND = "BRAND"
    DISTRIBUTOR = "DISTRIBUTOR"
    USER = "USER"
    SUPPLIER = "SUPPLIER"
    SERVICE_PROVIDER = "SERVICE_PROVIDER"
    CUSTOM = "CUSTOM"


class Scope(StrEnum):
    """Which orders a rule shares, and which of their money it counts."""

    PRODUCT = "product"  # lines of one product, to a fixed receiver
    PROMOTER = "promoter"  # the goods of an order that a promoter brought, to the promoter's level
    LEADER = "leader"  # the whole payment of every order, to a fixed receiver (团长)


class Way(StrEnum):
    """How a part reaches its receiver."""

    SPLIT = "split"  # WeChat splits it out of the frozen payment
    BALANCE = "balance"  # it is credited to the commission balance, to be paid out on request


class Trigger(StrEnum):
    """When a part falls due."""

    RECEIPT = "receipt"  # when the customer, or time, has confirmed the receipt
    DAYS = "days"  # so many days after the payment


class PlanState(StrEnum):
    """Life of an order's sharing."""

    OPEN = "open"
    CLOSED = "closed"  # every part has reached its end and nothing is frozen any more


class PartState(StrEnum):
    """Life of one part; the allowed moves are `rules.MOVES`."""

    PLANNED = "planned"
    HELD = "held"  # its receiver is tied to the buyer: somebody must look (F096)
    DENIED = "denied"  # somebody looked: nothing is owed of it
    REFUSED = "refused"  # more than may be split: somebody must decide
    SENT = "sent"  # a split was asked for under a stored number
    PAID = "paid"  # WeChat gave it to the receiver
    CREDITED = "credited"  # it stands in the commission balance
    DROPPED = "dropped"  # refunds left nothing of it


class Alarm(StrEnum):
    """What somebody must look at."""

    OVER_RATIO = "over_ratio"  # the parts are more than the contract or the money allows (F035)
    FREEZE_ENDS = "freeze_ends"  # soon WeChat unfreezes by itself (F036)
    FREEZE_OVER = "freeze_over"  # WeChat has unfrozen; open parts went to commission balances
    REFUSED = "refused"  # WeChat refused a request for good
    HELD = "held"  # a promoter seems to have bought themselves; any other alarm comes before (F096)


class Tie(StrEnum):
    """What ties the receiver of a commission to the buyer (F096)."""

    SAME_PERSON = "SAME_PERSON"  # both records are one person
    SAME_PAYER = "SAME_PAYER"  # the receiver's own WeChat account paid
    SAME_PHONE = "SAME_PHONE"  # of the buyer's account or the parcel, and the receiver's account
    SAME_DEVICE = "SAME_DEVICE"  # both used one phone or browser
    SAME_ADDRESS = "SAME_ADDRESS"  # the parcel goes to an address of the receiver


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a shop may share.

    max_ratio_bps: the share of a payment that the contract with WeChat allows to be split (its
    default is 3000); fee_bps: WeChat's fee; floor_fen: how deep a commission balance may go below
    zero after refunds, the rest is a receivable; freeze_days: how long WeChat keeps a payment
    frozen (30; 180 for 收付通); alarm_days: after so many days somebody is told.
    """

    max_ratio_bps: int = 3000
    fee_bps: int = 60
    floor_fen: int = 20_000
    freeze_days: int = 30
    alarm_days: int = 25


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver as the console shows it. account: a merchant number, or a person's id in the
    shop's app; name_masked: of a person or merchant; reason: WeChat's own words."""

    receiver_id: UUID
    kind: ReceiverKind
    account: str
    member_id: UUID | None
    owner_id: UUID
    name_masked: str | None
    relation: Relation
    custom_relation: str | None
    state: ReceiverState
    reason: str | None
    created_at: datetime


class Promoter(msgspec.Struct, frozen=True, kw_only=True):
    """A member who brings orders: level 1 stands alone, level 2 was brought by `parent_id`."""

    member_id: UUID
    level: int
    parent_id: UUID | None
    created_at: datetime


class RuleDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as it is written. share_bps of the money its scope counts; level 1..2 only for
    promoters; after_days only for the trigger `days`."""

    title: str
    scope: Scope
    share_bps: int
    way: Way
    trigger: Trigger
    after_days: int | None = None
    product_id: UUID | None = None
    level: int | None = None
    receiver_id: UUID | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in force, or one that was stopped."""

    rule_id: UUID
    title: str
    scope: Scope
    share_bps: int
    way: Way
    trigger: Trigger
    after_days: int | None
    product_id: UUID | None
    level: int | None
    receiver_id: UUID | None
    is_active: bool
    created_at: datetime


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order's sharing as the console lists it. paid_fen: what WeChat collected of total_fen;
    refunded_fen of total_fen; shared_fen: what its parts come to now."""

    order_id: UUID
    person_no: int
    promoter_id: UUID | None
    state: PlanState
    total_fen: int
    paid_fen: int
    refunded_fen: int
    shared_fen: int
    is_frozen: bool
    alarm: Alarm | None
    paid_at: datetime
    completed_at: datetime | None
    frozen_until: datetime | None


class PartRow(msgspec.Struct, frozen=True, kw_only=True):
    """One part. amount_fen: what is due now (planned_fen at first, less what refunds took);
    booked_fen: what stands in the books; sent_fen: given by WeChat or asked for; returned_fen:
    given back through WeChat; fail_reason: WeChat's own code; evidence: why it was held;
    reviewed_at, review_note: when staff decided about that, and what they wrote."""

    part_no: int
    rule_id: UUID
    title: str
    scope: Scope
    level: int | None
    owner_id: UUID
    receiver_id: UUID | None
    way: Way
    share_bps: int
    base_fen: int
    planned_fen: int
    amount_fen: int
    booked_fen: int
    sent_fen: int
    returned_fen: int
    trigger: Trigger
    due_at: datetime | None
    state: PartState
    fail_reason: str | None
    evidence: list[Tie]
    reviewed_at: datetime | None
    review_note: str | None


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call to WeChat with its own number. kind: split, unfreeze or return."""

    number: str
    kind: str
    state: str
    amount_fen: int
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an order's sharing; detail holds WeChat's own codes."""

    at: datetime
    event: str
    detail: dict[str, Any]


class Commission(msgspec.Struct, frozen=True, kw_only=True):
    """What a promoter sees. balance_fen may be below zero after refunds; available_fen can be paid
    out; expected_fen: parts of orders that are not due yet; held_fen: parts that the shop looks at
    first; earned_fen: all that was ever due."""

    balance_fen: int
    available_fen: int
    expected_fen: int
    held_fen: int
    earned_fen: int
    is_promoter: bool


class CommissionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A part as its promoter sees it; nothing of the buyer."""

    order_id: UUID
    part_no: int
    title: str
    level: int | None
    amount_fen: int
    state: PartState
    way: Way
    paid_at: datetime
    due_at: datetime | None


class SoldLine(Protocol):
    """What is read of a line of an order, a noun of a floor above."""

    @property
    def product_id(self) -> UUID:
        """The product."""

    @property
    def total_fen(self) -> int:
        """What the line comes to, after discounts."""


class PaidOrder(Protocol):
    """What is read of `ordering.order_paid`, an event of a floor above."""

    @property
    def order_id(self) -> UUID:
        """The order."""

    @property
    def person_no(self) -> int:
        """The buyer."""

    @property
    def member_id(self) -> UUID | None:
        """The buyer; none in events of old releases."""

    @property
    def promoter_id(self) -> UUID | None:
        """The member who brought the order."""

    @property
    def amount_fen(self) -> int:
        """What the order came to, by whatever it was paid."""

    @property
    def lines(self) -> Sequence[SoldLine]:
        """What was bought."""

    @property
    def paid_at(self) -> datetime:
        """When the money came."""

    @property
    def is_completed(self) -> bool:
        """Delivered by being paid: its `order_completed` may be told before this."""


class ReceiverUnknown(NotFound):
    """No receiver with this id in this shop."""

    code = "profit_sharing.receiver_unknown"
    zh = "没有这个分账接收方"
    en = "There is no such receiver"


class ReceiverTaken(Conflict):
    """This account or member is a receiver already."""

    code = "profit_sharing.receiver_taken"
    zh = "该账户已是分账接收方"
    en = "This account is a receiver already"


class ReceiverInUse(Conflict):
    """Rules or open parts still name the receiver."""

    code = "profit_sharing.receiver_in_use"
    zh = "仍有规则或未完成的分账使用该接收方"
    en = "Rules or open parts still use this receiver"


class BadReceiver(BadInput):
    """A receiver that WeChat would refuse; `reason` says why."""

    code = "profit_sharing.bad_receiver"
    zh = "接收方信息不正确：{reason}"
    en = "The receiver is not right: {reason}"


class RuleUnknown(NotFound):
    """No rule with this id in this shop."""

    code = "profit_sharing.rule_unknown"
    zh = "没有这条分账规则"
    en = "There is no such rule"


class RuleTaken(Conflict):
    """Another rule in force says the same thing about the same scope."""

    code = "profit_sharing.rule_taken"
    zh = "已有相同范围的规则在生效"
    en = "Another rule for the same scope is in force"


class BadRule(BadInput):
    """The fields of a rule contradict each other; `reason` says which."""

    code = "profit_sharing.bad_rule"
    zh = "规则不正确：{reason}"
    en = "The rule is not right: {reason}"


class RatioTooHigh(Conflict):
    """Together the rules could share more than the contract allows (F035)."""

    code = "profit_sharing.ratio_too_high"
    zh = "规则合计最多可分 {sum_bps}‱，超过允许的 {max_bps}‱"
    en = "Together the rules could share {sum_bps} of 10000, more than the {max_bps} allowed"


class PromoterUnknown(NotFound):
    """The member is not a promoter."""

    code = "profit_sharing.promoter_unknown"
    zh = "该会员不是推广员"
    en = "This member is not a promoter"


class PromoterRefused(Conflict):
    """At most two levels, no circles, nobody above themselves (F040)."""

    code = "profit_sharing.promoter_refused"
    zh = "推广关系最多两级，且不能循环或指向自己"
    en = "Promotion has at most two levels, without circles"


class PlanUnknown(NotFound):
    """The order is not shared."""

    code = "profit_sharing.plan_unknown"
    zh = "该订单没有分账"
    en = "This order is not shared"


class ReasonNeeded(BadInput):
    """A commission is not denied without saying why."""

    code = "profit_sharing.reason_needed"
    zh = "请填写不予发放的原因"
    en = "Say why the commission is denied"


class NothingToDecide(Conflict):
    """No part of the order waits for a decision."""

    code = "profit_sharing.nothing_to_decide"
    zh = "没有待处理的分账"
    en = "No part waits for a decision"
