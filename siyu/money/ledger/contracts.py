"""Nouns of the ledger: books, entries and their legs, balances, holds, errors."""

from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import Conflict, NotFound

EntryId = NewType("EntryId", UUID)
HoldId = NewType("HoldId", UUID)


class Book(StrEnum):
    """The chart of accounts; `rules.BOOKS` says each one's side, owner and words."""

    WECHAT = "wechat"  # our balance at WeChat Pay
    WECHAT_FROZEN = "wechat_frozen"  # there, frozen until it is split
    RECEIVABLE = "receivable"  # what a receiver owes us (owner: receiver)
    PETTY = "petty"  # cash outside WeChat
    PRINCIPAL = "principal"  # stored value a member paid for (owner: member)
    BONUS = "bonus"  # stored value given on top (owner: member)
    COMMISSION = "commission"  # what we owe a promoter or receiver (owner: them)
    REFUND_DUE = "refund_due"  # refunds decided, not yet executed
    PAYOUT_DUE = "payout_due"  # transfers accepted, not yet finished
    TAX_DUE = "tax_due"  # withheld from payouts for the tax office
    SUSPENSE = "suspense"  # money whose owner is not settled
    UNMATCHED = "unmatched"  # what WeChat's bills and our books differ by, until it is explained
    SALES = "sales"
    BREAKAGE = "breakage"  # balances that expired
    FEES = "fees"
    COMMISSION_COST = "commission_cost"
    BONUS_COST = "bonus_cost"
    LOSSES = "losses"
    OPENING = "opening"  # what there was before the ledger
    POINTS = "points"  # points of a member, asset POINT (owner: member)
    POINTS_ISSUED = "points_issued"  # the other side of all points


class HoldState(StrEnum):
    """A hold begins pending and ends once."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


class Leg(msgspec.Struct, frozen=True):
    """One side of an entry.

    amount: signed minor units of `asset`, debit > 0, credit < 0; a leg of 0 is left out.
    owner: member or receiver, for owned books only. asset: ISO currency code or `POINT`.
    """

    book: Book
    amount: int
    owner: UUID | None = None
    asset: str = "CNY"


class Entry(msgspec.Struct, frozen=True):
    """What happened, in at least two legs that sum to zero per asset.

    key: unique in the shop, says what it books (`payment:{payment_id}`); kind: one of
    `rules.KINDS`; ref: the payment, refund, split or payout; at: when it happened (default: now).
    """

    key: str
    kind: str
    legs: list[Leg]
    order_id: UUID | None = None
    ref: UUID | None = None
    at: datetime | None = None
    note: str = ""


class Balance(msgspec.Struct, frozen=True):
    """Minor units in the book's normal direction; `available` = `posted` - `held`."""

    posted: int
    held: int
    available: int


class StoredLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A leg as it stands in the ledger; debit > 0, credit < 0."""

    book: Book
    owner: UUID | None
    asset: str
    amount: int


class StoredEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it stands in the ledger, legs in the order they were written."""

    entry_id: EntryId
    key: str
    kind: str
    order_id: UUID | None
    ref: UUID | None
    reverses: EntryId | None
    note: str
    at: datetime
    legs: list[StoredLeg]


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the trial balance: all owners of a book and asset together.

    debit - credit of all legs = `balance` x (1 for debit books, -1 for credit books).
    """

    book: Book
    asset: str
    accounts: int
    balance: int
    held: int


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hold: `amount` minor units that cannot be spent by anything else while it is pending."""

    hold_id: HoldId
    key: str
    book: Book
    owner: UUID
    asset: str
    amount: int
    state: HoldState
    order_id: UUID | None
    expires_at: datetime | None
    entry_id: EntryId | None


class ToldLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A leg in words: 借/贷 (Dr/Cr), the book, the amount as text."""

    side: str
    book: str
    amount: str


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in the story of an order.

    title: its kind; text: what happened; legs: how it was booked; standing: where the order's
    money stands after it.
    """

    entry_id: EntryId
    at: datetime
    kind: str
    title: str
    text: str
    note: str
    legs: list[ToldLeg]
    standing: str


class TrialLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the trial balance in words: the balance stands on one side, the other is 0."""

    book: Book
    name: str
    asset: str
    accounts: int
    debit: int
    credit: int
    held: int


class TrialTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides of an asset; `is_even` when they are the same."""

    asset: str
    debit: int
    credit: int
    is_even: bool


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Every book and asset of a shop, and the totals; minor units."""

    lines: list[TrialLine]
    totals: list[TrialTotal]


class OutsideSum(msgspec.Struct, frozen=True, kw_only=True):
    """What the entries of one `ref` did to our balance at WeChat, debit > 0.

    transit_fen: together with what they put on its way there or took off it.
    """

    ref: UUID
    settled_fen: int
    transit_fen: int


class OutsideNumber(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain says happened at WeChat: its `ref` in the ledger, our number there, the
    merchant account, and by how much it changes our balance (> 0 in)."""

    ref: UUID
    number: str
    merchant: str
    amount_fen: int


class BalanceShort(Conflict):
    """An owned account would fall under its floor, or into what is held."""

    code = "ledger.balance_short"
    zh = "余额不足"
    en = "The balance is not enough"


class EntryConflict(Conflict):
    """The same key books something else: a bug of the caller."""

    code = "ledger.entry_conflict"
    zh = "同一笔账已按另一种内容入账"
    en = "This key is already booked with other content"


class AlreadyReversed(Conflict):
    """An entry is reversed once."""

    code = "ledger.already_reversed"
    zh = "这笔账已经冲正"
    en = "This entry has already been reversed"


class HoldOver(Conflict):
    """The hold has ended another way: voided, expired, or posted by another entry."""

    code = "ledger.hold_over"
    zh = "这笔冻结已经结束"
    en = "This hold has already ended"


class EntryUnknown(NotFound):
    """No such entry in this shop."""

    code = "ledger.entry_unknown"
    zh = "没有这笔账"
    en = "No such entry"


class HoldUnknown(NotFound):
    """No such hold in this shop."""

    code = "ledger.hold_unknown"
    zh = "没有这笔冻结"
    en = "No such hold"
