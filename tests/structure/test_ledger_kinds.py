"""Every kind of entry that is booked anywhere has its words in `ledger.rules.KINDS`."""

import ast

from siyu.money.ledger.rules import KINDS
from tests.structure.source import SIYU, dotted, modules, tree, where

LEDGER = SIYU / "money" / "ledger"


def kind_of(call: ast.Call) -> ast.expr | None:
    """The kind an `Entry(key, kind, …)` or `reverse(…, kind=…)` names."""
    name = dotted(call.func).rpartition(".")[2]
    if name not in ("Entry", "reverse"):
        return None
    for keyword in call.keywords:
        if keyword.arg == "kind":
            return keyword.value
    return call.args[1] if name == "Entry" and len(call.args) > 1 else None


def literals(node: ast.expr) -> list[str]:
    """The texts an expression is written as; empty when it is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return []


def test_every_kind_that_is_booked_has_its_words() -> None:
    """A literal kind stands in KINDS; a computed one is asserted when it is posted."""
    wrong, seen = [], 0
    for file in modules():
        if file.is_relative_to(LEDGER) or "siyu.money.ledger" not in file.read_text("utf-8"):
            continue
        for node in ast.walk(tree(file)):
            kind = kind_of(node) if isinstance(node, ast.Call) else None
            if kind is not None:
                seen += 1
                texts = literals(kind)
                wrong += [f"{where(file, node)}: {text}" for text in texts if text not in KINDS]
    assert wrong == []
    assert seen > 5, "the collection has gone blind"
