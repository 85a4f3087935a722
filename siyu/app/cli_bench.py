"""`siyu bench`: figures beside their limit."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

bench_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="A moment only: it runs, its figures say little.")
]


def show(value: Any, as_json: bool = True) -> None:
    """Print a result as JSON."""
    plain = msgspec.to_builtins(value)
    print(json.dumps(plain, ensure_ascii=False, indent=None if as_json else 2))


def _measure(figures: Any, quick: bool, as_json: bool) -> None:
    import uvloop  # as in the web processes

    from siyu.app.bench_ground import FULL, QUICK

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        show(runner.run(figures(QUICK if quick else FULL)), as_json)


@bench_app.command("checkout")
def bench_checkout(quick: Quick = False, as_json: AsJson = False) -> None:
    """Checkouts of 5 lines through HTTP, as a share of pgbench running the same statements."""
    from siyu.app import bench

    _measure(bench.checkout, quick, as_json)


@bench_app.command("race")
def bench_race(quick: Quick = False, as_json: AsJson = False) -> None:
    """500 pieces, 1,000 buyers: sold exactly 500, while a naive control oversells."""
    from siyu.app import bench

    _measure(bench.race, quick, as_json)


@bench_app.command("purchase")
def bench_purchase(quick: Quick = False, as_json: AsJson = False) -> None:
    """New customers buy five products and pay at the counter, per 1,000 `pgbench -N`."""
    from siyu.app import bench_purchase

    _measure(bench_purchase.purchase, quick, as_json)


@bench_app.command("ledger")
def bench_ledger(quick: Quick = False, as_json: AsJson = False) -> None:
    """Entries of 2-6 legs in batches, as a share of `pgbench -N` on the same cluster."""
    from siyu.app import bench_ledger

    _measure(bench_ledger.ledger, quick, as_json)


@bench_app.command("notify")
def bench_notify(quick: Quick = False, as_json: AsJson = False) -> None:
    """Payment notifications at 200 per second: verified, opened, stored; p99 of the answers."""
    from siyu.app import bench_notify

    _measure(bench_notify.notify, quick, as_json)


@bench_app.command("flash")
def bench_flash(quick: Quick = False, as_json: AsJson = False) -> None:
    """One hot SKU, 256 buyers: beside `pgbench -N`, and through HTTP beside an empty handler."""
    from siyu.app import bench_flash as flash

    _measure(flash.flash, quick, as_json)


@bench_app.command("products")
def bench_products(quick: Quick = False, as_json: AsJson = False) -> None:
    """Product lists of 24 out of 10,000 through HTTP, as a share of an empty handler."""
    from siyu.app import bench_products

    _measure(bench_products.products, quick, as_json)


Events = Annotated[int, typer.Option(min=1_000, help="How many events are generated.")]
Rounds = Annotated[int, typer.Option(min=1, max=50, help="Interleaved rounds of all engines.")]


FunnelKind = Annotated[
    Literal["plain", "filtered", "split", "unmerged"],
    typer.Option(
        help="filtered: a condition on every step; split: by page; unmerged: 16 files a month"
    ),
]


@bench_app.command("funnel")
def bench_funnel(
    kind: FunnelKind = "plain",
    events: Events = 1_000_000,
    rounds: Rounds = 5,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Four steps within a week, beside DuckDB SQL, chDB and a scan; CPU seconds."""
    question = "funnel" if kind == "plain" else kind
    _measure_warehouse(question, (20_000, 1) if quick else (events, rounds), as_json)


@bench_app.command("retention")
def bench_retention(
    events: Events = 1_000_000, rounds: Rounds = 5, quick: Quick = False, as_json: AsJson = False
) -> None:
    """Sixty cohorts, five periods, beside DuckDB SQL, chDB and a scan; CPU seconds."""
    _measure_warehouse("retention", (20_000, 1) if quick else (events, rounds), as_json)


