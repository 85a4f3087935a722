"""A million members from a list, and the list of people that staff turn over afterwards."""

import csv
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from siyu.app.bench_ground import Effort, Figures, Ground, ground
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.people.members import service as members
from siyu.people.members.contracts import Level, Source

MEMBERS = 1_000_000
IMPORT_SECONDS = 300
LIST_MS = 300
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
UUID_MAX = UUID(int=2**128 - 1)
_BEGAN = datetime(2020, 1, 1, tzinfo=UTC)


class PeopleFigures(Figures, frozen=True):
    """rate: rows a second of the import; limit: what the mission's five minutes need.

    list_ms_p95: over searches, filters and pages of the list, in milliseconds.
    """

    rows: int
    import_seconds: float
    refused: int
    found: int
    list_ms_p95: float
    list_limit_ms: int
    slowest: dict[str, float]


def write_list(file: Path, rows: int, seed: int = 1) -> None:
    """A list as shops have them: a phone, a card, a name, a day; one row in a thousand is bad, one
    in five hundred is somebody twice."""
    chance = Random(seed)
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["手机号", "会员卡号", "昵称", "会员等级", "入会时间"])
        for no in range(rows):
            phone = f"138{no % 10**8:08}" if no % 1000 else "12345"
            if no % 500 == 499:
                phone = f"138{no - 1:08}"
            joined = _BEGAN + timedelta(minutes=no * 3)
            name = chance.choice(_SURNAMES) + "".join(chance.choices(_GIVEN, k=2))
            level = "VIP" if chance.random() < 0.02 else "普通"
            table.writerow([phone, f"C{no:09}", name, level, f"{joined:%Y-%m-%d %H:%M:%S}"])


async def people(effort: Effort) -> PeopleFigures:
    """Import and turn over the list; see `PeopleFigures`."""
    rows = effort.of(MEMBERS)
    async with ground() as place:
        with tempfile.TemporaryDirectory(prefix="siyu-people-") as folder:
            file = Path(folder) / "members.csv"
            write_list(file, rows)
            began = clock.monotonic()
            report = await members.import_list(
                place.shop_id, file, None, ZoneInfo("Asia/Shanghai"), lambda *_: None
            )
            seconds = clock.monotonic() - began
        times = await _turn_over(place, rows, max(3, effort.of(30)))
    every = sorted(ms for some in times.values() for ms in some)
    return PeopleFigures.of(
        rows / seconds,
        MEMBERS / IMPORT_SECONDS,
        "rows imported per second with those of a million in five minutes",
        rows=report.rows_done,
        import_seconds=round(seconds, 1),
        refused=report.refused,
        found=report.found,
        list_ms_p95=every[int(len(every) * 0.95)],
        list_limit_ms=LIST_MS,
        slowest={name: max(some) for name, some in times.items()},
    )


async def _turn_over(place: Ground, rows: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each way to ask for people, transaction and unsealing included."""
    chance = Random(2)
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        no = chance.randrange(rows)
        at = _BEGAN + timedelta(minutes=no * 3)
        only = members.PeopleFilter
        ways: dict[str, tuple[Any, ...]] = {
            "newest": (None, None, only()),
            "deep page": (None, (at, UUID_MAX), only()),
            "phone": (f"138{no:08}", None, only()),
            "card": (f"c{no:09}", None, only()),
            "name": (chance.choice(_SURNAMES) + chance.choice(_GIVEN), None, only()),
            "surname": (chance.choice(_SURNAMES), None, only()),
            "nobody": ("没有人叫这个", None, only()),
            "vip": (None, None, only(level=Level.VIP)),
            "vip deep": (None, (at, UUID_MAX), only(level=Level.VIP)),
            "vip by name": (chance.choice(_SURNAMES), None, only(level=Level.VIP)),
            "source": (None, None, only(source=Source.IMPORT)),
            "nobody of source": (None, None, only(source=Source.STAFF)),
            "month": (None, None, only(joined_from=at, joined_until=at + timedelta(days=30))),
        }
        for name, (q, after, wanted) in ways.items():
            began = clock.monotonic()
            async with reading(place.shop_id) as tx:
                await members.list_members(tx, q, after, 21, only=wanted)
            times.setdefault(name, []).append(round((clock.monotonic() - began) * 1000, 2))
    return times
