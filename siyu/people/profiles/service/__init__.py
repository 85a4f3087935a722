"""Verbs of profiles."""

from siyu.people.profiles.service.refreshing import refresh
from siyu.people.profiles.service.showing import (
    count_fields,
    count_tiers,
    get_profile,
    list_timeline,
    tiers_of,
)
from siyu.people.profiles.service.tagging import (
    give_tag,
    keep_tag,
    list_persons_with,
    list_tags,
    make_tag,
    merge_tag,
    rename_tag,
    retire_tag,
    review_tags,
    take_tag,
)
from siyu.people.profiles.service.taking import ask_rebuild, rebuild, take_events
from siyu.people.profiles.service.tiering import get_rules, list_rules, set_rules
from siyu.people.profiles.service.visiting import count_visits

__all__ = [
    "ask_rebuild",
    "count_fields",
    "count_tiers",
    "count_visits",
    "get_profile",
    "get_rules",
    "give_tag",
    "keep_tag",
    "list_persons_with",
    "list_rules",
    "list_tags",
    "list_timeline",
    "make_tag",
    "merge_tag",
    "rebuild",
    "refresh",
    "rename_tag",
    "retire_tag",
    "review_tags",
    "set_rules",
    "take_events",
    "take_tag",
    "tiers_of",
]
