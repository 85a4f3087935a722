"""The same specs on a Spark cluster, over the same files, by the portable SQL (extra `spark`).

Ibis has no words for much of what specs stand on (named windows, the newest of structs), so the
SQL of `rules` goes through its Spark backend as raw SQL, translated by sqlglot, Ibis' compiler.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import ibis
import msgspec
import sqlglot
from sqlglot import exp

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import Answers, Questions
from siyu.warehouse.engines.service import answer_each, kernels, needs_of, specs_of
from siyu.warehouse.engines.service.duck import Question
from siyu.warehouse.engines.service.load import ground_on
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import PERSON_JOINED, Snapshot, Spec


def answer(questions: Questions, snapshot: Snapshot, session: Any) -> Answers:
    """Answer questions out of a snapshot on a Spark session (`pyspark.sql.SparkSession`).

    Every worker must see the files under the same path. Raises ValueError for files of an older
    layout: `siyu warehouse rebuild` first.
    """
    old = [path for path in snapshot.files if not compaction.is_present(str(path))]
    if old:
        raise ValueError(f"{len(old)} files of an older layout, {old[0]} for one")
    question = _Question(session)
    with kernels.put_aside():
        ground = _load(question, specs_of(questions), snapshot)
        return answer_each(questions, question, ground)


async def ask(questions: Questions, session: Any) -> Answers:
    """Answer questions about one shop out of a snapshot of this moment; as `engines.ask`."""
    specs = specs_of(questions)
    [shop_id] = {spec.shop_id for spec in specs}
    texts = any(map(rules.uses_texts, specs))
    async with query.snapshot(shop_id, needs_of(questions), texts=texts) as snapshot:
        return await asyncio.to_thread(answer, questions, snapshot, session)


class _Question(Question):
    """A question to Spark; like one to DuckDB, but for how statements are run."""

    def __init__(self, session: Any) -> None:
        super().__init__(1)
        self.session = session.newSession()  # with views of its own
        self.backend = ibis.pyspark.connect(self.session)

    def run(self, sql: str, *arguments: Any) -> Any:
        """Execute. A temporary table is a view here; arguments are its columns."""
        made = _CREATE.match(sql)
        if made is None:
            return self.backend.raw_sql(translated(sql))
        text = _rows_of(_NAMES.findall(sql), arguments) if arguments else translated(made[2])
        return self.backend.raw_sql(f"create or replace temporary view {made[1]} as {text}")

    def rows(self, sql: str) -> list[Any]:
        """All rows of a query."""
        return [tuple(row) for row in self.run(sql).collect()]


_CREATE = re.compile(r"\s*create temp (?:table|view) (\w+) as\s(.*)", re.DOTALL)
_NAMES = re.compile(r"unnest\(\$\d::(\w+)\[\]\) as (\w+)")


def _rows_of(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[Any]]) -> str:
    """Parallel lists as a table; columns: (type, name)."""
    kinds = {"bigint": "bigint", "varchar": "string"}
    schema = ", ".join(f"{name}: {kinds[kind]}" for kind, name in columns)
    lists = zip(*values, strict=True)
    names = [name for _, name in columns]
    rows = msgspec.json.encode([dict(zip(names, row, strict=True)) for row in lists])
    text = exp.Literal.string(rows.decode()).sql(dialect="spark")
    return f"select inline(from_json({text}, 'array<struct<{schema}>>'))"


def translated(sql: str) -> str:
    """SQL of `rules` in Spark's words."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    return str(tree.transform(_for_spark).sql(dialect="spark"))


# Spark's own goes through floating point.
_MEDIAN = "get(array_sort(collect_list({0})), cast((count({0}) + 1) div 2 as int) - 1)"
# Spark allows no subquery that looks outside where a window or a group stands.
_TEXT = """try_element_at(
  (select map_from_entries(collect_list(struct(id, text))) from {0}), cast({1} as bigint))"""


def _for_spark(node: Any) -> Any:
    """What the two call by different names, and sqlglot leaves as it is."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "row":
        return exp.Anonymous(this="struct", expressions=node.expressions)
    if isinstance(node, exp.PercentileDisc):
        return sqlglot.parse_one(_MEDIAN.format(node.this.sql("spark")), read="spark")
    if isinstance(node, exp.DataType) and node.is_type("int128"):
        return exp.DataType.build("decimal(38, 0)")
    table = node.find(exp.Table) if isinstance(node, exp.Subquery) else None
    if table is not None and table.name.startswith("texts_"):
        wanted = node.this.args["where"].this.expression.this.sql("spark")
        return sqlglot.parse_one(_TEXT.format(table.name, wanted), read="spark")
    if isinstance(node, exp.Window) and isinstance(node.this, exp.Filter):
        of, only = node.this.this, node.this.expression.this
        kept = exp.Literal.number(1) if isinstance(of.this, exp.Star) else of.this
        of.set("this", exp.Case(ifs=[exp.If(this=only, true=kept)]))
        node.set("this", of)
    return node


def _load(question: _Question, specs: Sequence[Spec], snapshot: Snapshot) -> rules.Ground:
    """As `load.load`; the tail is one more file beside itself."""
    tail = snapshot.tail.with_suffix(".2.parquet")
    with duckdb.connect() as duck:
        duck.execute(
            f"""copy (from {compaction.read_csv(str(snapshot.tail))})
                to {compaction.quoted(str(tail))} (format parquet)"""
        )
    paths = [str(path) for path in (*snapshot.files, tail)]
    files = question.session.read.parquet(*paths)
    files.where(snapshot.kept or "true").createOrReplaceTempView("siyu_files")
    joined = snapshot.codes["event_name"].get(PERSON_JOINED, -1)
    last = dict(
        question.rows(
            f"""select visitor_no, arg_max(person_no, row(at_us, event_no)) from (
                  select *, cast(json_extract_string(props, '$."joined_person_no"') as bigint)
                    as visitor_no from siyu_files
                  where shop_id = {snapshot.shop_id} and name_id = {joined})
                group by visitor_no"""
        )
    )
    pairs = {visitor: member for visitor, member in last.items() if visitor != member}
    visitors = list(pairs)
    members = [_end_of(visitor, pairs) for visitor in visitors]
    question.run(
        """create temp table members as
           select unnest($1::bigint[]) as visitor_no, unnest($2::bigint[]) as member_no""",
        visitors,
        members,
    )
    source = "siyu_files e left join members m on m.visitor_no = e.person_no"
    person = "coalesce(m.member_no, e.person_no) as person_no"
    return ground_on(question, specs, snapshot, (source, person), (visitors, members))


def _end_of(visitor: int, pairs: Mapping[int, int]) -> int:
    """Who a visitor is in the end; as far as `load` follows."""
    for _ in range(8):
        visitor = pairs.get(visitor, visitor)
    return visitor
