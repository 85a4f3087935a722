"""Who takes part and who gets which arm: a keyed hash of salt and person, and nothing else.

Three hashes of one person have nothing to do with each other, for each has its own purpose in the
key: the hold-out, the place in a layer, the arm. So a growing share takes more people in without
moving anybody, and the people of one experiment are spread evenly over the arms of another.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from siyu.people.experiments.contracts import (
    WHOLE_BPS,
    Arm,
    BadDraft,
    Experiment,
    ExperimentAudience,
    ExperimentDraft,
    LayerFull,
    Method,
    Metric,
    Surface,
)
from siyu.people.members.contracts import Identity

TEXT_MOST = {"title": 60, "subtitle": 60, "text": 120, "image_url": 500}
FREE_MOST = 40
SECTIONS = ("hot", "bundles", "activities")
PER_PERSON = frozenset({Metric.ORDERS, Metric.REVENUE})
"""Metrics of any size; all others a person has or has not, which is what a bandit needs."""
GUARDS = frozenset({Metric.REFUND, Metric.UNSUBSCRIBE, Metric.COMPLAINT})


def bucket(salt: str, purpose: str, person_no: int) -> int:
    """A number in 0…9999, the same for ever, even over persons (BLAKE2b keyed with the salt)."""
    digest = hashlib.blake2b(
        f"{purpose}:{person_no}".encode(), key=salt.encode(), digest_size=8
    ).digest()
    return int.from_bytes(digest) * WHOLE_BPS >> 64


def first_of(identities: Sequence[Identity]) -> Identity:
    """Whom the hash is taken of: the first identity under which the shop met the person.

    A visitor who becomes a member keeps their arm by this alone. When a second device joins whose
    visitor is older, this one counts from then on; who was shown something before keeps that, for
    assignments are kept.
    """
    return min(identities, key=lambda one: one.person_no)


def is_held_out(salt: str, holdout_bps: int, identities: Sequence[Identity]) -> bool:
    """Whether the person belongs to the permanent hold-out."""
    return bucket(salt, "holdout", first_of(identities).person_no) < holdout_bps


def takes_part(salt: str, experiment: Experiment, identities: Sequence[Identity]) -> bool:
    """Whether a person outside the hold-out may be taken into a running experiment."""
    first = first_of(identities)
    assert experiment.slot_from is not None and experiment.started_at is not None
    if experiment.audience is ExperimentAudience.NEW and first.created_at < experiment.started_at:
        return False
    place = bucket(salt, f"layer:{experiment.layer}", first.person_no) - experiment.slot_from
    return 0 <= place < experiment.share_bps


def weights_of(experiment: Experiment) -> list[int]:
    """The probabilities of the arms just now, in basis points; they add up to 10,000."""
    return experiment.weights_bps or [arm.weight_bps for arm in experiment.arms]


def arm_for(salt: str, experiment: Experiment, identities: Sequence[Identity]) -> tuple[Arm, int]:
    """The arm of a person who was shown nothing yet, and its probability in basis points."""
    purpose = f"arm:{experiment.experiment_no}:{experiment.round}"
    place = bucket(salt, purpose, first_of(identities).person_no)
    for arm, weight in zip(experiment.arms, weights_of(experiment), strict=True):
        if place < weight:
            return arm, weight
        place -= weight
    raise AssertionError("the weights add up to 10,000")


def free_slot(taken: Sequence[tuple[int, int]], share_bps: int) -> int:
    """Where a share of a layer finds room: the first gap of that size. Raises LayerFull.

    taken: (from, share) of the experiments that run in the layer.
    """
    gaps, at = [], 0
    for start, share in [*sorted(taken), (WHOLE_BPS, 0)]:
        gaps.append((start - at, at))
        at = start + share
    for size, start in gaps:
        if size >= share_bps:
            return start
    raise LayerFull(free_bps=max(gaps)[0])


def check_room(others: Sequence[tuple[int, int]], slot_from: int, share_bps: int) -> None:
    """Whether a share can grow where it is. Raises LayerFull with what it can have at most."""
    ends = [start for start, _ in others if start >= slot_from]
    free = min([WHOLE_BPS, *ends]) - slot_from
    if share_bps > free:
        raise LayerFull(free_bps=free)


# --- what a merchant writes -------------------------------------------------------------------


def _demand(condition: bool, reason: str) -> None:
    if not condition:
        raise BadDraft(reason=reason)


def check_draft(draft: ExperimentDraft) -> None:
    """Whether the parts fit together. Raises BadDraft."""
    check_arms(draft.surface, draft.arms)
    named = (draft.product_id is not None, draft.product_no is not None)
    _demand(named == (draft.surface is Surface.PRODUCT,) * 2, "product_id")
    _demand((draft.event is not None) == (draft.metric is Metric.EVENT), "event")
    _demand(draft.method is Method.SPLIT or draft.metric not in PER_PERSON, "metric")
    _demand({guard.metric for guard in draft.guards} <= GUARDS, "guards")
    _demand(len({guard.metric for guard in draft.guards}) == len(draft.guards), "guards")


def check_arms(surface: Surface, arms: Sequence[Arm]) -> None:
    """Arms a, b, c …, weights that add up, payloads that the surface understands.

    Raises BadDraft.
    """
    keys = [arm.key for arm in arms]
    _demand(keys == list("abcdef"[: len(arms)]), "arms")
    _demand(sum(arm.weight_bps for arm in arms) == WHOLE_BPS, "weights")
    _demand(all(arm.weight_bps > 0 for arm in arms), "weights")
    _demand(surface is Surface.FREE or not arms[0].payload, "control")
    for arm in arms:
        check_payload(surface, arm.payload)


def check_payload(surface: Surface, payload: dict[str, Any]) -> None:
    """Whether the shop can show a payload; an empty one is what is there anyway.

    Raises BadDraft.
    """
    if surface is Surface.FREE:
        _demand(len(payload) <= FREE_MOST and len(str(payload)) <= 4_000, "payload")
        return
    if surface is Surface.HOME_ORDER:
        order = payload.get("order", [])
        _demand(set(payload) <= {"order"} and isinstance(order, list), "payload")
        _demand(not payload or sorted(map(str, order)) == sorted(SECTIONS), "payload")
        return
    allowed = {
        Surface.PRODUCT: {"title", "image_url"},
        Surface.BANNER: {"title", "subtitle"},
        Surface.STRIP: {"text"},
    }[surface]
    _demand(set(payload) <= allowed, "payload")
    for field, text in payload.items():
        _demand(isinstance(text, str) and 0 < len(text) <= TEXT_MOST[field], field)
        _demand(isinstance(text, str) and text.isprintable(), field)
    image = payload.get("image_url")
    # Only pictures of this shop: what the console uploaded has a path of our own (F082).
    _demand(image is None or (image.startswith("/") and not image.startswith("//")), "image_url")
