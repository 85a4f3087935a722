"""Decisions of after-sale without database, clock or network."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import msgspec

from siyu.commerce.after_sale.contracts import (
    Action,
    AlreadyClaimed,
    AlreadySent,
    AmountOutOfRange,
    Case,
    CaseAsked,
    CaseSide,
    ExchangeRefused,
    Kind,
    LineOffer,
    MoveRefused,
    NotEligible,
    Offer,
    Payer,
    PicturesNeeded,
    Reason,
    ReasonNeeded,
    State,
    Terms,
)
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering.contracts import OrderStatus
from siyu.kernel.errors import BadInput
from siyu.kernel.money import split_fen

_ALL = frozenset(Kind)
_MONEY = frozenset({Kind.REFUND_ONLY})
_GOODS = frozenset({Kind.RETURN_REFUND, Kind.EXCHANGE})
_SWAP = frozenset({Kind.EXCHANGE})
_NONE: frozenset[Kind] = frozenset()
_SHOP_OR_TIME = frozenset({CaseSide.STAFF, CaseSide.TIME})
_BUYER_OR_TIME = frozenset({CaseSide.CUSTOMER, CaseSide.TIME})


class Step(msgspec.Struct, frozen=True):
    """Who may do what to which kind of case, and where that leads."""

    action: Action
    sides: frozenset[CaseSide]
    kinds: frozenset[Kind]
    before: State
    after: State


def _by(side: CaseSide) -> frozenset[CaseSide]:
    return frozenset({side})


STEPS = (
    Step(Action.APPROVE, _SHOP_OR_TIME, _MONEY, State.REQUESTED, State.REFUNDING),
    Step(Action.APPROVE, _by(CaseSide.STAFF), _GOODS, State.REQUESTED, State.APPROVED),
    Step(Action.REJECT, _by(CaseSide.STAFF), _ALL, State.REQUESTED, State.REJECTED),
    Step(Action.WITHDRAW, _by(CaseSide.CUSTOMER), _ALL, State.REQUESTED, State.WITHDRAWN),
    Step(Action.WITHDRAW, _by(CaseSide.CUSTOMER), _GOODS, State.APPROVED, State.WITHDRAWN),
    Step(Action.SHIP_BACK, _by(CaseSide.CUSTOMER), _GOODS, State.APPROVED, State.RETURNING),
    Step(Action.EXPIRE, _by(CaseSide.TIME), _GOODS, State.APPROVED, State.EXPIRED),
    Step(Action.PASS, _by(CaseSide.STAFF), _GOODS, State.RETURNING, State.RECEIVED),
    Step(Action.FAIL, _by(CaseSide.STAFF), _GOODS, State.RETURNING, State.REJECTED),
    # Goods that nobody inspected in time are paid for; an exchange whose replacement is gone, too.
    Step(Action.REFUND, _by(CaseSide.TIME), _GOODS, State.RETURNING, State.REFUNDING),
    Step(Action.REFUND, _SHOP_OR_TIME, _GOODS, State.RECEIVED, State.REFUNDING),
    Step(Action.SHIP_EXCHANGE, _by(CaseSide.STAFF), _SWAP, State.RECEIVED, State.EXCHANGING),
    Step(
        Action.CONFIRM,
        _BUYER_OR_TIME,
        _SWAP,
        State.EXCHANGING,
        State.COMPLETED,
    ),
    Step(Action.PAY_OUT, _by(CaseSide.MONEY), _ALL, State.REFUNDING, State.REFUNDED),
    # A refund that was given up for good leaves the question open again.
    Step(Action.UNDO, _by(CaseSide.MONEY), _MONEY, State.REFUNDING, State.REQUESTED),
    Step(Action.UNDO, _by(CaseSide.MONEY), _GOODS, State.REFUNDING, State.RECEIVED),
)
"""The state table: what does not stand here cannot happen."""

ENDS = frozenset({State.REFUNDED, State.COMPLETED, State.REJECTED, State.WITHDRAWN, State.EXPIRED})
OPEN = tuple(state for state in State if state not in ENDS)
UNCLAIMED = ENDS - {State.REFUNDED}
"""Ends that give the pieces free again; a replacement may be faulty, too."""

STAFF_ACTIONS = (
    Action.APPROVE,
    Action.REJECT,
    Action.PASS,
    Action.FAIL,
    Action.REFUND,
    Action.SHIP_EXCHANGE,
)
CUSTOMER_ACTIONS = (Action.WITHDRAW, Action.SHIP_BACK, Action.CONFIRM)

LABELS: dict[str, tuple[str, str]] = {
    "open": ("提交申请", "Requested"),
    Action.APPROVE: ("商家同意", "Approved"),
    Action.REJECT: ("商家拒绝", "Rejected"),
    Action.WITHDRAW: ("顾客撤销", "Withdrawn"),
    Action.SHIP_BACK: ("顾客已寄回", "Sent back"),
    Action.EXPIRE: ("超时未寄回，已关闭", "Not sent back in time, closed"),
    Action.PASS: ("商家已收货，验货通过", "Received and accepted"),
    Action.FAIL: ("验货未通过", "Received and not accepted"),
    Action.REFUND: ("开始退款", "Refund started"),
    Action.SHIP_EXCHANGE: ("换货已寄出", "Replacement sent"),
    Action.CONFIRM: ("换货完成", "Exchange completed"),
    Action.PAY_OUT: ("退款成功", "Refunded"),
    Action.UNDO: ("退款未成功，商家处理中", "The refund failed, the shop looks into it"),
    "message": ("留言", "Message"),
    "note": ("内部备注", "Note for staff"),
    "overdue": ("商家超时未处理", "Not answered in time"),
    "refund_abnormal": ("退款异常，财务处理中", "The refund is stuck, finance looks into it"),
}
"""What a timeline entry says, in Chinese and English."""


class ReasonRule(msgspec.Struct, frozen=True):
    """A reason: words, kinds it may be given for before and after shipping, whose fault it is.

    `is_free_choice`: no fault of the goods, so only within the no-reason days.
    """

    zh: str
    en: str
    unshipped: frozenset[Kind]
    shipped: frozenset[Kind]
    freight_by: Payer
    is_free_choice: bool
    needs_pictures: bool


def _reason(
    words: tuple[str, str],
    unshipped: frozenset[Kind],
    shipped: frozenset[Kind],
    fault: Payer,
    *,
    free: bool = False,
    pictures: bool = False,
) -> ReasonRule:
    return ReasonRule(*words, unshipped, shipped, fault, free, pictures)


_WHOSE = Payer
REASONS: dict[Reason, ReasonRule] = {
    Reason.NOT_WANTED: _reason(
        ("不想要了（七天无理由）", "Changed my mind"),
        _MONEY, frozenset({Kind.RETURN_REFUND}), _WHOSE.CUSTOMER, free=True,
    ),
    Reason.ORDERED_WRONG: _reason(
        ("拍错/地址或规格填错", "Ordered by mistake"), _MONEY, _GOODS, _WHOSE.CUSTOMER, free=True
    ),
    Reason.DOES_NOT_FIT: _reason(
        ("尺码/规格不合适", "Does not fit"), _NONE, _GOODS, _WHOSE.CUSTOMER, free=True
    ),
    Reason.NOT_SHIPPED: _reason(
        ("商家未按时发货", "Not shipped in time"), _MONEY, _NONE, _WHOSE.SHOP
    ),
    Reason.NOT_RECEIVED: _reason(
        ("未收到货/物流异常", "Never arrived"), _NONE, _MONEY, _WHOSE.SHOP
    ),
    Reason.QUALITY: _reason(
        ("质量问题", "Poor quality"), _NONE, _ALL, _WHOSE.SHOP, pictures=True
    ),
    Reason.DAMAGED: _reason(
        ("商品破损/污渍", "Arrived damaged"), _NONE, _ALL, _WHOSE.SHOP, pictures=True
    ),
    Reason.WRONG_GOODS: _reason(
        ("发错货/少件", "Wrong or missing goods"), _NONE, _ALL, _WHOSE.SHOP, pictures=True
    ),
    Reason.NOT_AS_DESCRIBED: _reason(
        ("与描述不符", "Not as described"), _NONE, _ALL, _WHOSE.SHOP, pictures=True
    ),
    Reason.AGREED: _reason(
        ("与商家协商一致", "Agreed with the shop"), _MONEY, _ALL, _WHOSE.CUSTOMER
    ),
    Reason.BY_SHOP: _reason(("商家主动退款", "Refunded by the shop"), _MONEY, _MONEY, _WHOSE.SHOP),
}  # fmt: skip
"""Freight follows the fault: who chose freely pays it (消费者权益保护法 第二十四、二十五条)."""

CUSTOMER_REASONS = tuple(reason for reason in Reason if reason is not Reason.BY_SHOP)


class Piece(msgspec.Struct, frozen=True):
    """What is left to claim of an order line, and what kind of goods it is. `sent`: how many have
    left while the rest of the order still waits; `quantity` and `amount_fen` are without them.
    """

    line_no: int
    kind: ProductKind
    is_excluded: bool
    quantity: int
    amount_fen: int
    sent: int = 0


class Ground(msgspec.Struct, frozen=True):
    """All that a request is judged by. Days are the shop's own; none received: it is under way."""

    status: OrderStatus
    received_on: date | None
    today: date
    terms: Terms
    pieces: list[Piece]
    shipping_fen: int

    @property
    def is_unshipped(self) -> bool:
        """Paid, and something of it has not left the shop yet."""
        return self.status is OrderStatus.PAID


