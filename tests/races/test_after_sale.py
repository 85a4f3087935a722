"""After-sale under real concurrency, through HTTP. Each race is first shown to happen unguarded."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from siyu.commerce.after_sale import background, queries
from siyu.commerce.after_sale.contracts import Case
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import RefundLine
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, transaction
from siyu.kernel.errors import SiyuError
from tests.commerce.after_sale.kit import PARCEL, Sale, events, ok, selling
from tests.commerce.ordering.kit import make_skus
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]

pytestmark = pytest.mark.xdist_group("races")
AT_ONCE = 8


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


async def together(work: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Start all at the same moment; results and exceptions, in order."""
    gate = asyncio.Barrier(len(work))

    async def one(task: Callable[[], Awaitable[Any]]) -> Any:
        await gate.wait()
        return await task()

    return await asyncio.gather(*(one(task) for task in work), return_exceptions=True)


def outcomes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(
        "ok" if answer.is_success else answer.json()["error"]["code"] for answer in answers
    )


async def received(sale: Sale) -> dict[str, Any]:
    """A case whose goods are back and wait for the money."""
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await sale.open(order, "return_refund")
    ok(await sale.act(case, "approve"))
    ok(await sale.do(case, "ship-back", PARCEL))
    ok(await sale.act(case, "receive", {"restock": "sellable"}))
    return case


# --- F028: two operators ----------------------------------------------------------------------


async def test_F028_without_the_lock_both_operators_pay(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: both see a case that waits, both decide. The number that stands in the case
    still makes it one refund at WeChat, but two decisions are noted."""
    case, gate = await received(sale), asyncio.Barrier(2)

    async def read_only(tx: Tx, case_id: UUID) -> Case | None:
        found = await queries.get_case(tx, case_id)
        await gate.wait()
        return found

    monkeypatch.setattr(queries, "lock_case", read_only)
    answers = await together([lambda: sale.act(case, "refund")] * 2)
    assert outcomes(answers) == {"ok": 2}
    assert events(await sale.see(case)).count("refund") == 2
    assert await sale.value("select count(*) from ordering.refunds") == 1


async def test_F028_the_second_operator_is_refused(sale: Sale) -> None:
    case = await received(sale)
    answers = await together([lambda: sale.act(case, "refund")] * AT_ONCE)
    assert outcomes(answers) == {"ok": 1, "after_sale.move_refused": AT_ONCE - 1}
    assert {answer.status_code for answer in answers} == {200, 409}
    await sale.money()
    assert events(await sale.see(case)).count("refund") == 1
    assert await sale.value("select sum(amount_fen) from payments.refunds") == 1990


async def test_F028_two_doors_to_one_line_give_its_money_once(sale: Sale) -> None:
    """Somebody refunds beside the case: the order's own guard stops the sum at what was paid."""
    case = await received(sale)
    order_id = UUID(case["order_id"])

    async def beside() -> str:
        try:
            async with transaction(sale.shop) as tx:
                await ordering.refund(
                    tx,
                    order_id=order_id,
                    refund_id=uuid4(),
                    lines=[RefundLine(1, 1, 1990)],
                    shipping_fen=0,
                    reason="线下",
                    restock=False,
                    actor=System(),
                )
        except SiyuError as error:
            return error.code
        return "ok"

    answer, other = await together([lambda: sale.act(case, "refund"), beside])
    done = sorted([other, "ok" if answer.is_success else answer.json()["error"]["code"]])
    assert done in (["ok", "ordering.move_refused"], ["ok", "ordering.refund_too_much"])
    assert await sale.value("select sum(amount_fen) from ordering.refunds") == 1990


# --- one piece, many wishes -------------------------------------------------------------------


async def test_without_queueing_only_the_constraint_stops_a_second_claim(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    ok(await sale.do(await sale.open(order), "withdraw"))  # so that the claims have their rows
    gate = asyncio.Barrier(2)
    real = queries.get_left_order

    async def nothing(*_: Any) -> None:
        return None

    async def meet(tx: Any, order_id: UUID) -> Any:
        found = await real(tx, order_id)
        await gate.wait()
        return found

    monkeypatch.setattr(queries, "lock_claims", nothing)
    monkeypatch.setattr(queries, "get_left_order", meet)
    answers = await together([lambda: sale.ask(order)] * 2)
    assert sorted(answer.status_code for answer in answers) == [200, 500]
    assert await sale.value("select claimed from after_sale.order_lines") == 1


async def test_one_piece_is_in_one_case(sale: Sale) -> None:
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    answers = await together([lambda: sale.ask(order)] * AT_ONCE)
    assert outcomes(answers) == {"ok": 1, "after_sale.already_claimed": AT_ONCE - 1}
    assert await sale.value("select count(*) from after_sale.cases") == 1


async def test_seven_pieces_are_in_seven_cases_with_numbers_of_their_own(sale: Sale) -> None:
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 7}, 13930)
    answers = await together([lambda: sale.ask(order, lines={1: 1})] * AT_ONCE)
    assert outcomes(answers) == {"ok": 7, "after_sale.already_claimed": 1}
    numbers = {answer.json()["case_no"] for answer in answers if answer.is_success}
    assert numbers == {f"{order['order_no']}-{number}" for number in range(1, 8)}


