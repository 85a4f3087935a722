"""Verbs of metrics: dashboard, catalogue, north star, diagnosis."""

from siyu.insight.metrics.rules.catalogue import Figure, measures_of
from siyu.insight.metrics.rules.figures import BY_KEY
from siyu.insight.metrics.service.catalogue import get_metric, list_metrics, weeks_of
from siyu.insight.metrics.service.dashboard import boards, get_dashboard
from siyu.insight.metrics.service.diagnosing import (
    draft_campaign,
    draft_experiment,
    list_playbooks,
    taps_of,
)
from siyu.insight.metrics.service.north_star import choose, get_choice, get_north_star, pairs_of

__all__ = [
    "choose",
    "draft_campaign",
    "draft_experiment",
    "figure_of",
    "forget",
    "get_choice",
    "get_dashboard",
    "get_metric",
    "get_north_star",
    "list_metrics",
    "list_playbooks",
    "measures_of",
]


def figure_of(key: str) -> Figure:
    """A figure of the catalogue, for whoever shows it in another way. KeyError: there is none."""
    return BY_KEY[key]


def forget() -> None:
    """Forget all answers that are kept."""
    for kept in (boards, weeks_of, pairs_of, taps_of):
        kept.forget()
