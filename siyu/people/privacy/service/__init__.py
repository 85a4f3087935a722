"""Verbs of the data of a person, one file per use case."""

from siyu.people.privacy.service.archiving import (
    ask_archive,
    fetch_archive,
    list_archives,
    make_archive,
)
from siyu.people.privacy.service.erasing import (
    ask_erasure,
    cancel_erasure,
    carry_out,
    count_late,
    erase_again,
    erase_events,
    erase_person,
    get_erasure,
    list_blocks,
    list_erasures,
    tell_events_gone,
)
from siyu.people.privacy.service.forgetting import (
    forget_behaviour,
    forget_visitor,
    forget_visits,
)
from siyu.people.privacy.service.keeping import (
    ACCESS,
    keep_no_longer,
    list_access,
    list_runs,
    reseal,
)
from siyu.people.privacy.service.mapping import (
    data_map,
    tables_of_persons,
)

__all__ = [
    "ACCESS",
    "ask_archive",
    "ask_erasure",
    "cancel_erasure",
    "carry_out",
    "count_late",
    "data_map",
    "erase_again",
    "erase_events",
    "erase_person",
    "fetch_archive",
    "forget_behaviour",
    "forget_visitor",
    "forget_visits",
    "get_erasure",
    "keep_no_longer",
    "list_access",
    "list_archives",
    "list_blocks",
    "list_erasures",
    "list_runs",
    "make_archive",
    "reseal",
    "tables_of_persons",
    "tell_events_gone",
]
