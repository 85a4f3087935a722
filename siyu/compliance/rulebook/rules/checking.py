"""A draft against a pack: which rules it breaks, and where. Pure."""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterator

import msgspec

from siyu.compliance.rulebook.contracts import (
    Check,
    Draft,
    Finding,
    Label,
    Length,
    Limit,
    Needs,
    Pack,
    Phrases,
    Policy,
    Rule,
    Verdict,
)

_SEVERITY = {Verdict.BLOCK: 0, Verdict.LEGAL: 1, Verdict.WARN: 2}
_CONTEXT = 12
Place = tuple[str | None, int, int]


def check(draft: Draft, pack: Pack) -> list[Finding]:
    """Every rule of the pack that the draft breaks, the gravest first; each place once a rule."""
    found = [
        Finding(
            rule.rule_id, pack.version, rule.verdict, field, start, end,
            _excerpt(draft, field, start, end), rule.source, rule.message, rule.fix,
        )
        for rule in pack.rules
        if not rule.scenes or draft.scene in rule.scenes
        for field, start, end in _places(rule, draft)
    ]  # fmt: skip
    return sorted(found, key=lambda one: (_SEVERITY[one.verdict], one.field or "", one.start))


def content_hash(draft: Draft) -> str:
    """SHA-256 (hex) of everything in a draft: an override holds for this and nothing else."""
    return hashlib.sha256(msgspec.json.encode(draft, order="sorted")).hexdigest()


def level_of(points: int, policy: Policy) -> str:
    """calm, alert or paused."""
    if points >= policy.pause_points:
        return "paused"
    return "alert" if points >= policy.alert_points else "calm"


def _places(rule: Rule, draft: Draft) -> Iterator[Place]:
    what: Check = rule.check
    match what:
        case Phrases():
            for field, text in draft.texts.items():
                yield from ((field, start, end) for start, end in _spans(what.patterns, text))
        case Label():
            text = draft.texts.get(what.field, "")
            due = what.when is None or bool(draft.facts.get(what.when))
            if due and not _compiled(what.pattern).search(_folded(text)[0]):
                yield what.field, 0, 0
        case Length():
            text = draft.texts.get(what.field, "")
            if len(text) > what.most:
                yield what.field, what.most, len(text)
        case Limit():
            value = draft.facts.get(what.fact, 0)
            if isinstance(value, int) and value > what.most:
                yield None, 0, 0
        case Needs():
            due = what.when is None or bool(draft.facts.get(what.when))
            if due and not draft.facts.get(what.fact):
                yield None, 0, 0


def _spans(patterns: tuple[str, ...], text: str) -> list[tuple[int, int]]:
    folded, places = _folded(text)
    spans = {
        (places[match.start()], places[match.end() - 1] + 1)
        for pattern in patterns
        for match in _compiled(pattern).finditer(folded)
        if match.end() > match.start()
    }
    return sorted(spans)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@functools.lru_cache(maxsize=256)
def _folded(text: str) -> tuple[str, list[int]]:
    """The text as rules read it, and where each of its characters stood.

    Full width becomes half width, upper case lower; spaces and invisible marks between characters,
    by which words are hidden from filters, are left out.
    """
    folded, places = [], []
    for place, character in enumerate(text):
        for plain in unicodedata.normalize("NFKC", character).casefold():
            if plain.isspace() or unicodedata.category(plain) in ("Cf", "Mn"):
                continue
            folded.append(plain)
            places.append(place)
    return "".join(folded), places


def _excerpt(draft: Draft, field: str | None, start: int, end: int) -> str:
    if field is None or end == start:
        return ""
    return draft.texts[field][max(start - _CONTEXT, 0) : end + _CONTEXT]
