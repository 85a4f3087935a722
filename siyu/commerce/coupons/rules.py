"""Decisions about coupons without database, clock or network."""

import calendar
import ipaddress
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from siyu.commerce.coupons.contracts import (
    BadTerms,
    Batch,
    BatchMoveRefused,
    BatchState,
    Birthday,
    ClaimState,
    Coupon,
    Draft,
    Issue,
    Offer,
    Terms,
    TermsFixed,
    Unusable,
)
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    MAX_COUPONS,
    CouponOff,
    Exchange,
    FixedOff,
    PercentOff,
    PriceLine,
    Quote,
)

Pricer = Callable[[Sequence[CouponOff]], Quote]
"""Prices the basket at hand with these coupons, and with all rules that hold anyway."""

MOVES: Final[dict[BatchState, frozenset[BatchState]]] = {
    BatchState.DRAFT: frozenset({BatchState.RUNNING, BatchState.ENDED}),
    BatchState.RUNNING: frozenset({BatchState.PAUSED, BatchState.ENDED}),
    BatchState.PAUSED: frozenset({BatchState.RUNNING, BatchState.ENDED}),
    BatchState.ENDED: frozenset(),
}

CODE_WINDOW = timedelta(minutes=15)
CODES_PER_MEMBER = 10
CODES_PER_NETWORK = 60
"""Codes tried in a window; those that were right do not count."""
BIRTHDAY_CATCH_UP = 3
"""A birthday coupon may be so many days late when the program did not run."""
BIRTHDAY_KEPT = timedelta(days=365)
"""A birthday that was given stands so long before another may be given."""


# --- batches --------------------------------------------------------------------------------------


