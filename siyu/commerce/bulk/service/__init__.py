"""Verbs of bulk work: a task's life, and its run."""

from siyu.commerce.bulk.service.exports import errors_of, template
from siyu.commerce.bulk.service.files import drop_files, result_file
from siyu.commerce.bulk.service.running import end_run, run_task
from siyu.commerce.bulk.service.tasks import (
    add_pictures,
    cancel_task,
    create_task,
    get_open,
    get_task,
    place_of,
    prepare_pictures,
    prepare_upload,
    start_task,
    want_export,
)

__all__ = [
    "add_pictures",
    "cancel_task",
    "create_task",
    "drop_files",
    "end_run",
    "errors_of",
    "get_open",
    "get_task",
    "place_of",
    "prepare_pictures",
    "prepare_upload",
    "result_file",
    "run_task",
    "start_task",
    "template",
    "want_export",
]