@bench_app.command("segments")
def bench_segments(
    events: Events = 1_000_000, rounds: Rounds = 5, quick: Quick = False, as_json: AsJson = False
) -> None:
    """Four segments, beside chDB and a scan; CPU seconds."""
    _measure_warehouse("segments", (20_000, 1) if quick else (events, rounds), as_json)


@bench_app.command("features")
def bench_features(
    events: Events = 1_000_000, rounds: Rounds = 5, quick: Quick = False, as_json: AsJson = False
) -> None:
    """Nine figures per person, beside chDB and a scan; CPU seconds."""
    _measure_warehouse("features", (20_000, 1) if quick else (events, rounds), as_json)


def _measure_warehouse(question: str, effort: tuple[int, int], as_json: bool) -> None:
    from siyu.app import bench_warehouse

    show(bench_warehouse.measure(question, *effort), as_json)


@bench_app.command("insight")
def bench_insight(
    events: Events = 1_000_000,
    rounds: Rounds = 5,
    folder: Annotated[
        Path | None, typer.Option(help="Keeps the events there for the next run.")
    ] = None,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """What a colleague waits for each kind of answer over HTTP; progress, and giving up."""
    from siyu.app import bench_insight as console

    sizes = (20_000, 1) if quick else (events, rounds)
    show(asyncio.run(console.insight(*sizes, folder)), as_json)


@bench_app.command("audience")
def bench_audience(
    people: Annotated[int, typer.Option(min=100, help="Persons; 1000000 at full size.")] = 50_000,
    events: Annotated[
        int, typer.Option(min=1_000, help="Events; 50000000 at full size.")
    ] = 2_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="Keeps the events there for the next run.")
    ] = None,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Ten segments over everybody, and one person by all ten, with the limits."""
    from siyu.app import bench_audience as bench

    sizes = (1_000, 20_000) if quick else (people, events)
    show(asyncio.run(bench.audience(*sizes, folder)), as_json)


@bench_app.command("kills")
def bench_kills(
    checkouts: Annotated[int, typer.Option(help="Purchases to make meanwhile.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The dice of the kills.")] = 1,
    part: Annotated[
        str, typer.Option(help="3/5: the third of five equal parts, with dice of its own.")
    ] = "1/1",
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """`kill -9` of web, worker and postmaster during checkouts: what is lost, when all is back."""
    from siyu.app import bench_kills as storm

    share, dice = storm.part_of(50 if quick else checkouts, seed, part)
    show(asyncio.run(storm.kills(share, dice)), as_json)


@bench_app.command("ingest")
def bench_ingest(
    events: Annotated[int, typer.Option(help="Events per way of writing.")] = 200_000,
    checkout: Annotated[
        bool, typer.Option("--checkout", help="Also what a flood of events leaves to checkout.")
    ] = False,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Events per second by batch COPY beside multi-row inserts, and through the tail's verb."""
    from siyu.app import bench_ingest as ingest

    show(asyncio.run(ingest.ingest(2_000 if quick else events, checkout=checkout)), as_json)


@bench_app.command("warehouse-kills")
def bench_warehouse_kills(
    kills: Annotated[int, typer.Option(help="How many processes to kill.")] = 200,
    seed: Annotated[int, typer.Option(help="The dice of the kills.")] = 1,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """`kill -9` of writers and compactors while readers audit: lost, doubled, wrong snapshots."""
    from siyu.app import bench_ingest as ingest

    show(asyncio.run(ingest.kills(4 if quick else kills, seed)), as_json)


@bench_app.command("outreach")
def bench_outreach(quick: Quick = False, as_json: AsJson = False) -> None:
    """A million people planned for a campaign in a minute, and messages sent to the sandbox."""
    from siyu.app import bench_outreach as reached

    _measure(reached.outreach, quick, as_json)


@bench_app.command("people")
def bench_people(quick: Quick = False, as_json: AsJson = False) -> None:
    """A million members from a list in five minutes, and every way to ask for people after it."""
    from siyu.app import bench_people as listed

    _measure(listed.people, quick, as_json)
