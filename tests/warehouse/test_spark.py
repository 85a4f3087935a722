"""A Spark cluster of two workers gives the embedded engine's integers over the same files (W10).

Runs by `make test-spark`, in an environment of its own.
"""

import contextlib
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import (
    Absent,
    All,
    AnyOf,
    Count,
    Feature,
    FeatureSpec,
    FunnelSpec,
    HeatSpec,
    LastSpec,
    ListSpec,
    LiveSpec,
    Measure,
    Not,
    Outcome,
    PathSpec,
    PersonsOf,
    RetentionSpec,
    SegmentSpec,
    SeriesSpec,
    ShareSpec,
    SpreadSpec,
    Step,
    Sum,
    Times,
    Top,
    TrialSpec,
    ValuesSpec,
    Walked,
    Where,
)
from tests.warehouse.histories import BEGIN, BEGIN_US, CODES, DAY, SHOP, snapshot_of, with_joins
from tests.warehouse.reference import Seen

pyspark = pytest.importorskip("pyspark.sql", reason="make test-spark")

ZONE = "America/New_York"  # its clocks change within the history
SEE, TAP, PAY = Step("see"), Step("tap"), Step("pay")
FUNNEL = FunnelSpec(
    shop_id=SHOP,
    steps=(SEE, Step("tap", (Where("zone", "ne", "old"),)), PAY),
    window=3 * DAY,
    since=BEGIN,
    until=BEGIN + 30 * DAY,
)
RULE = AnyOf(
    (
        All((Times(SEE, 20, "ge", 2), Not(Absent(PAY, None)))),
        Sum("dwell", TAP, None, "ge", 9),
        Top("amount_fen", PAY, 20, 25),
        Walked(FUNNEL, 2, dropped=True),
    )
)
PEOPLE = SegmentSpec(shop_id=SHOP, rule=RULE, as_of=BEGIN + 25 * DAY)
SPAN: dict[str, Any] = {"shop_id": SHOP, "since": BEGIN, "until": BEGIN + 30 * DAY}
QUESTIONS = {
    "funnels": Questions(
        funnels=(
            FUNNEL,
            FunnelSpec(**SPAN, steps=(SEE, PAY), window=9 * DAY, by="page", times=True),
            FunnelSpec(**SPAN, steps=(SEE, TAP, SEE), window=DAY, by="kind", people=PEOPLE),
        )
    ),
    "retentions": Questions(
        retentions=tuple(
            RetentionSpec(
                shop_id=SHOP,
                birth=SEE,
                back=Step(("tap", "pay")),
                first_day=date(2024, 3, 1),
                last_day=date(2024, 3, 20),
                periods=(1, 2, 7),
                time_zone=ZONE,
                within=within,
                grain=grain,  # type: ignore[arg-type]
            )
            for within, grain in ((False, "day"), (True, "week"), (False, "month"))
        )
    ),
    "series": Questions(
        series=(
            SeriesSpec(
                shop_id=SHOP,
                measures=(
                    *(Measure(count, Step(("see", "pay"))) for count in Count),
                    Measure(Count.PERSONS, SEE, PAY),
                ),
                spans=((BEGIN, BEGIN + 9 * DAY), (BEGIN + 12 * DAY, BEGIN + 20 * DAY)),
                time_zone=ZONE,
                people=PEOPLE,
            ),
        )
    ),
    "lasts": Questions(lasts=(LastSpec(shop_id=SHOP, steps=(TAP,), until=BEGIN + 9 * DAY),)),
    "persons": Questions(
        persons=(
            PersonsOf(segment=PEOPLE),
            PersonsOf(segment=SegmentSpec(shop_id=SHOP, rule=Not(RULE), as_of=BEGIN + 9 * DAY)),
        )
    ),
    "features": Questions(
        features=(
            FeatureSpec(
                shop_id=SHOP,
                features=tuple(
                    Feature(name=kind, kind=kind, step=Step(("see", "pay")), days=days)  # type: ignore[arg-type]
                    for kind in ("count", "sum", "days", "first", "last")
                    for days in (None, 7)
                ),
                as_of=BEGIN + 20 * DAY,
                time_zone=ZONE,
                people=frozenset(range(30)),
            ),
        )
    ),
    "paths": Questions(
        paths=tuple(
            PathSpec(
                **SPAN,
                start=SEE,
                along=Step(("see", "tap", "pay")),
                of=of,  # type: ignore[arg-type]
                direction=direction,  # type: ignore[arg-type]
                pause=DAY,
                top=2,
            )
            for of, direction in (("page", "next"), ("name", "previous"))
        )
    ),
    "spreads": Questions(
        spreads=(
            SpreadSpec(**SPAN, step=SEE, per="person", edges=(1, 2, 8)),
            SpreadSpec(**SPAN, step=SEE, per="event", prop="dwell", edges=(0, 7)),
        )
    ),
    "shares": Questions(
        shares=tuple(
            ShareSpec(**SPAN, step=SEE, prop=prop, count=count, grain=grain, time_zone=ZONE, top=2)
            for prop, count, grain in (
                ("page", Count.PERSONS, "week"),
                ("kind", Count.EVENTS, "month"),
                ("zone", Count.AMOUNT, "day"),
            )
        )
    ),
    "heats": Questions(heats=(HeatSpec(**SPAN, clicks=TAP, dwell=SEE, pages=("/a", "/nowhere")),)),
    "lives": Questions(
        lives=(LiveSpec(shop_id=SHOP, step=SEE, until=BEGIN + 9 * DAY, minutes=1_440),)
    ),
    "lists": Questions(
        lists=(
            ListSpec(**SPAN, limit=40),
            ListSpec(**SPAN, step=PAY, before=(BEGIN_US + 20 * 86_400_000_000, 40)),
        )
    ),
    "values": Questions(
        values=(
            ValuesSpec(**SPAN, prop="page"),
            ValuesSpec(**SPAN, prop="kind", step=SEE, contains="A'"),
        )
    ),
    "trials": Questions(
        trials=(
            TrialSpec(
                **SPAN,
                exposed=SEE,
                arm="kind",
                chance="dwell",
                outcomes=(Outcome(Count.AMOUNT, PAY), Outcome(Count.PERSONS, TAP)),
                window=5 * DAY,
                before=5 * DAY,
                time_zone=ZONE,
            ),
        )
    ),
}


