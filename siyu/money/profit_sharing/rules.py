"""Pure decisions of profit sharing: who earns how much, when, and what WeChat's answers mean.

Every amount is whole fen. The share of a base is rounded down once, for all its parts together,
so that it never exceeds the contract's ratio; inside, the parts are cut by largest remainder and
add up to it exactly. What is left of the base stays with the merchant: nothing is lost (F038).
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from siyu.kernel.money import split_fen
from siyu.money.profit_sharing.contracts import (
    BadReceiver,
    BadRule,
    PartRow,
    PartState,
    ReceiverKind,
    Relation,
    Rule,
    RuleDraft,
    Scope,
    Settings,
    SoldLine,
    Tie,
    Trigger,
    Way,
)
from siyu.wechat.pay.contracts import Share, ShareResult

MOVES: Final[dict[PartState, frozenset[PartState]]] = {
    PartState.PLANNED: frozenset(
        {
            PartState.SENT,
            PartState.CREDITED,
            PartState.REFUSED,
            PartState.HELD,
            PartState.DROPPED,
        }
    ),
    PartState.HELD: frozenset({PartState.PLANNED, PartState.DENIED, PartState.DROPPED}),
    PartState.DENIED: frozenset(),
    PartState.REFUSED: frozenset({PartState.PLANNED, PartState.CREDITED, PartState.DROPPED}),
    PartState.SENT: frozenset(
        {PartState.PAID, PartState.PLANNED, PartState.REFUSED, PartState.CREDITED}
    ),
    PartState.PAID: frozenset(),
    PartState.CREDITED: frozenset(),
    PartState.DROPPED: frozenset({PartState.PLANNED, PartState.HELD}),  # the refund was given up
}
PENDING: Final = frozenset({PartState.PLANNED, PartState.HELD, PartState.REFUSED, PartState.SENT})

SPLIT_AFTER: Final = timedelta(minutes=1)
"""WeChat splits a payment a minute after it at the earliest (F034). Source: pay-v3 §8."""
RECEIVERS_MAX: Final = 50
"""Receivers of one split. Source: pay-v3 §8."""
_WHOLE: Final = 10_000
_RETRY_AFTER: Final = (timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))
# Not the receiver's fault, or mended by adding them again; everything else stays with them.
_PASSING: Final = frozenset({"PAYER_ACCOUNT_ABNORMAL", "NO_RELATION"})
NO_RELATION: Final = "NO_RELATION"
DEVICE_MEMBERS_MAX: Final = 4
"""A device of more members is nobody's own: the tablet of a counter ties nobody to anybody."""


P = TypeVar("P", bound=PartRow)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A part before it is stored: by which rule, of which pool and base, to whom."""

    rule: Rule
    pool: str
    base_fen: int
    amount_fen: int
    owner_id: UUID
    receiver_id: UUID | None


class Slice(msgspec.Struct, frozen=True):
    """A part as its pool cuts it."""

    pool: str
    base_fen: int
    share_bps: int


# --- amounts --------------------------------------------------------------------------------------


def share_fen(base_fen: int, shares_bps: Sequence[int]) -> list[int]:
    """The parts of a base: together `base * sum(shares) // 10000`, largest remainder inside."""
    if not base_fen or not shares_bps:
        return [0] * len(shares_bps)
    return split_fen(base_fen * sum(shares_bps) // _WHOLE, list(shares_bps))


def targets(parts: Sequence[Slice], refunded_fen: int, total_fen: int) -> list[int]:
    """What each part comes to when `refunded_fen` of an order of `total_fen` went back: every base
    shrinks by the same share, and each pool is cut anew (F031)."""
    left_fen = total_fen - refunded_fen
    found = [0] * len(parts)
    for pool in dict.fromkeys(part.pool for part in parts):
        places = [place for place, part in enumerate(parts) if part.pool == pool]
        base_fen = parts[places[0]].base_fen * left_fen // total_fen
        amounts = share_fen(base_fen, [parts[place].share_bps for place in places])
        for place, amount in zip(places, amounts, strict=True):
            found[place] = amount
    return found


def fee_fen(amount_fen: int, fee_bps: int) -> int:
    """WeChat's fee of a payment, rounded half up to whole fen."""
    return (amount_fen * fee_bps * 2 + _WHOLE) // (2 * _WHOLE)


def may_be_split(
    wanted_fen: int,
    sent_fen: int,
    returned_fen: int,
    paid_fen: int,
    refunded_fen: int,
    settings: Settings,
) -> bool:
    """Whether `wanted_fen` more of a payment may be split (F035).

    All splits of an order together keep to the contract's ratio, given back or not; and what the
    receivers keep leaves enough for refunds and WeChat's fee.
    """
    left_fen = paid_fen - refunded_fen
    kept_fen = sent_fen - returned_fen + wanted_fen
    return (
        sent_fen + wanted_fen <= paid_fen * settings.max_ratio_bps // _WHOLE
        and kept_fen <= left_fen - fee_fen(left_fen, settings.fee_bps)
    )


