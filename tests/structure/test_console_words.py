"""What the audit trail keeps and the proof proves, the console says in words, in both languages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from siyu.app import truths
from siyu.commerce.after_sale.contracts import State
from siyu.commerce.reviews.contracts import ReviewState
from siyu.people.members.contracts import MergeState

ROOT = Path(__file__).parents[2]
COMPOSED = {
    "after_sale.case_{state}": [str(state) for state in State],
    "experiments.{event}": [
        *("created", "edited", "started", "ramped", "changed", "stopped", "guard_stopped"),
        *("concluded", "retired"),
    ],
    "members.merge_{state}": [str(state) for state in MergeState],
    "outreach.campaign_{what}": ["started", "paused", "resumed", "cancelled"],
    "profit_sharing.part_{word}": ["released", "denied"],
    "promotions.campaign_{what}": ["created", "changed", "removed", "simulated", "moved"],
    "reviews.{decided.state.value}": [str(ReviewState.APPROVED), str(ReviewState.HIDDEN)],
    "stored_value.{what}": [
        *("adjusted", "adjustment_asked", "adjustment_approved", "adjustment_refused")
    ],
    "warehouse.{wish}_asked": ["erasure", "withdrawal"],
}
"""Actions made of several words, and what stands in their gap."""
NAMED = {
    "action": [
        *("payments.refund_retried", "payments.refund_redirected"),
        *("payments.refund_settled_outside", "payments.refund_closed"),
    ],
    "subject": ["person", "event"],
    "_subject(batch)": ["coupon_batch"],
}
"""What is said by name, and what that can be; a new name fails until it stands here."""


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted((ROOT / "siyu").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "audit":
                yield path, node


def _texts(node: ast.expr) -> Iterator[str]:
    """What an argument can be, as far as it is written down there."""
    if isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.JoinedStr):
        form = ast.unparse(node)[2:-1]
        for filling in COMPOSED[form]:
            yield re.sub(r"\{.*\}", filling, form)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    else:
        yield from NAMED[ast.unparse(node)]


def _actions_and_subjects() -> tuple[set[str], set[str]]:
    actions, subjects = set(), set()
    for _, call in _calls():
        for starred in (arg.value for arg in call.args if isinstance(arg, ast.Starred)):
            call.args = starred.elts if isinstance(starred, ast.Tuple) else call.args
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        actions |= set(_texts(call.args[2] if len(call.args) > 2 else given["action"]))
        subject = call.args[3] if len(call.args) > 3 else given["subject"]
        subjects |= set(_texts(subject.elts[0] if isinstance(subject, ast.Tuple) else subject))
    return actions, subjects


def _words(language: str, block: str) -> dict[str, str]:
    """The words of `audit.block`, by domain or flat, keys joined by a dot."""
    text = (ROOT / f"web/console/src/locales/{language}.ts").read_text()
    text = text[text.index("\n  audit: {") :]
    text = text[text.index(f"    {block}: {{") :]
    text = text[: text.index("\n    },") if block == "actions" else text.index("\n")]
    groups = re.findall(r"\b(\w+): \{ (.*?) \},?$", text, re.M)
    pairs = re.compile(r"\b(\w+): '((?:[^'\\]|\\.)+)'")
    if block == "actions":
        return {
            f"{group}.{key}": word for group, inner in groups for key, word in pairs.findall(inner)
        }
    return dict(pairs.findall(text))


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_console_has_words_for_every_audited_action_and_its_subject(language: str) -> None:
    actions, subjects = _actions_and_subjects()
    assert len(actions) > 150 and len(subjects) > 35, "the calls were not found"
    assert actions - _words(language, "actions").keys() == set()
    assert subjects - _words(language, "subjects").keys() == set()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_proof_page_has_words_for_every_domain_it_proves(language: str) -> None:
    text = (ROOT / f"web/console/src/locales/{language}.ts").read_text()
    text = text[text.index("\n  proof: {") :]
    told = re.findall(r"\b(\w+): '", re.search(r"    domains: \{(.*)\},", text)[1])  # type: ignore[index]
    assert set(told) == {domain.replace(" ", "_") for domain in truths.OF_A_SHOP}