# --- steps ------------------------------------------------------------------------------------


def next_state(kind: Kind, state: State, action: Action, side: CaseSide) -> State:
    """Where an action leads; raises MoveRefused when the state table has no such step."""
    for step in STEPS:
        fits = (step.action, step.before) == (action, state) and kind in step.kinds
        if fits and side in step.sides:
            return step.after
    raise MoveRefused(state=state)


def actions(case: Case, side: CaseSide) -> list[Action]:
    """What a side may do to a case now."""
    owed = (Action.REJECT, Action.WITHDRAW) if is_owed(case) else ()
    return [
        step.action
        for step in STEPS
        if side in step.sides and case.kind in step.kinds and step.before is case.state
        if step.action not in owed
    ]


def is_owed(case: Case) -> bool:
    """Whether goods that never left went back on the shelf with a refund that then failed: now the
    customer has neither, so the case can only end in money.
    """
    return case.kind is Kind.REFUND_ONLY and case.restock is not None


def due_at(state: State, terms: Terms, now: datetime) -> datetime | None:
    """When time will decide about a case that enters a state now; None where nobody is waited for.

    Inspecting and paying share one deadline, so `received` keeps that of `returning`.
    """
    waits = {
        State.REQUESTED: timedelta(hours=terms.answer_hours),
        State.APPROVED: timedelta(days=terms.ship_back_days),
        State.RETURNING: timedelta(days=terms.inspect_days),
        State.RECEIVED: timedelta(days=terms.inspect_days),
        State.EXCHANGING: timedelta(days=terms.confirm_days),
    }
    return now + waits[state] if state in waits else None