def fits_frozen(refund_fen: int, left_fen: int, frozen_fen: int, settings: Settings) -> bool:
    """Whether a refund can go out of the frozen money as it is; else it is unfrozen first. WeChat
    has taken its fee for the `left_fen` that stay paid (a fen more or less, by its rounding)."""
    needed_fen = fee_fen(left_fen, settings.fee_bps) + 1 if left_fen else 0
    return refund_fen + needed_fen <= frozen_fen


def has_left_the_freeze(failed_fen: int, frozen_fen: int, reported_fen: int, fee: int) -> bool:
    """Whether the money of failed parts went back to our balance, by what WeChat still keeps:
    nearer to that than to its staying there."""
    return 2 * (frozen_fen - fee - reported_fen) >= failed_fen


def highest_bps(rules: Iterable[Rule | RuleDraft], way: Way | None) -> int:
    """The largest share of an order that these rules together could take by a way (None: by any):
    an order of one product that a promoter brought."""
    fixed = 0
    of_product: dict[UUID | None, int] = {}
    for rule in rules:
        if way is not None and rule.way is not way:
            continue
        if rule.scope is Scope.PRODUCT:
            of_product[rule.product_id] = of_product.get(rule.product_id, 0) + rule.share_bps
        else:
            fixed += rule.share_bps
    return fixed + max(of_product.values(), default=0)


# --- whose ----------------------------------------------------------------------------------------


def claims(
    rules: Sequence[Rule],
    lines: Sequence[SoldLine],
    total_fen: int,
    paid_fen: int,
    chain: Mapping[int, UUID],
    receivers: Mapping[UUID, UUID],
    persons: Mapping[UUID, UUID],
) -> list[Claim]:
    """The parts of an order.

    Money that WeChat did not collect cannot be split by it: the bases of split parts count
    `paid_fen` of `total_fen`; commission balances count all. chain: level -> promoter;
    receivers: receiver_id -> owner; persons: member -> receiver_id, for promoters paid by split
    (without one they are credited).
    """
    goods_fen = sum(line.total_fen for line in lines)
    of_product: dict[UUID | None, int] = {}
    for line in lines:
        of_product[line.product_id] = of_product.get(line.product_id, 0) + line.total_fen
    wanted: list[Claim] = []
    for rule in rules:
        way, receiver_id = rule.way, rule.receiver_id
        if receiver_id is None:
            owner_id = chain.get(rule.level or 0)
            if owner_id is None:
                continue
            receiver_id = persons.get(owner_id) if way is Way.SPLIT else None
            way = way if receiver_id else Way.BALANCE
            base_fen, pool = goods_fen, f"promoter:{way}"
        else:
            owner_id = receivers[receiver_id]
            if rule.scope is Scope.PRODUCT:
                base_fen, pool = of_product.get(rule.product_id, 0), f"{rule.product_id}:{way}"
            else:
                base_fen, pool = total_fen, f"leader:{way}"
        if way is Way.SPLIT:
            base_fen = base_fen * paid_fen // total_fen if total_fen else 0
        wanted.append(
            Claim(
                rule=msgspec.structs.replace(rule, way=way),
                pool=pool,
                base_fen=base_fen,
                amount_fen=0,
                owner_id=owner_id,
                receiver_id=receiver_id,
            )
        )
    shares = [Slice(one.pool, one.base_fen, one.rule.share_bps) for one in wanted]
    amounts = targets(shares, 0, max(total_fen, 1))
    return [
        msgspec.structs.replace(one, amount_fen=amount)
        for one, amount in zip(wanted, amounts, strict=True)
        if amount
    ]


def may_split(rules: Iterable[Rule], product_ids: Iterable[UUID], has_promoter: bool) -> bool:
    """Whether an order of these products must be paid frozen."""
    bought = set(product_ids)
    return any(
        rule.way is Way.SPLIT
        and (
            rule.scope is Scope.LEADER
            or (rule.scope is Scope.PROMOTER and has_promoter)
            or rule.product_id in bought
        )
        for rule in rules
    )


def chain_of(promoter: UUID, parent: UUID | None, buyer: UUID | None) -> dict[int, UUID]:
    """Who earns on which level: the promoter on the first, whoever brought them on the second, and
    nobody on an order of their own (F040)."""
    chain = {1: promoter} if parent is None else {1: promoter, 2: parent}
    return {level: member for level, member in chain.items() if member != buyer}


def is_judged(part: PartRow) -> bool:
    """Whether a due part flows only if nothing ties its receiver to the buyer (F096): a promoter's,
    about which nobody has decided."""
    return part.scope is Scope.PROMOTER and part.reviewed_at is None