def history(size: int) -> list[Seen]:
    """Forty persons over forty days, and three visitors who became members."""
    dice = random.Random(7)
    events = [
        Seen(
            person=dice.randrange(41),
            at_us=BEGIN_US + dice.randrange(40 * 24 * 12) * 300_000_000,
            number=number,
            name=dice.choice(["see", "see", "tap", "pay"]),
            channel=dice.choice(["h5", "mp"]),
            page=dice.choice(["", "/a", "/b"]),
            item_no=dice.randrange(4),
            amount_fen=dice.choice([0, 100, 250, -100]),
            zone=dice.choice(["", "n'ew", "old"]),
            dwell_ms=dice.choice([0, 400, 900]),
            props=dice.choice([None, {"kind": "a'b", "dwell": 5_000}, {"kind": "c", "dwell": -1}]),
        )
        for number in range(size)
    ]
    return with_joins(events, {1: 2, 2: 3, 9: 4})


@contextlib.contextmanager
def process(log: Path, *words: str) -> Iterator[None]:
    """One of Spark's own programs, until the end of the block."""
    spark_class = str(Path(pyspark.__file__).parents[1] / "bin" / "spark-class")
    settings = {**os.environ, "SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1"}
    with log.open("w") as output:
        running = subprocess.Popen([spark_class, *words], env=settings, stderr=output)
        try:
            yield
        finally:
            running.terminate()
            running.wait(30)


def address_in(log: Path) -> str:
    """Where the master says that it listens."""
    for _ in range(300):
        if found := re.search(r"spark://127\.0\.0\.1:[1-9]\d*", log.read_text()):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Any]:
    """A master and two workers with one core each: three processes, and one more per executor."""
    folder = tmp_path_factory.mktemp("cluster")
    deploy, here = "org.apache.spark.deploy", ("--host", "127.0.0.1", "--webui-port", "0")
    with contextlib.ExitStack() as running:
        log = folder / "master.log"
        running.enter_context(process(log, f"{deploy}.master.Master", *here, "--port", "0"))
        address = address_in(log)
        for name in ("one", "two"):
            own = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / name), address)
            worker = f"{deploy}.worker.Worker"
            running.enter_context(process(folder / f"{name}.log", worker, *here, *own))
        made = (
            pyspark.SparkSession.builder.master(address)
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.executor.memory", "512m")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.warehouse.dir", str(folder / "tables"))
            .config("spark.scheduler.minRegisteredResourcesRatio", "1")
            .config("spark.scheduler.maxRegisteredResourcesWaitingTime", "60s")
            .config("spark.cores.max", "2")
            .getOrCreate()
        )
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return snapshot_of(history(2_000), tmp_path_factory.mktemp("spark"), cut=1)


def test_there_are_two_workers(cluster):
    assert cluster.range(10).repartition(2).count() == 10
    executors = cluster.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
    assert len(executors) == 3  # the driver counts as one


@pytest.mark.parametrize("kind", sorted(QUESTIONS))
def test_W10_spark_gives_the_same_integers(cluster, snapshot, kind):
    from siyu.warehouse.engines.service import spark

    ours = engines.answer(QUESTIONS[kind], snapshot)
    assert spark.answer(QUESTIONS[kind], snapshot, cluster) == ours
    assert getattr(ours, kind)


def test_F090_what_was_withdrawn_counts_for_nothing_there_either(cluster, snapshot):
    from siyu.warehouse.engines.service import spark

    # Two persons took their consent back; what came through the channel "mp" stays.
    times = {5: BEGIN_US + 30 * 86_400_000_000, 6: BEGIN_US + 9 * 86_400_000_000}
    left_out = compaction.withdrawn_sql(times, [CODES["channel"]["mp"]])
    less = msgspec.structs.replace(snapshot, kept=f"not {left_out}")
    asked = Questions(
        funnels=QUESTIONS["funnels"].funnels,
        features=QUESTIONS["features"].features,
        lists=QUESTIONS["lists"].lists,
    )
    ours = engines.answer(asked, less)
    assert ours != engines.answer(asked, snapshot)
    assert spark.answer(asked, less, cluster) == ours
