"""Rules of the code that a machine keeps; each docstring tells the mistake it stands for."""

import ast
import re

from tests.structure.source import SIYU, dotted, functions, modules, tree, where

KERNEL = SIYU / "kernel"


def calls(names: set[str]) -> list[tuple[str, str]]:
    return [
        (where(file, node), dotted(node.func))
        for file in modules()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and dotted(node.func) in names
    ]


def test_only_the_kernel_commits() -> None:
    """A verb that commits leaves its caller half done."""
    wrong = [
        where(file, node)
        for file in modules()
        if file != KERNEL / "db.py" and "sandbox" not in file.parts
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback")
    ]
    assert wrong == []


def test_no_bare_lock() -> None:
    """`for update` also stops inserts into every child table; `for no key update` does not."""
    wrong = []
    for file in modules():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = " ".join(node.value.lower().split())
                if re.search(r"\bselect\b.*\bfor update\b", text):
                    wrong.append(where(file, node))
    assert wrong == []


def test_locks_are_taken_by_lock_functions() -> None:
    """A lock hidden in a `get_` surprises the next reader and deadlocks with the one after."""
    wrong = []
    for file in SIYU.rglob("queries.py"):
        for function in functions(file):
            text = ast.unparse(function).lower()
            if "for no key update" in text and not function.name.startswith(
                ("lock_", "move_", "claim_", "take_")
            ):
                wrong.append(f"{where(file, function)} {function.name}")
    assert wrong == []


def test_only_the_kernel_reads_a_clock() -> None:
    """A second clock cannot be turned, so no simulation could reach the code behind it."""
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
    clocks |= {f"datetime.{name}" for name in clocks}
    wrong = [
        place
        for place, _ in calls(clocks)
        if not place.startswith(("siyu/kernel/", "siyu/sandbox/"))
    ]
    assert wrong == []


def test_database_errors_are_named_once() -> None:
    """Only `kernel/db.py` tells weather from bugs; elsewhere a named unique constraint at most."""
    wrong = []
    for file in modules():
        if file.is_relative_to(KERNEL) or file.is_relative_to(SIYU / "sandbox"):
            continue
        for node in ast.walk(tree(file)):
            if not isinstance(node, ast.ExceptHandler) or node.type is None:
                continue
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {dotted(kind).rpartition(".")[2] for kind in kinds}
            caught = {dotted(kind) for kind in kinds if dotted(kind).startswith("asyncpg")}
            named = "constraint_name" in ast.unparse(node)
            if caught and not (names <= {"UniqueViolationError"} and named):
                wrong.append(f"{where(file, node)} catches {', '.join(sorted(caught))}")
    allowed = ("siyu/app/", "siyu/warehouse/tail/service/")  # the tail has a connection of its own
    assert [place for place in wrong if not place.startswith(allowed)] == []


def test_small_things_stay_small() -> None:
    """70 lines a function, 500 a file."""
    wrong = [
        f"{where(file)} has {lines} lines"
        for file in [*modules(), *SIYU.rglob("schema.sql")]
        if (lines := len(file.read_text("utf-8").splitlines())) > 500
    ]
    for file in modules():
        for function in functions(file):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > 70:
                wrong.append(f"{where(file, function)} {function.name} has {length} lines")
    assert wrong == []


def test_nothing_is_left_for_later() -> None:
    """A to-do in the source is a bug report that nobody reads."""
    words = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")))
    wrong = [
        f"{where(file)}:{number}"
        for file in [*modules(), *SIYU.rglob("schema.sql")]
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert wrong == []


def test_no_float_holds_money() -> None:
    wrong = []
    for file in modules():
        for node in ast.walk(tree(file)):
            name = ""
            if isinstance(node, ast.AnnAssign):
                name = dotted(node.target)
            elif isinstance(node, ast.arg) and node.annotation is not None:
                name = node.arg
            if name.endswith(("_fen", "_bps")):
                text = ast.unparse(node.annotation)  # type: ignore[union-attr, arg-type]
                if "float" in text or "Decimal" in text:
                    wrong.append(where(file, node))
    assert wrong == []


def test_verbs_never_open_transactions_inside_transactions() -> None:
    """A function that is handed `tx` must not open another one (they are never nested)."""
    opens = {"transaction", "reading", "system_transaction", "looking", "writing_at_once"}
    wrong = []
    for file in modules():
        for function in functions(file):
            takes = [a.arg for a in function.args.args[:1]] == ["tx"]
            if takes and any(
                isinstance(node, ast.Call)
                and dotted(node.func).rpartition(".")[2] in opens
                and dotted(node.func).partition(".")[0] not in ("connection", "self")
                for node in ast.walk(function)
            ):
                wrong.append(f"{where(file, function)} {function.name}")
    assert wrong == []


def test_who_may_only_read_writes_nothing() -> None:
    """`looking` opens no transaction that the server would hold to reading."""
    writes = re.compile(r"\b(insert into|update [a-z_]+\.[a-z_]+|delete from)\b")
    wrong = []
    for file in modules():
        for function in functions(file):
            kinds = [ast.unparse(one.annotation) for one in function.args.args if one.annotation]
            if kinds[:1] != ["ReadTx"]:
                continue
            texts = [
                " ".join(node.value.lower().split())
                for statement in function.body[1:]
                for node in ast.walk(statement)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            if any(writes.search(text) for text in texts):
                wrong.append(f"{where(file, function)} {function.name}")
    assert wrong == []
