"""What the fork server of `processes` has in memory before it forks: everything a child will need.

It ends with the process that started it, and its children end with it.
"""

import gc

from siyu.app import cli, http, processes, worker
from siyu.kernel import config

__all__ = ["cli", "http", "worker"]

processes.die_with_parent()
http.assembled(config.Settings().max_body_kb)
gc.collect()
gc.freeze()  # what all children share is not touched by their collections
