"""Verbs of the tail."""

from siyu.warehouse.tail.rules import BLOCK
from siyu.warehouse.tail.service.append import (
    append,
    forget,
    forget_behaviour,
    forget_persons,
    number_texts,
    prepare,
)
from siyu.warehouse.tail.service.commit_group import collect, forget_rejects, reject, unpaced
from siyu.warehouse.tail.service.connection import (
    close,
    crash_point,
    opened,
    root,
    session,
    snapshotting,
)
from siyu.warehouse.tail.service.outbox import consume_outbox, get_position
from siyu.warehouse.tail.service.seal import seal, seal_when_due

__all__ = [
    "BLOCK",
    "append",
    "close",
    "collect",
    "consume_outbox",
    "crash_point",
    "forget",
    "forget_behaviour",
    "forget_persons",
    "forget_rejects",
    "get_position",
    "number_texts",
    "opened",
    "prepare",
    "reject",
    "root",
    "seal",
    "seal_when_due",
    "session",
    "snapshotting",
    "unpaced",
]
