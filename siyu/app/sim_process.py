"""The process that a simulation runs in: its settings, keys, clock and log, lent for the run."""

import contextlib
import gc
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from siyu.app.sim_loop import SimLoop
from siyu.app.sim_world import Memory
from siyu.kernel import clock, config, crypto, db, jobs

WECHAT, SHOP = "http://wechat.sim", "http://shop.sim"


@contextlib.contextmanager
def program_frozen() -> Iterator[None]:
    """The program's own objects outlive the run: the collector need not look through them again,
    nor often, as in a real web process.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def installed(loop: SimLoop, fresh: Memory) -> Iterator[Path]:
    """Settings, keys and clock of the simulated installation, for this process, which may have done
    other work before; fresh: what one knows that has only just begun.
    """
    settings, vault, others = config.settings(), crypto.vault(), Memory()
    fresh.forget()
    jobs.forget_foreign()
    with tempfile.TemporaryDirectory(prefix="siyu-sim-") as name:
        folder = Path(name)
        own = msgspec.structs.replace(
            settings,
            data_dir=folder,
            secret_key_file=None,
            public_url=SHOP,
            sandbox_url=WECHAT,
            wechat_api_url=WECHAT,
            wechat_pay_url=WECHAT,
        )
        config.use(own)
        crypto.use(crypto.load_vault(own.key_file))
        clock.follow(loop.now, loop.time)
        database = db._database
        try:
            yield folder
        finally:
            clock.follow()
            db.use(database)
            db.on_commit(None)
            config.use(settings)
            crypto.use(vault)
            others.forget()


class Errors(logging.Handler):
    """Keeps what the program logged as its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Alarms are the daily bread of a simulation: they are heard here only."""
        log = logging.getLogger("siyu")
        log.addHandler(self)
        before, log.propagate = log.propagate, False
        try:
            yield
        finally:
            log.propagate = before
            log.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """The last few, with their tracebacks."""
        self.texts = [*self.texts[-4:], self.format(record)]
