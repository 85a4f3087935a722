"""F006: take each refusal out of the signature check, one at a time: the tests must notice.

A mutant replaces one `raise` by nothing, or turns one condition to false. What survives would be
a way around the check that nobody sees.
"""

import ast
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from siyu.kernel.errors import SiyuError
from siyu.wechat.transport.service import signing
from tests.wechat.test_vectors import CERTIFICATE, KEY

SOURCE = Path(signing.__file__).read_text("utf-8")
CHECKED = ("verify", "verify_headers", "verify_request", "__post_init__", "pem", "remember")
NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = b'{"id":"EV-1"}'


class Remove(ast.NodeTransformer):
    """Takes the n-th refusal (or condition) of the checked functions out."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.seen, self.inside = wanted, 0, False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        before, self.inside = self.inside, node.name in CHECKED
        self.generic_visit(node)
        self.inside = before
        return node

    def _take(self) -> bool:
        self.seen += self.inside
        return self.inside and self.seen == self.wanted

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.copy_location(ast.Pass(), node) if self._take() else node

    def visit_If(self, node: ast.If) -> ast.AST:
        if self._take():
            node.test = ast.copy_location(ast.Constant(False), node.test)
        return self.generic_visit(node)


def mutants() -> Iterator[tuple[int, str]]:
    number = 1
    while True:
        remove = Remove(number)
        tree = ast.fix_missing_locations(remove.visit(ast.parse(SOURCE)))
        if remove.seen < number:
            return
        yield number, ast.unparse(tree)
        number += 1


def refusal(work: Any) -> str:
    """What a check says: a code with its reason, or "accepted"."""
    try:
        work()
    except SiyuError as error:
        return f"{error.code}:{error.details.get('reason', '')}"
    except Exception as error:
        return type(error).__name__
    return "accepted"


def behaviour(module: Any) -> list[str]:
    """What the module says to good messages and to every known attack."""

    def made(**change: Any) -> dict[str, str]:
        good = signing.signature_headers(
            BODY, serial="A", private_key_pem=KEY, timestamp=change.pop("at", AT), nonce="n"
        )
        return {name.lower(): value for name, value in good.items()} | change

    def check(headers: dict[str, str], body: bytes = BODY, nonces: Any = None) -> str:
        ring = module.KeyRing({"A": CERTIFICATE})
        return refusal(lambda: module.verify_headers(ring, headers, body, NOW, nonces))

    memory = module.NonceMemory(size=2)
    given = signing.parse_authorization(
        signing.authorization(
            "GET",
            "/v3/x",
            b"",
            mchid="1",
            serial_no="A",
            private_key_pem=KEY,
            timestamp=AT,
            nonce="n",
        )
    )

    def request(target: str = "/v3/x", now: datetime = NOW) -> str:
        return refusal(
            lambda: module.verify_request(
                given, "GET", target, b"", public_pem=CERTIFICATE, now=now
            )
        )

    return [
        check(made()),
        check(made(), BODY + b" "),
        check(made(**{"wechatpay-signature": "AAAA"})),
        check(made(**{"wechatpay-signature": "WECHATPAY/SIGNTEST/AAAA"})),
        check(made(**{"wechatpay-signature": ""})),
        check(made(**{"wechatpay-nonce": ""})),
        check(made(**{"wechatpay-serial": ""})),
        check(made(**{"wechatpay-serial": "B"})),
        check(made(**{"wechatpay-timestamp": "x"})),
        check(made(**{"wechatpay-signature-type": "NONE"})),
        check(made(at=AT - 300)),
        check(made(at=AT + 300)),
        check(made(), nonces=memory),
        check(made(), nonces=memory),
        refusal(lambda: module.KeyRing({})),
        refusal(lambda: module.KeyRing({"A": ""})),
        request(),
        request("/v3/y"),
        request(now=datetime(2026, 3, 1, 2, 5, tzinfo=UTC)),
    ]


def test_the_check_itself_behaves() -> None:
    found = behaviour(signing)
    assert [one == "accepted" for one in found].count(True) == 3, found


@pytest.mark.parametrize("mutant", [pytest.param(text, id=str(n)) for n, text in mutants()])
def test_F006_a_check_that_was_taken_out_is_noticed(mutant: str) -> None:
    module = types.ModuleType("mutant")
    exec(compile(mutant, "mutant", "exec"), module.__dict__)
    assert behaviour(module) != behaviour(signing)
