"""Verbs of segments."""

from siyu.people.segments.service.counting import judge_everybody
from siyu.people.segments.service.following import follow, forget, recount, recount_all
from siyu.people.segments.service.judging import judge_persons
from siyu.people.segments.service.saving import (
    change_rule,
    check,
    count_members,
    get_segment,
    is_member,
    list_persons,
    list_segments,
    people_of,
    remove_segment,
    save_persons,
    save_rule,
    stream_members,
)
from siyu.people.segments.service.showing import (
    Belonging,
    explain,
    export_header,
    export_members,
    growth,
    list_movers,
    names_of,
    overlap,
    sentence_of,
    take_snapshots,
)

__all__ = [
    "Belonging",
    "change_rule",
    "check",
    "count_members",
    "explain",
    "export_header",
    "export_members",
    "follow",
    "forget",
    "get_segment",
    "growth",
    "is_member",
    "judge_everybody",
    "judge_persons",
    "list_movers",
    "list_persons",
    "list_segments",
    "names_of",
    "overlap",
    "people_of",
    "recount",
    "recount_all",
    "remove_segment",
    "save_persons",
    "save_rule",
    "sentence_of",
    "stream_members",
    "take_snapshots",
]
