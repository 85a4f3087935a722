"""A million members from a list, and the list of people that staff turn over afterwards."""

import contextlib
import csv
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx

from siyu.app.bench_ground import Effort, Figures, Ground, ground, hire
from siyu.kernel import clock
from siyu.kernel.http import encode_cursor
from siyu.people.members import service as members

MEMBERS = 1_000_000
IMPORT_SECONDS = 300
LIST_MS = 300
PROFILE_MS = 200
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
UUID_MAX = UUID(int=2**128 - 1)
_BEGAN = datetime(2020, 1, 1, tzinfo=UTC)


class PeopleFigures(Figures, frozen=True):
    """rate: rows a second of the import; limit: what the mission's five minutes need.

    list_ms_p95: over searches, filters and pages of the list, in milliseconds; profile_ms_p95: of
    the page of one person: requests of staff through the program's HTTP, one after the other.
    """

    rows: int
    import_seconds: float
    refused: int
    found: int
    list_ms_p95: float
    list_limit_ms: int
    profile_ms_p95: float
    profile_limit_ms: int
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
        times, profiles = await _turn_over(place, rows, max(3, effort.of(30)))
    return PeopleFigures.of(
        rows / seconds,
        MEMBERS / IMPORT_SECONDS,
        "rows imported per second with those of a million in five minutes",
        rows=report.rows_done,
        import_seconds=round(seconds, 1),
        refused=report.refused,
        found=report.found,
        list_ms_p95=_p95([ms for some in times.values() for ms in some]),
        list_limit_ms=LIST_MS,
        profile_ms_p95=_p95(profiles),
        profile_limit_ms=PROFILE_MS,
        slowest={name: max(some) for name, some in times.items()},
    )


async def _turn_over(
    place: Ground, rows: int, rounds: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Milliseconds of each way to ask for people, and of profile pages: whole requests of a member
    of staff, from the session to the answer as text."""
    chance = Random(2)
    times: dict[str, list[float]] = {}
    profiles: list[float] = []
    async with _desk(place) as desk:
        for _ in range(rounds):
            no = chance.randrange(rows)
            at = _BEGAN + timedelta(minutes=no * 3)
            deep = {"cursor": encode_cursor([at, UUID_MAX])}
            until = (at + timedelta(days=30)).isoformat()
            surname = chance.choice(_SURNAMES)
            ways: dict[str, dict[str, str]] = {
                "newest": {},
                "deep page": deep,
                "phone": {"q": f"138{no:08}"},
                "card": {"q": f"c{no:09}"},
                "name": {"q": surname + chance.choice(_GIVEN)},
                "surname": {"q": surname},
                "nobody": {"q": "没有人叫这个"},
                "vip": {"level": "vip"},
                "vip deep": {"level": "vip", **deep},
                "vip by name": {"level": "vip", "q": surname},
                "source": {"source": "import"},
                "nobody of source": {"source": "staff"},
                "month": {"joined_from": at.isoformat(), "joined_until": until},
            }
            for name, query in ways.items():
                found = await _timed(desk, "/members", query, times.setdefault(name, []))
                if name == "deep page":
                    one = chance.choice(found["items"])["member_id"]
                    await _timed(desk, f"/members/{one}/profile", {}, profiles)
    return times, profiles


async def _timed(
    desk: httpx.AsyncClient, path: str, query: dict[str, str], into: list[float]
) -> Any:
    began = clock.monotonic()
    answer = await desk.get(f"/admin/v1{path}", params=query)
    into.append(round((clock.monotonic() - began) * 1000, 2))
    answer.raise_for_status()
    return answer.json()


@contextlib.asynccontextmanager
async def _desk(place: Ground) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of the shop at the console."""
    from siyu.app.http import create_litestar

    app: Any = create_litestar()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://bench",
        headers=await hire(place.shop_id),
    ) as client:
        yield client


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