def at_deadline(
    kind: Kind, state: State, *, is_unshipped: bool, is_troubled: bool
) -> Action | None:
    """What time does to a case that is due; None: it can only remind.

    Before shipping silence is consent. Afterwards the customer may have the goods, so silence of
    the shop decides nothing; but goods that came back and were not looked at are paid for. A refund
    that failed once waits for people.
    """
    if state is State.REQUESTED:
        consents = kind is Kind.REFUND_ONLY and is_unshipped and not is_troubled
        return Action.APPROVE if consents else None
    if state in (State.RETURNING, State.RECEIVED):
        return None if is_troubled else Action.REFUND
    return {State.APPROVED: Action.EXPIRE, State.EXCHANGING: Action.CONFIRM}[state]


def longest(terms: Terms) -> timedelta:
    """How long a case can keep an order from being received by itself."""
    days = terms.ship_back_days + terms.inspect_days + terms.confirm_days
    return timedelta(hours=terms.answer_hours, days=days)


# --- what an order allows ---------------------------------------------------------------------


def is_in_time(ground: Ground, is_free_choice: bool) -> bool:
    """Whether a reason can still be given.

    The days count from the one after receipt, in the shop's time zone, to the end of the last
    (网络购买商品七日无理由退货暂行办法). Before receipt there is no limit.
    """
    if ground.received_on is None:
        return True
    days = ground.terms.no_reason_days if is_free_choice else ground.terms.quality_days
    return ground.today <= ground.received_on + timedelta(days=days)


