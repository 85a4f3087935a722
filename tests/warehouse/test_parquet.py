"""Kernels read Parquet files: the integers that DuckDB reads, and no trust in any byte (W8)."""

import random
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from siyu.warehouse.compaction import rules
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.engines.service import _kernel, kernels
from siyu.warehouse.engines.service.duck import Question
from siyu.warehouse.query.contracts import FunnelSpec, Snapshot, Step, Where

SHOP, OTHER = 7, 4
SUMS = ["channel_id", "item_no", "amount_fen", "page_id", "dwell_ms"]
COLUMNS = ["shop_id", "person_no", "at_us", "name_id", "event_no", *SUMS]
PLAIN = rules.PARQUET.replace("lz4_raw", "uncompressed")
FORMS = {
    "as the compactor writes": rules.PARQUET,
    "not compressed": PLAIN,
    "without deltas": rules.PARQUET.replace("version v2", "version v1"),
    "small row groups": rules.PARQUET.replace("100000", "2048"),
}
ROWS = {
    "anything": "(hash(n) % 1000000007)::bigint",
    "constant": "5",
    "extremes": "case n % 3 when 0 then -(1::bigint << 40) when 1 then 1::bigint << 40 else 0 end",
    "runs": "n // 700",
}
"""Amounts and items: wide and narrow deltas, dictionaries of one word and of many, long runs."""


def write(path: Path, rows: int, amount: str, form: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    with duckdb.connect() as duck:
        duck.execute(
            f"""copy (select case when n % 9 = 0 then {OTHER} else {SHOP} end::integer as shop_id,
                  (1 + n // 5)::bigint as person_no, 1735689600000000 + n * 1234567 % 9876543210
                  as at_us, n as event_no, (1 + n % 3)::integer as name_id,
                  (n % 2)::smallint as channel_id, ({amount}) as item_no,
                  -({amount}) as amount_fen, (hash(n) % 40)::integer as page_id, 'z' || n % 4 as
                  zone, (hash(n + 1) % 30000)::integer - 99 as dwell_ms, null::varchar as props
                from (select unnest(range({rows})) as n) order by {rules.ORDER})
              to '{path}' ({form})"""
        )
    return path


def sums_of(file: bytes, groups: int = 1000) -> list[list[int | None]] | None:
    """Per person the sum of every column, and the first and last moment, of names 1 and 2."""
    extras = [*range(len(SUMS)), 0, 0]
    kernel = _kernel.figures([1] * len(SUMS) + [2, 3], extras, [0, 0])
    tests = [[0, 2**62, 0] for _ in extras]
    every = 2 ** len(tests) - 1
    _kernel.read(kernel, len(SUMS), [1, every, 2, every], 0, tests)
    _kernel.only(kernel, array("q", range(1, 30_000)).tobytes())
    group: int | None = 0
    while group := _kernel.scan(kernel, file, COLUMNS, SHOP, False, group, groups):
        pass
    return None if group is None else _kernel.table(kernel, 0, 10**9)


def by_duckdb(path: Path) -> list[list[int]]:
    sums = ", ".join(f"sum({name})::bigint" for name in SUMS)
    with duckdb.connect() as duck:
        rows = duck.execute(
            f"""select person_no, {sums}, min(at_us), max(at_us) from read_parquet('{path}')
                where shop_id = {SHOP} and name_id < 3 group by 1 order by 1"""
        ).fetchall()
    return [list(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("amount", sorted(ROWS))
@pytest.mark.parametrize("form", sorted(FORMS))
def test_W10_every_integer_is_what_duckdb_reads(tmp_path, form, amount):
    path = write(tmp_path / "a.2.parquet", 30_011, ROWS[amount], FORMS[form])
    assert sums_of(path.read_bytes()) == by_duckdb(path)


@pytest.mark.parametrize("rows", [10, 256, 257, 1_024, 1_025, 2_049, 100_000, 100_001])
def test_files_of_any_size(tmp_path, rows):
    path = write(tmp_path / "a.2.parquet", rows, ROWS["anything"], rules.PARQUET)
    assert sums_of(path.read_bytes(), groups=1) == by_duckdb(path)


def test_a_file_of_an_earlier_compression_is_left_to_duckdb(tmp_path):
    form = rules.PARQUET.replace("lz4_raw", "zstd")
    path = write(tmp_path / "a.2.parquet", 100, ROWS["anything"], form)
    assert sums_of(path.read_bytes()) is None


def test_W8_no_byte_of_a_file_is_trusted(tmp_path):
    dice = random.Random(5)
    for form in (rules.PARQUET, PLAIN):
        whole = write(tmp_path / "a.2.parquet", 3_000, ROWS["anything"], form).read_bytes()
        refused = 0
        for attempt in range(500):
            file = bytearray(whole)
            # Half of them in the footer, which is small beside the pages.
            begin = len(file) - 2_000 if attempt % 2 else 0
            for _ in range(dice.randint(1, 4)):
                file[dice.randrange(begin, len(file))] = dice.randrange(256)
            if attempt % 10 == 0:
                del file[dice.randrange(len(file)) :]
            try:
                refused += sums_of(bytes(file)) is None
            except (RuntimeError, MemoryError):
                refused += 1
        assert refused > 100


def test_what_the_compactor_writes_needs_nobody_in_between(tmp_path, monkeypatch):
    def refused(question: Question, sql: str) -> object:
        raise AssertionError(sql)

    monkeypatch.setattr(Question, "stream", refused)
    path = write(tmp_path / "2025-01" / "a.2.parquet", 3_000, ROWS["runs"], rules.PARQUET)
    (tmp_path / "tail.csv").touch()
    codes = {"event_name": {"see": 1, "tap": 2}, "channel": {"mp": 1}, "page": {"/a": 3}}
    snapshot = Snapshot(shop_id=SHOP, files=[path], tail=tmp_path / "tail.csv", codes=codes)
    steps = (
        Step("see", (Where("channel", "eq", "mp"),)),
        Step("tap", (Where("page", "eq", "/a"),)),
    )
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    spec = FunnelSpec(
        shop_id=SHOP, steps=steps, window=timedelta(9), since=begin, until=begin + timedelta(30)
    )
    [found] = engines.answer(Questions(funnels=(spec,)), snapshot).funnels
    monkeypatch.undo()
    with kernels.put_aside():
        assert engines.answer(Questions(funnels=(spec,)), snapshot).funnels == [found]
    assert found.persons[1] > 0
