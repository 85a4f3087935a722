"""Decisions of profiles, pure: which fields there are, how events add up, who belongs where."""

from siyu.people.profiles.rules.catalogue import (
    DOMAIN_EVENTS,
    FIELDS,
    MEASURES,
    VISITS,
    VISITS_FIELDS,
    field_of,
)
from siyu.people.profiles.rules.folding import (
    combine,
    day_of,
    figures,
    fold,
    number_of,
    persons_in,
    trim,
    wakes_on,
)
from siyu.people.profiles.rules.judging import (
    DEFAULT_TAGS,
    DEFAULT_TIERS,
    check_making,
    check_tiers,
    fits,
    next_turn,
    place,
    score,
    shown,
)
from siyu.people.profiles.rules.words import EVENTS, KINDS, describe, made_by_words, sentence, told

__all__ = [
    "DEFAULT_TAGS",
    "DEFAULT_TIERS",
    "DOMAIN_EVENTS",
    "EVENTS",
    "FIELDS",
    "KINDS",
    "MEASURES",
    "VISITS",
    "VISITS_FIELDS",
    "check_making",
    "check_tiers",
    "combine",
    "day_of",
    "describe",
    "field_of",
    "figures",
    "fits",
    "fold",
    "made_by_words",
    "next_turn",
    "number_of",
    "persons_in",
    "place",
    "score",
    "sentence",
    "shown",
    "told",
    "trim",
    "wakes_on",
]
