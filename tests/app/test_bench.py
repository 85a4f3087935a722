"""Each `siyu bench NAME --json` prints one object that says what was compared with what."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from siyu.app import bench_kills
from siyu.app.bench_ground import Figures
from siyu.app.bench_kills import KillFigures
from siyu.app.cli_bench import bench_app
from siyu.kernel import postgres

NAMES = [str(command.name) for command in bench_app.registered_commands]


@pytest.fixture(scope="module")
def data_dir(server_home: Path) -> Path:
    """An installation of its own, kept between runs: to make a cluster takes seconds."""
    home = server_home.with_name(f"{server_home.name}-bench")
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    return home


@pytest.mark.parametrize("name", [name for name in NAMES if name != "kills"])
async def test_figures_have_one_shape(name: str, data_dir: Path) -> None:
    async with postgres.embedded(data_dir / "postgres"):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "siyu", "bench", name, "--quick", "--json"),
            env={**os.environ, "SIYU_DATA_DIR": str(data_dir)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    (line,) = out.decode().splitlines()
    figures = json.loads(line)
    assert list(figures)[:4] == ["rate", "limit", "share", "compared"]
    assert figures["rate"] > 0 and figures["limit"] > 0
    assert figures["share"] == pytest.approx(figures["rate"] / figures["limit"], abs=0.02)
    assert " with " in figures["compared"]


def test_the_kills_have_it_too() -> None:
    """They are run by their own test."""
    assert "kills" in NAMES and issubclass(KillFigures, Figures)
    assert KillFigures.__struct_fields__[:4] == ("rate", "limit", "share", "compared")


def test_the_parts_of_the_kills_are_the_whole() -> None:
    parts = [bench_kills.part_of(10_000, 1, f"{k}/7") for k in range(1, 8)]
    assert sum(checkouts for checkouts, _ in parts) == 10_000
    assert len({dice for _, dice in parts}) == 7
    assert bench_kills.part_of(10_000, 1, "1/1") == (10_000, 1)
    with pytest.raises(AssertionError):
        bench_kills.part_of(10_000, 1, "8/7")
