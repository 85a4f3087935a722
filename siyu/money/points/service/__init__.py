"""Verbs of points."""

from siyu.money.points.service.accounts import (
    POINT,
    adjust,
    capture,
    earn,
    expire,
    get_points,
    get_settings,
    hold,
    list_accounts,
    list_lots,
    list_statement,
    quote,
    revoke,
    set_settings,
)
from siyu.money.points.service.following import follow_person, give_back, release

__all__ = [
    "POINT",
    "adjust",
    "capture",
    "earn",
    "expire",
    "follow_person",
    "get_points",
    "get_settings",
    "give_back",
    "hold",
    "list_accounts",
    "list_lots",
    "list_statement",
    "quote",
    "release",
    "revoke",
    "set_settings",
]
