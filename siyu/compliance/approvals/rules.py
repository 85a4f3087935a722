"""Who signs next, and who may. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from siyu.compliance.approvals.contracts import Path, Signoff, Step

STRICT_RULES = ("204.medical", "207.finance", "208.bans")
"""Overrides of these take the strict path."""


def hash_of(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a content, the same for the same values in any order."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def next_step(signoffs: Sequence[Signoff]) -> Step | None:
    """The step that waits; None after the last one or a refusal."""
    if any(not one.approved for one in signoffs) or len(signoffs) >= len(Step):
        return None
    return tuple(Step)[len(signoffs)]


def may_sign(path: Path, signoffs: Sequence[Signoff], actor: str) -> bool:
    """Whether somebody may sign the next step: not after themselves; strict: not twice at all.

    The author never signs as legal.
    """
    before = signoffs if path is Path.STRICT else (*signoffs[:1], *signoffs[-1:])
    return all(one.signed_by != actor for one in before)
