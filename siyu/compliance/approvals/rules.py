"""Who signs next, and who may. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from siyu.compliance.approvals.contracts import Path, Signoff, Step

STRICT_RULES = ("204.medical", "207.finance", "208.bans")
"""Overrides of these take the strict path."""


STEPS: dict[Path, tuple[Step, ...]] = {
    Path.NORMAL: (Step.AUTHOR, Step.EDITOR, Step.LEGAL),
    Path.STRICT: (Step.AUTHOR, Step.EDITOR, Step.LEGAL),
    Path.SECOND: (Step.AUTHOR, Step.SECOND),
}
"""Who signs, in this order."""

EXPORT_ALONE_MAX = 1_000
"""Rows about people that one person may export unless the shop says otherwise (F084, V2.3.5)."""

EXPORT_SIGNED_FOR = timedelta(hours=24)
"""How long after the second signature the export may be made, once."""


def hash_of(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a content, the same for the same values in any order."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def next_step(path: Path, signoffs: Sequence[Signoff]) -> Step | None:
    """The step that waits; None after the last one or a refusal."""
    steps = STEPS[path]
    if any(not one.approved for one in signoffs) or len(signoffs) >= len(steps):
        return None
    return steps[len(signoffs)]


def may_sign(path: Path, signoffs: Sequence[Signoff], actor: str) -> bool:
    """Whether somebody may sign the next step: not after themselves; strict: not twice at all.

    The author never signs as legal.
    """
    before = signoffs if path is Path.STRICT else (*signoffs[:1], *signoffs[-1:])
    return all(one.signed_by != actor for one in before)
