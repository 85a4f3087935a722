"""The proof: trial balance, every truth of every domain, and the story of an order's money.

One function for the console's page, for `siyu prove` and for whoever doubts: it reads what is
there now and trusts no earlier run.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Request

from siyu.app import truths
from siyu.commerce.ordering import queries as orders
from siyu.kernel import clock
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import ReadTx, reading, system_transaction
from siyu.kernel.errors import NotFound
from siyu.kernel.http import get, staff
from siyu.kernel.i18n import Language, language_of
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import ShopNotFound
from siyu.money.ledger import rules as ledger_rules
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Sentence, TrialBalance


class Check(msgspec.Struct, frozen=True):
    """One truth: `violations` rows contradict it (state `broken`), or none does (`ok`)."""

    domain: str
    name: str
    state: Literal["ok", "broken"]
    violations: int


class Story(msgspec.Struct, frozen=True):
    """The money of the order that was asked for."""

    order_no: str
    order_id: UUID
    sentences: list[Sentence]


class Proof(msgspec.Struct, frozen=True):
    """What was found in a shop (`shop` None: in the installation) at `as_of`.

    `line` is the verdict in one sentence: "balanced, 0 violations", or what is not.
    """

    shop: str | None
    as_of: datetime
    trial_balance: TrialBalance | None
    checks: list[Check]
    violations: int
    is_balanced: bool
    line: str
    story: Story | None


class OrderUnknown(NotFound):
    """No shop that was asked has an order of this number."""

    code = "prove.order_unknown"
    zh = "没有订单 {order_no}"
    en = "There is no order {order_no}"


async def prove(
    shop_code: str | None = None, order_no: str | None = None, language: Language = "zh-CN"
) -> list[Proof]:
    """Prove one shop, or the installation and all its shops. Opens its own transactions.

    Raises ShopNotFound, OrderUnknown.
    """
    proofs = []
    async with system_transaction() as tx:
        wanted = [one for one in await shops.list_shops(tx) if shop_code in (None, one.code)]
        if shop_code is None:
            proofs.append(_proof(None, None, await _check(tx, truths.OF_THE_INSTALLATION)))
        elif not wanted:
            raise ShopNotFound(shop_code=shop_code)
    for shop in wanted:
        async with reading(ShopId(shop.shop_id)) as read:
            proofs.append(await _prove_shop(read, shop.code, order_no, language))
    if order_no and not any(proof.story for proof in proofs):
        raise OrderUnknown(order_no=order_no)
    return proofs


def summary(proofs: list[Proof]) -> str:
    """The last line of `siyu prove` over all that was proven."""
    if len(proofs) == 1:
        return proofs[0].line
    wrong = [f"{one.shop or 'installation'}: {one.line}" for one in proofs if one.violations]
    total = sum(proof.violations for proof in proofs)
    return "; ".join([*wrong, f"{total} violations"]) if wrong else "balanced, 0 violations"


async def _prove_shop(tx: ReadTx, code: str, order_no: str | None, language: Language) -> Proof:
    trial = ledger_rules.trial_balance(await ledger.list_accounts(tx), language)
    checks = await _check(tx, truths.OF_A_SHOP)
    return _proof(code, trial, checks, await _tell(tx, order_no, language) if order_no else None)


async def _check(tx: ReadTx, listed: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        Check(one.domain, one.truth, "broken" if one.rows else "ok", one.rows)
        for one in await truths.ask(tx, None, listed)
    ]


async def _tell(tx: ReadTx, order_no: str, language: Language) -> Story | None:
    found = await orders.list_orders(tx, orders.OrderFilter(order_no=order_no), None, 1)
    if not found:
        return None
    order_id = found[0].order_id
    return Story(order_no, order_id, await ledger.tell_order(tx, order_id, language))


def _proof(
    shop: str | None, trial: TrialBalance | None, checks: list[Check], story: Story | None = None
) -> Proof:
    wrong = [f"{one.domain}: {one.name} ({one.violations})" for one in checks if one.violations]
    totals = trial.totals if trial else []
    off = [f"{one.asset} is off by {one.debit - one.credit}" for one in totals if not one.is_even]
    violations = sum(one.violations for one in checks) + len(off)
    verdict = f"not balanced: {', '.join(off)}" if off else "balanced"
    return Proof(
        shop=shop,
        as_of=clock.now(),
        trial_balance=trial,
        checks=checks,
        violations=violations,
        is_balanced=not off,
        line=f"{'; '.join([verdict, *wrong])}{'; ' if wrong else ', '}{violations} violations",
        story=story,
    )


@get("/proof", access=staff("money.read"))
async def show_proof(staff: StaffIdentity, request: Request[Any, Any, Any]) -> Proof:
    """The proof of this shop, made now: every row is looked at, nothing is remembered."""
    async with reading(staff.shop_id) as tx:
        code = (await shops.get_shop(tx)).code
        language = language_of(request.headers.get("accept-language"))
        return await _prove_shop(tx, code, None, language)


routes = [show_proof]