def kinds_for(ground: Ground, reason: Reason) -> frozenset[Kind]:
    """Kinds of case for which a reason can be given now; the shop's own is never too late."""
    rule = REASONS[reason]
    if ground.is_unshipped:
        return rule.unshipped
    if ground.status not in (OrderStatus.SHIPPED, OrderStatus.COMPLETED):
        return _NONE
    if reason is Reason.BY_SHOP or is_in_time(ground, rule.is_free_choice):
        return rule.shipped
    return _NONE


def offer(ground: Ground) -> Offer:
    """What the customer can ask for now."""
    left = [piece for piece in ground.pieces if piece.quantity]
    has_goods = any(piece.kind is ProductKind.PHYSICAL for piece in left)
    possible = {reason: kinds_for(ground, reason) for reason in CUSTOMER_REASONS}
    kinds = [
        kind
        for kind in Kind
        if left and (kind in _MONEY or has_goods) and any(kind in of for of in possible.values())
    ]
    free = _is_free_to_return(ground)
    return Offer(
        kinds=kinds,
        reasons=[reason for reason, of in possible.items() if of & set(kinds)],
        lines=[
            LineOffer(piece.line_no, piece.quantity, piece.amount_fen, free and _is_sent(piece))
            for piece in ground.pieces
        ],
        shipping_fen=ground.shipping_fen,
    )


def _is_free_to_return(ground: Ground) -> bool:
    return not ground.is_unshipped and is_in_time(ground, True)


def _is_sent(piece: Piece) -> bool:
    return piece.kind is ProductKind.PHYSICAL and not piece.is_excluded


def check_asked(ground: Ground, asked: CaseAsked) -> None:
    """Raise NotEligible, AlreadySent, AlreadyClaimed, PicturesNeeded when an order does not allow
    a request.

    Whether pictures are there is judged, not whose they are.
    """
    rule = REASONS[asked.reason]
    if asked.kind not in kinds_for(ground, asked.reason):
        raise NotEligible(why=_why_not(ground, asked))
    pieces = pick(ground.pieces, asked)
    if asked.kind in _GOODS:
        if any(piece.kind is not ProductKind.PHYSICAL for piece in pieces):
            raise NotEligible(why="nothing_to_return")
        if rule.is_free_choice and any(piece.is_excluded for piece in pieces):
            raise NotEligible(why="not_returnable")
    if rule.needs_pictures and not asked.picture_ids:
        raise PicturesNeeded


def _why_not(ground: Ground, asked: CaseAsked) -> str:
    unshipped = ground.is_unshipped
    ever = {r: rule.unshipped if unshipped else rule.shipped for r, rule in REASONS.items()}
    if ground.status not in (OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED):
        return "order_state"
    if asked.kind in ever[asked.reason]:
        return "time_over"
    return "reason" if any(asked.kind in kinds for kinds in ever.values()) else "kind"


