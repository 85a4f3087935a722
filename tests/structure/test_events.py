"""Every event is heard by somebody, or listed as one that only readers of the stream use."""

import importlib
import os
import re
from pathlib import Path

from siyu.app import schedule
from siyu.app.event_map import EVENT_MAP
from siyu.kernel import jobs
from siyu.kernel.events import Event
from siyu.kernel.jobs import lasting_name
from tests.structure.source import domains

# Heard by no reaction: the warehouse (and later webhooks) read them from the outbox.
UNHEARD = {
    "outreach.answered", "outreach.sent", "outreach.unsubscribed",
    "after_sale.case_approved", "after_sale.case_closed", "after_sale.case_opened",
    "after_sale.case_overdue", "approvals.case_opened",
    "consents.consent_decided", "consents.text_published",
    "privacy.erasure_asked", "privacy.erasure_ended", "rulebook.points_near_limit",
    "coupons.coupon_claimed",
    "coupons.coupon_returned", "coupons.coupon_used", "fulfilment.money_released",
    "fulfilment.parcel_sent", "fulfilment.pickup_due", "fulfilment.pickup_ready",
    "members.member_imported", "members.member_logged_in", "members.merge_proposed",
    "members.person_joined",
    "experiments.concluded", "experiments.exposed",
    "gifting.gift_accepted", "gifting.gift_expired", "gifting.gift_opened",
    "gifting.gift_received", "gifting.gift_refunded", "gifting.gift_returned",
    "gifting.gift_swapped", "ordering.order_imported",
    "ordering.order_placed",
    "payments.money_parked",
    "payouts.payout_ended", "points.points_earned",
    "points.points_expired", "points.points_revoked", "points.points_spent",
    "reviews.review_approved", "reviews.review_hidden", "reviews.review_reuse_changed",
    "reviews.review_submitted",
    "profiles.tier_changed",
    "reconciliation.day_closed", "reconciliation.difference_found", "segments.segment_entered",
    "segments.segment_left", "segments.segment_removed",
    "segments.segment_saved", "stored_value.bonus_expired",
    "stored_value.top_up_refunded", "stored_value.topped_up", "stored_value.value_spent",
}  # fmt: skip

RELEASED = Path(__file__).with_name("released_names.txt")


def all_events() -> list[type[Event]]:
    """All event classes of all domains."""
    for domain in domains():
        if (domain / "contracts.py").exists():
            importlib.import_module(f"siyu.{domain.parent.name}.{domain.name}.contracts")
    found: list[type[Event]] = []
    waiting = list(Event.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("siyu."):
            found.append(kind)
    return found


def test_every_event_is_mapped_or_known_as_unheard() -> None:
    mapped = {kind.name for kind in EVENT_MAP}
    assert {kind.name for kind in all_events()} - mapped == UNHEARD
    assert mapped & UNHEARD == set()


def test_event_names_are_unique_and_say_their_domain() -> None:
    names = [kind.name for kind in all_events()]
    assert len(names) == len(set(names))
    wrong = [
        kind.name
        for kind in all_events()
        if not re.fullmatch(rf"{kind.__module__.split('.')[-2]}\.[a-z_]+", kind.name)
    ]
    assert wrong == []


def test_reactions_are_named_by_what_they_hear() -> None:
    wrong = [
        lasting_name(reaction)
        for listed in EVENT_MAP.values()
        for reaction in listed
        if not reaction.__name__.startswith("on_") or ".background" not in reaction.__module__
    ]
    assert wrong == []


def test_released_names_are_never_taken_away() -> None:
    """F103: a job, reaction or event may still wait in a queue when its code is renamed."""
    assert schedule.MODULES
    present = {
        f"job {name}" for name in jobs.registered() if not name.startswith(("tests.", "faults."))
    }
    present |= {f"event {kind.name}" for kind in all_events()}
    present |= {
        f"reaction {lasting_name(reaction)}" for listed in EVENT_MAP.values() for reaction in listed
    }
    present -= {name for name in present if name.startswith("job every.tests") or "test_" in name}
    if "SIYU_RELEASE_NAMES" in os.environ:
        RELEASED.write_text("\n".join(sorted(present)) + "\n")
    released = set(RELEASED.read_text().split("\n")) - {""}
    assert released - present == set(), "renamed or removed; old rows would wait for ever"
    assert present - released == set(), "SIYU_RELEASE_NAMES=1 pytest … adds them"
