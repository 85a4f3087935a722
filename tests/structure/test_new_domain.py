"""`make domain` writes a domain that keeps all rules, and refuses one without a place."""

import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel.db import Database
from siyu.kernel.postgres import Cluster
from tests.structure.source import FILES, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import new_domain


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["growth/lottery", "wechat/official_account", "insight/ads"])
def test_writes_known_files_that_are_clean(checkout: Path, name: str) -> None:
    made = new_domain.make(name, checkout)
    names = {path.stem for path in made if path.is_relative_to(checkout / "siyu" / name)}
    assert names - {"schema"} <= FILES
    for step in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *step, "."], cwd=checkout, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


async def test_its_schema_applies(checkout: Path, database: Database, cluster: Cluster) -> None:
    new_domain.make("growth/group_buy", checkout)
    async with database.pool.acquire() as connection:
        name = await connection.fetchval("select current_database()")
    owner = await asyncpg.connect(cluster.owner_url(name))
    schema = (checkout / "siyu/growth/group_buy/schema.sql").read_text()
    await owner.execute("begin")
    await owner.execute(schema)
    await owner.execute("rollback")
    await owner.close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("growth/roulette", "no place"),
        ("magic/lottery", "no group"),
        ("kernel/db", "no group"),
        ("lottery", "GROUP/DOMAIN"),
        ("growth/../../etc", "GROUP/DOMAIN"),
    ],
)
def test_refuses_what_has_no_place(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=reason):
        new_domain.make(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_never_overwrites(checkout: Path) -> None:
    new_domain.make("growth/lottery", checkout)
    with pytest.raises(SystemExit, match="exists already"):
        new_domain.make("growth/lottery", checkout)