def pick(pieces: Iterable[Piece], asked: CaseAsked) -> list[Piece]:
    """What is left of the lines asked for, in their order.

    Raises NotEligible for a line there is not, or one named twice; AlreadySent, AlreadyClaimed.
    """
    by_no = {piece.line_no: piece for piece in pieces}
    numbers = [line.line_no for line in asked.lines]
    if len(set(numbers)) < len(numbers) or not set(numbers) <= by_no.keys():
        raise NotEligible(why="nothing_to_return")
    for line in asked.lines:
        piece = by_no[line.line_no]
        if line.quantity > piece.quantity:
            refusal = AlreadySent if piece.sent else AlreadyClaimed
            raise refusal(line_no=line.line_no, left=piece.quantity)
    return [by_no[number] for number in numbers]


def check_replacement(bought: SkuForSale | None, wanted: SkuForSale | None) -> None:
    """Raise ExchangeRefused unless one SKU can replace another without money changing hands."""
    if bought is None or wanted is None or not wanted.on_shelf:
        raise ExchangeRefused
    if (wanted.product_id, wanted.price_fen) != (bought.product_id, bought.price_fen):
        raise ExchangeRefused


def check_terms(terms: Terms) -> Terms:
    """Terms that can be kept, each product excluded once. Raises BadInput: a fault of the goods
    must be claimable at least as long as a change of mind.
    """
    if terms.quality_days < terms.no_reason_days:
        raise BadInput(field="quality_days", why="shorter than no_reason_days")
    return msgspec.structs.replace(terms, not_returnable=sorted(set(terms.not_returnable)))


# --- money ------------------------------------------------------------------------------------


def cap_fen(piece: Piece, quantity: int) -> int:
    """The most that some of the pieces left can give back: their share, and the last of them
    exactly the rest, so that all together give back the line to the fen.
    """
    assert 0 < quantity <= piece.quantity
    return piece.amount_fen * quantity // piece.quantity


def shipping_cap_fen(ground: Ground, asked: CaseAsked) -> int:
    """Shipping goes back with the last of an order, when nothing was sent or the shop is at fault.

    Who returns by free choice has had the delivery.
    """
    wanted = {line.line_no: line.quantity for line in asked.lines}
    takes_all = all(wanted.get(piece.line_no, 0) == piece.quantity for piece in ground.pieces)
    at_fault = REASONS[asked.reason].freight_by is Payer.SHOP
    return ground.shipping_fen if takes_all and (ground.is_unshipped or at_fault) else 0


def choose_amount(cap_fen: int, asked_fen: int | None) -> int:
    """The amount of a request: all of it unless less is asked for. Raises AmountOutOfRange."""
    if asked_fen is None:
        return cap_fen
    if not min(1, cap_fen) <= asked_fen <= cap_fen:
        raise AmountOutOfRange(most_fen=cap_fen)
    return asked_fen


def settle_amount(kind: Kind, cap_fen: int, asked_fen: int, given_fen: int | None, why: str) -> int:
    """What the shop gives back: what was asked for, or another amount within the cap.

    An exchange asked for no money and gives back all. Raises AmountOutOfRange; ReasonNeeded for
    less than was asked for without a word.
    """
    due_fen = cap_fen if kind is Kind.EXCHANGE else asked_fen
    if given_fen is None:
        return due_fen
    chosen_fen = choose_amount(cap_fen, given_fen)
    if chosen_fen < due_fen and not why.strip():
        raise ReasonNeeded
    return chosen_fen


def share_amount(
    amount_fen: int, line_caps_fen: Sequence[int], shipping_cap_fen: int
) -> tuple[list[int], int]:
    """An amount over the lines and the shipping, by what each can give back at most."""
    caps = [*line_caps_fen, shipping_cap_fen]
    parts = split_fen(amount_fen, caps) if any(caps) else caps
    assert all(part <= cap for part, cap in zip(parts, caps, strict=True))
    return parts[:-1], parts[-1]
