"""Decisions of segments, pure: the tree, everybody at once, one person, words."""

from siyu.people.segments.rules.crowds import (
    asked_of,
    bar_of,
    bits_of,
    blocks_of,
    combine,
    joined,
    numbers_of,
    overlap,
)
from siyu.people.segments.rules.judging import Fact, Moment, Someone, fact_of, judge
from siyu.people.segments.rules.tree import (
    DAY_US,
    check_shape,
    is_of_deeds,
    key_of,
    leaves,
    moves_by_itself,
    query_of,
    read,
    segments_in,
    since_of,
    spec_of,
    steps_in,
)
from siyu.people.segments.rules.words import Names, explain, sentence

__all__ = [
    "DAY_US",
    "Fact",
    "Moment",
    "Names",
    "Someone",
    "asked_of",
    "bar_of",
    "bits_of",
    "blocks_of",
    "check_shape",
    "combine",
    "explain",
    "fact_of",
    "is_of_deeds",
    "joined",
    "judge",
    "key_of",
    "leaves",
    "moves_by_itself",
    "numbers_of",
    "overlap",
    "query_of",
    "read",
    "segments_in",
    "sentence",
    "since_of",
    "spec_of",
    "steps_in",
]
