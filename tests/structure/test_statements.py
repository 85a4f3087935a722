"""Every SQL statement of the program is prepared against the schema."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel.db import Database
from siyu.kernel.postgres import Cluster
from tests.structure.source import SIYU, dotted, functions, tree, where

SQL_AT = {
    "one": 1,
    "maybe": 1,
    "all": 1,
    "stream": 1,
    "value": 0,
    "run": 0,
    "run_many": 0,
    "run_and_flush": 0,
    "later": 0,
}
MOST_VARIANTS = 32

# Composed from white-listed columns or conditions at run time; tests of their own cover them.
COMPOSED = {
    "service.list_top", "service.list_on_ladder",
    "catalog.list_cards", "catalog.list_stock_skus", "catalog.insert_product",
    "catalog.move_product", "inventory.lock_and_receive", "inventory.move_between",
    "inventory.move_on_hand",
    "ordering.list_orders", "ordering.stream_export", "service._count",
    "service.count_members", "service.count_matching",
    "service.list_member_rows", "service.move_rows", "compaction.drop_partition",
    "tail.insert_codes",
    "tail.create_partition", "service.seal", "service.list_member_orders",
    "kernel.forget_old_rows", "app.ask", "app.count",
    "fulfilment.list_consignments", "promotions.list_campaigns", "ledger.list_entries",
    "privacy.list_rows", "privacy.count_rows", "privacy.list_blocks", "privacy.erase_rows",
    "privacy.expire_rows", "privacy.lock_sealed", "privacy.move_sealed",
    "after_sale.list_cases", "reviews.list_shown", "reviews.list_reviews", "reviews.move_review",
}  # fmt: skip


class Unresolved(Exception):
    pass


def constants(file: Path) -> dict[str, list[ast.expr]]:
    """Module-level names and the expressions they are given."""
    found: dict[str, list[ast.expr]] = {}
    for node in tree(file).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found.setdefault(node.target.id, []).append(node.value)
    return found


def local_names(function: ast.AST) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def variants(node: ast.expr, names: dict[str, list[ast.expr]], depth: int = 0) -> list[str]:
    """All texts an expression can have, as far as its parts are written in the file."""
    if depth > 6:
        raise Unresolved
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int)):
        return [str(node.value)]
    if isinstance(node, ast.Name) and node.id in names:
        return [t for value in names[node.id] for t in variants(value, names, depth + 1)]
    if isinstance(node, ast.IfExp):
        return variants(node.body, names, depth) + variants(node.orelse, names, depth)
    if isinstance(node, ast.JoinedStr):
        parts = [
            variants(part.value if isinstance(part, ast.FormattedValue) else part, names, depth)
            for part in node.values
        ]
        return ["".join(chosen) for chosen in itertools.product(*parts)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [
            a + b
            for a in variants(node.left, names, depth)
            for b in variants(node.right, names, depth)
        ]
    if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "filters":
        return ["true"]
    raise Unresolved


def statements() -> Iterator[tuple[str, str, str | None]]:
    """(place, function, text or None when composed at run time)."""
    for file in sorted(SIYU.rglob("*.py")):
        if "sandbox" in file.parts:
            continue
        for function in functions(file):
            names = constants(file) | local_names(function)
            for node in ast.walk(function):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                at = SQL_AT.get(node.func.attr)
                holder = dotted(node.func.value)
                if at is None or holder not in ("tx", "read", "write") or len(node.args) <= at:
                    continue
                try:
                    texts = variants(node.args[at], names)
                except Unresolved:
                    yield where(file, node), f"{file.parent.name}.{function.name}", None
                    continue
                for text in texts[:MOST_VARIANTS]:
                    yield where(file, node), function.name, text
        for name, values in constants(file).items():
            for value in values:
                if not isinstance(value, (ast.Constant, ast.JoinedStr)):
                    continue
                try:
                    texts = variants(value, constants(file))
                except Unresolved:
                    continue
                for text in texts:
                    start = text.strip().lower().split(" ", 1)[0].split("\n")[0]
                    if start in ("select", "insert", "update", "delete", "with"):
                        yield where(file, value), name, text


@pytest.fixture
async def prepared_by(database: Database, cluster: Cluster) -> "asyncpg.Connection[asyncpg.Record]":
    async with database.pool.acquire() as connection:
        name = await connection.fetchval("select current_database()")
    return await asyncpg.connect(cluster.owner_url(name))


async def test_every_statement_can_be_prepared(
    prepared_by: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    texts = {text: f"{place} {name}" for place, name, text in statements() if text is not None}
    for text in texts:  # tables that live as long as a connection
        if text.startswith("create temporary table"):
            await prepared_by.execute(text.replace("on commit drop", ""))
    wrong = []
    for text, place in texts.items():
        if text.startswith(("create temporary table", "analyze")):
            continue
        try:
            await prepared_by.prepare(text)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            wrong.append(f"{place}: {error}")
    await prepared_by.close()
    assert wrong == [], "\n".join(wrong)
    assert len(texts) > 100, "the collection has gone blind"


def test_composed_statements_are_few_and_known() -> None:
    assert {name for _, name, text in statements() if text is None} <= COMPOSED