def ties(
    buyer_no: int,
    receiver_no: int,
    *,
    payer_no: int | None,
    phones: tuple[Set[bytes | None], Set[bytes]],
    sent_to: bytes | None,
    places: Set[bytes],
    shares_device: bool,
) -> list[Tie]:
    """What ties a receiver to the buyer (F096); keyed hashes throughout.

    payer_no: whose WeChat account paid; phones: of the buyer's accounts and the parcel, and of the
    receiver's accounts; sent_to: where the parcel goes; places: the receiver's addresses. One
    person's things are not told one by one.
    """
    if buyer_no == receiver_no:
        return [Tie.SAME_PERSON]
    found = {
        Tie.SAME_PAYER: payer_no == receiver_no,
        Tie.SAME_PHONE: bool(phones[0] & phones[1]),
        Tie.SAME_DEVICE: shares_device,
        Tie.SAME_ADDRESS: sent_to in places,
    }
    return [tie for tie, is_there in found.items() if is_there]


def keeps_frozen(part: PartRow) -> bool:
    """Whether a part needs the freeze to last: not while it is only held for a balance."""
    return part.state in PENDING and not (part.state is PartState.HELD and part.way is Way.BALANCE)


# --- when -----------------------------------------------------------------------------------------


def due_at(
    trigger: Trigger, after_days: int | None, paid_at: datetime, completed_at: datetime | None
) -> datetime | None:
    """When a part falls due; None: only when the receipt is confirmed."""
    earliest = paid_at + SPLIT_AFTER
    if trigger is Trigger.DAYS:
        return max(earliest, paid_at + timedelta(days=after_days or 0))
    return None if completed_at is None else max(earliest, completed_at)


def retry_at(reason: str, tries: int, now: datetime) -> datetime | None:
    """When to try a part again that WeChat did not give; None: never, it stays with us as owed."""
    if reason not in _PASSING or tries > len(_RETRY_AFTER):
        return None
    return now + _RETRY_AFTER[tries - 1]


def ask_again_at(tries: int, now: datetime) -> datetime:
    """When to speak with WeChat again about a request: after 5 s, then twice as long, up to 1 h."""
    return now + timedelta(seconds=min(5 << min(tries, 12), 3600))


def moved(part: P, state: PartState, **change: Any) -> P:
    """A part in its next state."""
    assert state in MOVES[part.state], f"{part.state} does not become {state}"
    return msgspec.structs.replace(part, state=state, **change)


# --- what WeChat says -----------------------------------------------------------------------------


def results(shares: Sequence[Share], wanted: Mapping[str, int]) -> dict[str, Share] | None:
    """Each receiver's own result by account; None when the answer is not about what was asked.

    wanted: account -> fen. The row of what was unfrozen is left out (F033).
    """
    found = {share.account: share for share in shares if share.account in wanted}
    same = {account: share.amount for account, share in found.items()} == dict(wanted)
    ended = all(share.result is not ShareResult.PENDING for share in found.values())
    return found if same and ended else None


# --- what may be written --------------------------------------------------------------------------


def check_rule(draft: RuleDraft, settings: Settings) -> None:
    """Raise BadRule when the fields of a rule contradict each other."""
    if not 1 <= len(draft.title.strip()) <= 60:
        raise BadRule(reason="title")
    if not 1 <= draft.share_bps <= _WHOLE:
        raise BadRule(reason="share_bps")
    if (draft.scope is Scope.PROMOTER) != (draft.level in (1, 2)) or (
        draft.level is not None and draft.scope is not Scope.PROMOTER
    ):
        raise BadRule(reason="level")
    if (draft.scope is Scope.PRODUCT) != (draft.product_id is not None):
        raise BadRule(reason="product_id")
    if (draft.scope is Scope.PROMOTER) != (draft.receiver_id is None):
        raise BadRule(reason="receiver_id")
    if (draft.trigger is Trigger.DAYS) != (draft.after_days is not None):
        raise BadRule(reason="after_days")
    if not 0 <= (draft.after_days or 0) <= 180:
        raise BadRule(reason="after_days")
    if draft.way is Way.SPLIT and (draft.after_days or 0) >= settings.freeze_days:
        raise BadRule(reason="after_days")


def check_receiver(
    kind: ReceiverKind, account: str, name: str | None, relation: Relation, custom: str | None
) -> None:
    """Raise BadReceiver for what WeChat would refuse. Source: pay-v3 §8, 添加分账接收方."""
    if kind is ReceiverKind.MERCHANT and not (account.isascii() and account.isdigit()):
        raise BadReceiver(reason="account")
    if not 1 <= len(account) <= 64 or not account.isascii() or not account.isprintable():
        raise BadReceiver(reason="account")
    if kind is ReceiverKind.MERCHANT and not name:
        raise BadReceiver(reason="name")
    if name is not None and not 1 <= len(name.strip()) <= 64:
        raise BadReceiver(reason="name")
    if (relation is Relation.CUSTOM) != bool(custom) or len(custom or "") > 10:
        raise BadReceiver(reason="custom_relation")
