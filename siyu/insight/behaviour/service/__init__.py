"""Verbs of behaviour."""

from siyu.insight.behaviour.service.asking import ask, progress_of, save_drop_off
from siyu.insight.behaviour.service.boards import (
    annotate,
    get_board,
    list_annotations,
    list_boards,
    remove_annotation,
    remove_board,
    save_board,
)
from siyu.insight.behaviour.service.collecting import (
    Window,
    collect,
    forget,
    forgetting,
    per_address,
    per_visitor,
)
from siyu.insight.behaviour.service.digesting import list_digests, make_digest, mark_read
from siyu.insight.behaviour.service.exporting import table_of
from siyu.insight.behaviour.service.watching import (
    last_event,
    list_events,
    list_values,
    watch,
)
from siyu.insight.behaviour.service.words import listed, speak_of

__all__ = [
    "Window",
    "annotate",
    "ask",
    "collect",
    "forget",
    "forgetting",
    "get_board",
    "last_event",
    "list_annotations",
    "list_boards",
    "list_digests",
    "list_events",
    "list_values",
    "listed",
    "make_digest",
    "mark_read",
    "per_address",
    "per_visitor",
    "progress_of",
    "remove_annotation",
    "remove_board",
    "save_board",
    "save_drop_off",
    "speak_of",
    "table_of",
    "watch",
]