# --- who is first -----------------------------------------------------------------------------


@pytest.mark.parametrize("times", range(3))
async def test_approve_against_withdraw_ends_in_one_of_two_ways(sale: Sale, times: int) -> None:
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    answers = await together(
        [lambda: sale.act(case, "approve"), lambda: sale.do(case, "withdraw")] * 2
    )
    assert outcomes(answers) == {"ok": 1, "after_sale.move_refused": 3}
    await sale.money()
    state, refunds = (
        (await sale.see(case))["state"],
        await sale.value("select count(*) from payments.refunds"),
    )
    assert (state, refunds) in [("refunded", 1), ("withdrawn", 0)]
    assert await sale.stock(tea) == ((5, 0) if refunds else (4, 0))


@pytest.mark.parametrize("times", range(3))
async def test_a_cancellation_against_the_parcel_leaving(sale: Sale, times: int) -> None:
    """Goods are on hand again only if they never left."""
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)

    async def ship() -> str:
        try:
            await sale.ship(order)
        except SiyuError as error:
            return error.code
        return "shipped"

    answer, parcel = await together([lambda: sale.act(case, "approve"), ship])
    if answer.is_success and not answer.json()["is_unshipped"]:
        assert parcel == "shipped"  # approved for goods that had just left: a gift
    elif answer.is_success:
        assert parcel in ("ordering.nothing_to_ship", "ordering.move_refused")
    else:
        assert (answer.json()["error"]["code"], parcel) == ("ordering.move_refused", "shipped")
    assert await sale.stock(tea) == ((4, 0) if parcel == "shipped" else (5, 0))


async def test_time_against_staff_decides_once(sale: Sale) -> None:
    (tea,) = await make_skus(sale.shop, stock=9)
    cases = [await sale.open(await sale.buy({tea: 1}, 1990)) for _ in range(4)]
    clock.advance(timedelta(hours=49))
    await together(
        [background.meet_deadlines, background.meet_deadlines]
        + [lambda case=case: sale.act(case, "approve") for case in cases]
    )
    for case in cases:
        assert events(await sale.see(case)) == ["open", "approve"]
    assert await sale.value("select count(*) from ordering.refunds") == 4
    assert await sale.stock(tea) == (9, 0)


async def test_the_last_replacement_is_promised_once(sale: Sale) -> None:
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 4}, 7960)
    await sale.ship(order)
    cases = [await sale.open(order, "exchange", "does_not_fit", lines={1: 1}) for _ in range(4)]
    answers = await together([lambda case=case: sale.act(case, "approve") for case in cases])
    assert outcomes(answers) == {"ok": 1, "inventory.stock_short": 3}
    assert await sale.stock(tea) == (1, 1)


async def test_pieces_come_and_go_without_a_deadlock(sale: Sale) -> None:
    """Requests take an order's row before its lines; so do cases that end."""
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 8}, 15920)
    for _ in range(3):
        cases = [await sale.open(order, lines={1: 1}) for _ in range(4)]
        answers = await together(
            [lambda case=case: sale.do(case, "withdraw") for case in cases]
            + [lambda: sale.ask(order, lines={1: 1})] * 4
        )
        assert outcomes(answers) == {"ok": 8}
        for answer in answers[4:]:
            ok(await sale.do(answer.json(), "withdraw"))
    assert await sale.value("select claimed from after_sale.order_lines") == 0