def normal_code(text: str) -> str:
    """The one form of a code; width, case of letters and space do not matter."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def check_draft(draft: Draft) -> None:
    """Raise BadTerms for the first contradiction. Ranges are the lanes' and the tables' affair."""
    terms, limits = draft.terms, draft.limits
    if not draft.name.strip():
        raise BadTerms(field="name")
    if limits.ends_at <= terms.starts_at:
        raise BadTerms(field="ends_at")
    if (terms.issue is Issue.CODE) != (terms.code is not None):
        raise BadTerms(field="code")
    if terms.code is not None and not 2 <= len(terms.code) <= 40:
        raise BadTerms(field="code")
    if isinstance(terms.gives, Exchange) and not (terms.scope.sku_ids or terms.scope.product_ids):
        raise BadTerms(field="scope")
    if terms.needs_phone and terms.issue not in _CAN_ASK_PHONE:
        raise BadTerms(field="needs_phone")
    if limits.per_device is not None and terms.issue not in _CAN_ASK_DEVICE:
        raise BadTerms(field="per_device")
    if limits.budget_fen is not None and limits.budget_fen < _least_off(terms):
        raise BadTerms(field="budget_fen")


_CAN_ASK_DEVICE = (Issue.CENTRE, Issue.CODE)
_CAN_ASK_PHONE = (*_CAN_ASK_DEVICE, Issue.NEWCOMER, Issue.FIRST_ORDER)


def _least_off(terms: Terms) -> int:
    return terms.gives.off_fen if isinstance(terms.gives, FixedOff) else 1


def check_edit(batch: Batch, draft: Draft) -> None:
    """Raise TermsFixed for what a batch that has run may no longer change."""
    if batch.state is BatchState.DRAFT:
        return
    if batch.state is BatchState.ENDED:
        raise BatchMoveRefused(state=batch.state)
    for field in Terms.__struct_fields__:
        if getattr(draft.terms, field) != getattr(batch, field):
            raise TermsFixed(field=field)
    limits = draft.limits
    if limits.total_count is not None and limits.total_count < batch.claimed_count:
        raise TermsFixed(field="total_count")
    if (limits.budget_fen is None) != (batch.budget_fen is None):
        raise TermsFixed(field="budget_fen")
    if limits.budget_fen is not None and limits.budget_fen < batch.committed_fen:
        raise TermsFixed(field="budget_fen")


def check_move(batch: Batch, to: BatchState) -> None:
    """Raise BatchMoveRefused unless the batch may go there."""
    if to not in MOVES[batch.state]:
        raise BatchMoveRefused(state=batch.state)


def is_open(batch: Batch, at: datetime) -> bool:
    """Whether the batch gives coupons, as far as its state and window go."""
    return batch.state is BatchState.RUNNING and batch.starts_at <= at < batch.ends_at


def is_gone(batch: Batch, wanted: int = 1) -> bool:
    """Whether the batch has not so many left to give."""
    no_count = batch.total_count is not None and batch.claimed_count + wanted > batch.total_count
    return no_count or (batch.budget_fen is not None and batch.committed_fen >= batch.budget_fen)


def most_off(batch: Batch) -> int:
    """What a coupon takes off at most; 0 where that is open."""
    match batch.gives:
        case FixedOff(off_fen=off_fen):
            return off_fen
        case PercentOff(cap_fen=cap_fen):
            return cap_fen or 0
    return 0


# --- coupons in a basket --------------------------------------------------------------------------


def as_rule(coupon: Coupon) -> CouponOff:
    """The coupon as prices know it."""
    return rule_of(coupon.batch, coupon.claim.claim_id)


def rule_of(batch: Batch, claim_id: UUID) -> CouponOff:
    """A coupon of a batch as prices know it."""
    return CouponOff(
        claim_id=claim_id,
        coupon_id=batch.batch_id,
        label=batch.name,
        gives=batch.gives,
        from_fen=batch.from_fen,
        scope=batch.scope,
        group=batch.group,
        full_price_only=batch.full_price_only,
    )


def trial_of(batch: Batch) -> promotions.CouponTrial:
    """The batch as if every member had its coupons from now on, whatever its state and window, and
    none was given yet. Phones and devices do not count: they are not known of past orders."""
    return promotions.CouponTrial(
        coupon=rule_of(batch, batch.batch_id),
        per_member=batch.per_member,
        total_count=batch.total_count,
        budget_fen=batch.budget_fen,
        first_order_only=batch.issue is Issue.FIRST_ORDER,
    )


def refusal(coupon: Coupon, at: datetime, *, is_first_order: bool) -> str | None:
    """Why a coupon cannot be used at all, whatever the basket: a state, expired, not_yet or
    not_first_order."""
    claim = coupon.claim
    if claim.state is not ClaimState.CLAIMED:
        return claim.state
    if at >= claim.valid_until:
        return ClaimState.EXPIRED
    if at < claim.valid_from:
        return Unusable.NOT_YET
    if coupon.batch.issue is Issue.FIRST_ORDER and not is_first_order:
        return Unusable.NOT_FIRST_ORDER
    return None


def judge(
    coupon: Coupon,
    lines: Sequence[PriceLine],
    bare: Quote,
    price: Pricer,
    at: datetime,
    *,
    is_first_order: bool,
) -> Offer:
    """What a coupon that is claimed or held does for a basket. bare: its price without coupons."""
    refused = refusal(coupon, at, is_first_order=is_first_order)
    if refused is not None:
        return Offer(coupon=coupon, saving_fen=0, reason=Unusable(refused))
    batch, claim_id = coupon.batch, coupon.claim.claim_id
    covered = {line.sku_id for line in lines if promotions.covers(batch.scope, line)}
    if not covered:
        return Offer(coupon=coupon, saving_fen=0, reason=Unusable.OUT_OF_SCOPE)
    quote = price([as_rule(coupon)])
    off_fen = quote.coupons.get(claim_id, 0)
    saving_fen = bare.total_fen - quote.total_fen
    if off_fen and saving_fen > 0:
        if batch.budget_fen is not None and batch.committed_fen + off_fen > batch.budget_fen:
            return Offer(coupon=coupon, saving_fen=0, reason=Unusable.BUDGET_SPENT)
        return Offer(coupon=coupon, saving_fen=saving_fen, reason=None)
    costs = sum(line.total_fen for line in bare.lines if line.sku_id in covered)
    if costs < batch.from_fen:
        return Offer(
            coupon=coupon,
            saving_fen=0,
            reason=Unusable.BELOW_FROM,
            short_fen=batch.from_fen - costs,
        )
    return Offer(coupon=coupon, saving_fen=0, reason=Unusable.NO_EFFECT)


def best_choice(offers: Iterable[Offer], price: Pricer) -> list[UUID]:
    """The coupons that make the basket cheapest: the best ones of each group, tried together.

    Of equal ones that which ends first; never one that adds nothing.
    """
    usable = sorted(
        (offer for offer in offers if offer.reason is None),
        key=lambda offer: (
            -offer.saving_fen, offer.coupon.claim.valid_until, offer.coupon.claim.claim_id,
        ),
    )  # fmt: skip
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int, Offer]] = []
    for offer in usable:
        group = offer.coupon.batch.group
        ranked.append((seen.get(group, 0), len(ranked), offer))
        seen[group] = seen.get(group, 0) + 1
    if len(seen) <= 1:
        return [offer.coupon.claim.claim_id for _, _, offer in ranked[:1]]
    # The best of each group before the second best of any: the price function tries them together.
    ranked.sort(key=lambda entry: entry[:2])
    tried = [as_rule(offer.coupon) for _, _, offer in ranked[:MAX_COUPONS]]
    return list(price(tried).coupons)


# --- birthdays and codes --------------------------------------------------------------------------


def check_birthday(birthday: Birthday) -> None:
    """Raise BadTerms for a day that no year has."""
    # Any leap year has them all.
    if not 1 <= birthday.month <= 12 or not (
        1 <= birthday.day <= calendar.monthrange(2000, birthday.month)[1]
    ):
        raise BadTerms(field="birthday")


def birthdays_on(on: date) -> list[Birthday]:
    """Whose day it is: in common years those of 29 February celebrate on the 28th."""
    found = [Birthday(on.month, on.day)]
    if (on.month, on.day) == (2, 28) and not calendar.isleap(on.year):
        found.append(Birthday(2, 29))
    return found


def birthday_text(birthday: Birthday) -> str:
    """MM-DD."""
    return f"{birthday.month:02}-{birthday.day:02}"


def network_of(ip: str) -> str:
    """What an address is counted under: itself for IPv4, its /64 for IPv6 (one household)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:64]
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
