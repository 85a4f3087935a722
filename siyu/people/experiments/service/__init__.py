"""Verbs of experiments: what people are shown, changing experiments, reading them."""

from siyu.people.experiments.queries import list_experiments, list_running, list_story
from siyu.people.experiments.service.assigning import (
    expose,
    held_out_of,
    is_held_out,
    list_live,
    list_variants,
    settled,
    variant_of,
)
from siyu.people.experiments.service.editing import (
    change_arms,
    conclude_experiment,
    edit_draft,
    get_experiment,
    get_holdout,
    make_experiment,
    ramp_experiment,
    retire_experiment,
    set_holdout,
    start_experiment,
    stop_experiment,
)
from siyu.people.experiments.service.reading import make_plan, read_results, review

__all__ = [
    "change_arms",
    "conclude_experiment",
    "edit_draft",
    "expose",
    "get_experiment",
    "get_holdout",
    "held_out_of",
    "is_held_out",
    "list_experiments",
    "list_live",
    "list_running",
    "list_story",
    "list_variants",
    "make_experiment",
    "make_plan",
    "ramp_experiment",
    "read_results",
    "retire_experiment",
    "review",
    "set_holdout",
    "settled",
    "start_experiment",
    "stop_experiment",
    "variant_of",
]
