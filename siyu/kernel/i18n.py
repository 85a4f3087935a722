"""Two languages, Chinese first: which one a request wants."""

from typing import Literal

Language = Literal["zh-CN", "en"]


def language_of(accept_language: str | None) -> Language:
    """The language to answer in, from an `Accept-Language` header; Chinese when in doubt."""
    best: Language = "zh-CN"
    best_weight = 0.0
    for part in (accept_language or "")[:200].split(","):
        tag, _, parameter = part.strip().partition(";")
        name = tag.strip().lower()
        weight_text = parameter.strip().removeprefix("q=") or "1"
        try:
            weight = float(weight_text)
        except ValueError:
            continue
        known: Language | None = (
            "zh-CN" if name.startswith("zh") else "en" if name.startswith("en") else None
        )
        if known and weight > best_weight:
            best, best_weight = known, weight
    return best
