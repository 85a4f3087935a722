"""Gifts against faults.md F054 to F057; each race is first shown to happen with its guard off."""

import asyncio
import contextvars
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, get_args, get_type_hints
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import RefundLine
from siyu.commerce.ordering.service import order_view
from siyu.growth.gifting import background, contracts, http_shop, queries
from siyu.growth.gifting.contracts import EndedBy, Gift, Share
from siyu.growth.gifting.service import gift_view
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, transaction
from siyu.kernel.errors import SiyuError
from siyu.money.payments import background as payments_background
from siyu.money.payments import service as payments
from tests.growth.gifting.kit import CANARIES, CANARY, TEA, Fair, fair, ok, refused
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]

pytestmark = pytest.mark.xdist_group("races")
AT_ONCE = 6


@pytest.fixture
async def gifts(market: Market) -> AsyncIterator[Fair]:
    async with fair(market) as opened:
        yield opened


async def together(work: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Start all at the same moment; results in order."""
    gate = asyncio.Barrier(len(work))

    async def one(task: Callable[[], Awaitable[Any]]) -> Any:
        await gate.wait()
        return await task()

    return await asyncio.gather(*(one(task) for task in work))


def outcomes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(
        "ok" if answer.is_success else answer.json()["error"]["code"] for answer in answers
    )


async def turn_to(fair: Fair, before: timedelta) -> None:
    """Let the clock show so long before the end of the only gift's day."""
    left = await fair.value(
        "select accept_before - clock_timestamp() - $1::interval from gifting.gifts", clock.shift()
    )
    clock.advance(left - before)


# --- F054 -------------------------------------------------------------------------------------


async def test_F054_a_moment_before_the_end_is_in_time(gifts: Fair) -> None:
    gift, ben = await gifts.give(1), await gifts.person()
    await turn_to(gifts, timedelta(seconds=5))
    await background.return_gifts()
    ok(await gifts.accept(ben, gift))
    await gifts.later(hours=1)
    assert await gifts.states(gift) == ["accepted"]
    assert await gifts.value("select count(*) from ordering.refunds") == 0
    assert await gifts.broken() == []


async def test_F054_the_end_itself_is_too_late_even_before_the_job_runs(gifts: Fair) -> None:
    gift, ben = await gifts.give(1), await gifts.person()
    await turn_to(gifts, timedelta(0))
    assert refused(await gifts.accept(ben, gift)) == (409, "gifting.expired")
    assert ok(await gifts.open(ben, gift))["outcome"] == "expired"
    assert await gifts.states(gift) == ["waiting"]
    await background.return_gifts()
    assert await gifts.states(gift) == ["refund_pending"]
    assert await gifts.broken() == []


async def test_F054_the_database_decides_not_the_web_servers_clock(
    gifts: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that believes it is yesterday accepts nothing that the database calls over."""
    gift, ben = await gifts.give(1), await gifts.person()
    await turn_to(gifts, timedelta(0))
    turned = clock.shift()
    monkeypatch.setattr(clock, "_wall", lambda: clock._machine() - turned - timedelta(days=1))
    assert refused(await gifts.accept(ben, gift)) == (409, "gifting.expired")


async def naive_accept(fair: Fair, gift: dict[str, Any], go: asyncio.Event) -> str:
    """The control: read, decide, and write what was decided on."""
    async with transaction(fair.shop) as tx:
        found = await queries.get_gift(tx, UUID(gift["gift_id"]))
        [share] = await queries.list_shares(tx, UUID(gift["gift_id"]))
        assert found is not None and found.accept_before is not None
        in_time = share.state == "waiting" and clock.now() < found.accept_before
        await go.wait()
        return "accepted" if in_time else "late"


async def naive_expire(fair: Fair, gift: dict[str, Any]) -> str:
    async with transaction(fair.shop) as tx:
        found = await queries.get_gift(tx, UUID(gift["gift_id"]))
        [share] = await queries.list_shares(tx, UUID(gift["gift_id"]))
        assert found is not None and found.accept_before is not None
        is_over = share.state == "waiting" and clock.now() >= found.accept_before
        return "refunded" if is_over else "in time"


async def test_F054_without_the_guard_a_share_is_both(gifts: Fair) -> None:
    gift, go = await gifts.give(1), asyncio.Event()
    await turn_to(gifts, timedelta(seconds=5))
    accepting = asyncio.create_task(naive_accept(gifts, gift, go))
    await asyncio.sleep(0.2)
    clock.advance(timedelta(seconds=6))
    refunding = await naive_expire(gifts, gift)
    go.set()
    assert (await accepting, refunding) == ("accepted", "refunded")


def apart(work: Any) -> "asyncio.Task[Any]":
    """A task that does not know of the transaction around it, as another process would not."""
    return asyncio.create_task(work, context=contextvars.Context())


async def test_F054_with_it_the_second_sees_what_the_first_did(gifts: Fair) -> None:
    """The same interleaving through the real verbs: the job waits for the accept, and finds
    nothing; the other way round the accept waits, and is too late."""
    gift, ben = await gifts.give(1), await gifts.person()
    gift_id = UUID(gift["gift_id"])
    await turn_to(gifts, timedelta(seconds=5))
    async with transaction(gifts.shop) as tx:
        await queries.lock_gift(tx, gift_id)
        who = (ben.member.member_id, ben.member.person_no)
        share = await queries.move_accepted(tx, gift_id, *who, is_new_customer=False)
        assert share is not None
        clock.advance(timedelta(seconds=6))
        job = apart(background.expire_one(gifts.shop, gift_id))
        await asyncio.sleep(0.3)
        assert not job.done()
        await queries.set_consignment(tx, share, uuid4())
    await job
    assert await gifts.states(gift) == ["accepted"]

    second = await gifts.give(1)
    clock.advance(timedelta(hours=24))
    second_id = UUID(second["gift_id"])
    async with transaction(gifts.shop) as tx:
        await queries.lock_gift(tx, second_id)
        assert await queries.move_expired(tx, second_id, uuid4(), EndedBy.TIME) == [1]
        late = apart(gifts.accept(ben, second))
        await asyncio.sleep(0.3)
        assert not late.done()
    assert refused(await late) == (409, "gifting.expired")
    assert await gifts.states(second) == ["expired"]
    assert await gifts.broken() == []


async def test_F054_accepts_and_jobs_at_the_boundary(gifts: Fair) -> None:
    """Many receivers and the job run across the end of the day: every share is one or the other,
    and the money says the same."""
    gift = await gifts.give(4)
    people = [await gifts.person() for _ in range(AT_ONCE)]
    await turn_to(gifts, timedelta(milliseconds=120))

    async def job() -> None:
        for _ in range(6):
            await background.return_gifts()
            await asyncio.sleep(0.03)

    async def one(ben: Any, after: float) -> httpx.Response:
        await asyncio.sleep(after)
        return await gifts.accept(ben, gift)

    answers = await asyncio.gather(
        *(one(ben, 0.04 * n) for n, ben in enumerate(people)), job(), job()
    )
    accepted = sum(answer.is_success for answer in answers[:AT_ONCE])
    await gifts.later(hours=1)
    await gifts.money()
    states = Counter(await gifts.states(gift))
    assert states == Counter({"accepted": accepted, "refunded": 4 - accepted})
    back = await gifts.value("select coalesce(sum(amount_fen), 0) from payments.refunds")
    assert back == TEA * (4 - accepted)
    assert await gifts.value("select count(*) from fulfilment.consignments") == accepted
    assert await gifts.broken() == []


async def test_F054_giver_and_receiver_at_the_same_moment(gifts: Fair) -> None:
    for _ in range(4):
        gift, ben = await gifts.give(1), await gifts.person()
        accepting, cancelling = await together(
            [lambda: gifts.accept(ben, gift), lambda: gifts.cancel(gift)]  # noqa: B023
        )
        assert accepting.is_success != cancelling.is_success
        states = await gifts.states(gift)
        assert states == (["accepted"] if accepting.is_success else ["expired"])
    assert await gifts.broken() == []


async def test_F054_staff_refund_what_somebody_accepts(gifts: Fair) -> None:
    """Money given back beside us takes the shares with it: what is left may be accepted."""
    gift, ben = await gifts.give(2), await gifts.person()
    order_id = UUID(gift["order_id"])

    async def staff() -> str:
        try:
            async with transaction(gifts.shop) as tx:
                await ordering.refund(
                    tx,
                    order_id=order_id,
                    refund_id=uuid4(),
                    lines=[RefundLine(1, 2, 2 * TEA)],
                    shipping_fen=0,
                    reason="线下",
                    restock=True,
                    actor=System(),
                )
        except SiyuError as error:
            return error.code
        return "ok"

    accepting, refunding = await together([lambda: gifts.accept(ben, gift), staff])
    await gifts.news()
    await gifts.money()
    states = await gifts.states(gift)
    assert refunding == "ok"
    if accepting.is_success:
        # The shop gave all of it back although one was on its way: its own decision, and its loss.
        assert states == ["accepted", "refunded"]
    else:
        assert states == ["refunded", "refunded"]
        assert refused(accepting) == (409, "gifting.expired")
    assert await gifts.broken() == [] or accepting.is_success


# --- F055 -------------------------------------------------------------------------------------


async def test_F055_two_people_at_once_first_wins(gifts: Fair) -> None:
    gift = await gifts.give(1)
    people = [await gifts.person() for _ in range(AT_ONCE)]
    answers = await together([lambda ben=ben: gifts.accept(ben, gift) for ben in people])
    assert outcomes(answers) == {"ok": 1, "gifting.taken": AT_ONCE - 1}
    late = await gifts.person()
    assert ok(await gifts.open(late, gift))["outcome"] == "taken"
    assert await gifts.value("select count(*) from fulfilment.consignments") == 1
    assert await gifts.broken() == []


async def test_F055_without_the_guard_everybody_wins(
    gifts: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: no lock, and a share chosen before it is written to."""
    gift = await gifts.give(1)
    people = [await gifts.person() for _ in range(2)]
    gate, winners = asyncio.Barrier(2), []

    async def read_only(tx: Tx, link_key: str) -> Gift | None:
        return await queries.get_gift_by_key(tx, link_key)

    async def take(tx: Tx, gift_id: UUID, receiver_id: UUID, *_: Any, **__: Any) -> Share | None:
        [share] = await queries.list_shares(tx, gift_id)
        winners.append((receiver_id, share.state))
        return None

    async def no_lock(tx: Tx, order_id: UUID) -> None:
        await gate.wait()

    monkeypatch.setattr(queries, "lock_gift_by_key", read_only)
    monkeypatch.setattr(queries, "move_accepted", take)
    monkeypatch.setattr(ordering, "lock_order", no_lock)
    await together([lambda ben=ben: gifts.accept(ben, gift) for ben in people])
    assert [state for _, state in winners] == ["waiting", "waiting"]
    assert len({who for who, _ in winners}) == 2


async def test_F055_one_person_on_two_phones_takes_one(gifts: Fair) -> None:
    gift, ben = await gifts.give(3), await gifts.person()
    answers = await together([lambda: gifts.accept(ben, gift)] * AT_ONCE)
    assert outcomes(answers) == {"ok": 1, "gifting.already_accepted": AT_ONCE - 1}
    assert (await gifts.states(gift)).count("accepted") == 1
    assert await gifts.broken() == []


async def test_F055_the_giver_may_look_and_not_take(gifts: Fair) -> None:
    gift = await gifts.give(2)
    assert ok(await gifts.open(gifts.anna, gift))["outcome"] == "own_gift"
    assert refused(await gifts.accept(gifts.anna, gift)) == (403, "gifting.own_gift")
    assert await gifts.states(gift) == ["waiting", "waiting"]
    assert await gifts.value("select count(*) from gifting.visits") == 0
    assert await gifts.broken() == []


async def test_F055_a_friends_gift_forwarded_to_a_group(gifts: Fair) -> None:
    """Whoever is first has it; the others see that it is taken, and who has it is not told."""
    gift = await gifts.give(1)
    first = await gifts.person()
    ok(await gifts.accept(first, gift))
    for _ in range(2):
        other = await gifts.person()
        assert refused(await gifts.accept(other, gift)) == (409, "gifting.taken")
        seen = ok(await gifts.open(other, gift, scene="group"))
        assert (seen["outcome"], seen["taken"]) == ("taken", 1)
        assert str(first.member.member_id) not in str(seen) and seen["own_share_id"] is None


# --- F056 -------------------------------------------------------------------------------------


async def test_F056_a_refund_that_fails_is_asked_again_under_its_number(gifts: Fair) -> None:
    gift, ben = await gifts.give(1), await gifts.person()
    await gifts.market.fault("system_error", "refund.create", times=2)
    await gifts.later(hours=25)
    await payments_background.pursue_due_refunds()
    await gifts.news()
    assert await gifts.states(gift) == ["refund_pending"]
    number = await gifts.value("select refund_id from gifting.refunds")
    assert refused(await gifts.accept(ben, gift)) == (409, "gifting.expired")
    for _ in range(4):
        clock.advance(timedelta(minutes=10))
        await gifts.money()
    assert await gifts.states(gift) == ["refunded"]
    assert await gifts.value("select array_agg(refund_id) from payments.refunds") == [number]
    assert await gifts.broken() == []


async def test_F056_what_cannot_be_asked_for_stays_and_says_why(
    gifts: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    gift, ben = await gifts.give(2), await gifts.person()
    real = ordering.refund

    async def refuse(*_: Any, **__: Any) -> None:
        raise SiyuError

    monkeypatch.setattr(ordering, "refund", refuse)
    await gifts.later(hours=25)
    assert await gifts.states(gift) == ["expired", "expired"]
    assert await gifts.value("select trouble from gifting.refunds") == SiyuError.code
    number = await gifts.value("select refund_id from gifting.refunds")
    assert refused(await gifts.accept(ben, gift)) == (409, "gifting.expired")
    monkeypatch.setattr(ordering, "refund", real)
    await gifts.later(minutes=1)
    assert await gifts.states(gift) == ["expired", "expired"], "it is asked again after a while"
    asked = ok(await gifts.desk("POST", f"/{gift['gift_id']}/ask-again"))
    assert asked == {"refunds": 1}
    await gifts.later(seconds=1)
    await gifts.money()
    assert await gifts.states(gift) == ["refunded", "refunded"]
    assert await gifts.value("select array_agg(refund_id) from payments.refunds") == [number]
    assert ok(await gifts.desk("POST", f"/{gift['gift_id']}/ask-again")) == {"refunds": 0}
    assert await gifts.broken() == []


async def test_F056_what_finance_gives_up_is_still_owed_under_a_new_number(gifts: Fair) -> None:
    gift, ben = await gifts.give(1), await gifts.person()
    mchid = gifts.market.keys["mchid"]
    await gifts.market.person.order_fault("refund_closed", mchid=mchid, times=None)
    await gifts.later(hours=25)
    first = await gifts.value("select refund_id from gifting.refunds")
    for _ in range(20):
        await payments_background.pursue_due_refunds()
        await gifts.news()
        clock.advance(timedelta(minutes=12))
    await gifts.market.person.call("DELETE", "/faults")
    assert await gifts.value("select trouble from gifting.refunds") == "CLOSED"
    async with transaction(gifts.shop) as tx:
        await payments.give_up_refund(tx, first, "重新退", System())
    await gifts.news()
    assert await gifts.states(gift) == ["refund_pending"]
    assert await gifts.value("select trouble from gifting.refunds") == "closed"
    assert refused(await gifts.accept(ben, gift)) == (409, "gifting.expired")
    await gifts.later(hours=2)
    assert await gifts.value("select state from gifting.refunds") == "due", "staff decide"
    assert ok(await gifts.desk("POST", f"/{gift['gift_id']}/ask-again")) == {"refunds": 1}
    await gifts.later(seconds=1)
    await gifts.money()
    assert await gifts.states(gift) == ["refunded"]
    assert await gifts.value("select refund_id from gifting.refunds") != first
    back = "select sum(amount_fen) from payments.refunds where state = 'succeeded'"
    assert await gifts.value(back) == TEA
    assert await gifts.broken() == []


# --- F057 -------------------------------------------------------------------------------------

FORBIDDEN = {
    "address", "address_id", "phone", "receiver", "province", "city", "district", "detail",
    "carrier", "tracking_no", "parcel", "parcels", "delivery", "consignment_id", "shipment",
    "receiver_id", "receiver_no", "phone_masked",
}  # fmt: skip


def fields(kind: Any, path: str = "") -> Iterator[str]:
    """Every field a view can show, however deep."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for name, inner in get_type_hints(kind).items():
            yield f"{path}.{name}"
            yield from fields(inner, f"{path}.{name}")
    for inner in get_args(kind):
        yield from fields(inner, path)


def test_F057_no_answer_to_the_giver_has_a_field_for_where_it_goes() -> None:
    for view in (gift_view.GivenSummary, gift_view.GivenView, gift_view.GivenShareView, Gift):
        names = {one.rpartition(".")[2] for one in fields(view)}
        assert names & FORBIDDEN == set(), view
    opened = {one.rpartition(".")[2] for one in fields(gift_view.OpenView)}
    assert opened & FORBIDDEN == set(), "a link shows nobody's address either"
    events = [one for one in vars(contracts).values() if isinstance(one, type)]
    for event in events:
        if issubclass(event, contracts.Event) and event is not contracts.Event:
            assert {one.rpartition(".")[2] for one in fields(event)} & FORBIDDEN == set(), event


async def test_F057_no_table_of_gifting_has_a_column_for_it(gifts: Fair) -> None:
    columns = await gifts.value(
        """select array_agg(column_name::text) from information_schema.columns
           where table_schema = 'gifting' and column_name ~
             'address|phone|province|city|district|detail|carrier|tracking'"""
    )
    assert columns is None


async def test_F057_what_the_giver_can_ask_never_says_where_it_goes(gifts: Fair) -> None:
    """The receiver's address and parcel carry canaries; the giver asks every route there is with
    every number they could know or steal."""
    gift, ben = await gifts.give(2), await gifts.person(CANARY)
    ok(await gifts.open(ben, gift))
    share = ok(await gifts.accept(ben, gift))
    consignment_id = UUID(share["consignment_id"])
    async with transaction(gifts.shop) as tx:
        await fulfilment.send(
            tx, System(), {consignment_id: None}, carrier="顺丰速运", tracking_no="SF9988776655"
        )
    await gifts.news()
    mine = ok(await ben.send("GET", f"/gifts/received/{share['share_id']}"))
    assert "SF9988776655" in str(mine), "the canary sings to its owner"
    told = []
    for path in await reachable(gifts, gift, share):
        answer = await gifts.anna.send("GET", path)
        told.append(f"{path} {answer.status_code} {answer.text}")
    for path in ("open", "accept"):
        body = {"address_id": str(gifts.anna.address_id)} if path == "accept" else {}
        answer = await gifts.anna.send("POST", f"/gifts/links/{gift['link_key']}/{path}", body)
        told.append(answer.text)
    told.append((await gifts.cancel(gift)).text)
    for canary in CANARIES:
        assert [one for one in told if canary in one] == []
    order = ok(await gifts.anna.send("GET", f"/orders/{gift['order_id']}"))
    assert order["address"] is None and not order.get("shipment")
    assert await gifts.value("select address_sealed from ordering.orders") is None
    outbox = await gifts.value("select string_agg(payload::text, ' ') from kernel.outbox")
    assert [canary for canary in CANARIES if canary in outbox] == []


async def reachable(fair: Fair, gift: dict[str, Any], share: dict[str, Any]) -> list[str]:
    """Every reading route of the shop, with the ids of this gift in its place-holders."""
    known = {
        "gift_id": gift["gift_id"],
        "order_id": gift["order_id"],
        "share_id": share["share_id"],
        "consignment_id": share["consignment_id"],
        "link_key": gift["link_key"],
        "product_id": gift["product_id"],
    }
    from tests.growth.gifting.kit import app

    paths = []
    for route in app(fair.shop).routes:
        if "GET" not in getattr(route, "methods", ()) or not route.path.startswith("/shop/v1"):
            continue
        path = route.path.removeprefix("/shop/v1")
        for name in [part[1:-1].partition(":")[0] for part in path.split("/") if part[:1] == "{"]:
            one = next(part for part in path.split("/") if part.startswith("{" + name))
            path = path.replace(one, str(known.get(name, uuid4())))
        paths.append(path)
    assert len(paths) > 15
    return paths


def test_F057_routes_of_the_giver_answer_with_those_views() -> None:
    """A new route for givers has to take one of the views above."""
    givers = {one for one in http_shop.routes if any("given" in path for path in one.paths)}
    answers = {str(one.parsed_fn_signature.return_type.raw) for one in givers}
    assert len(givers) == 4
    for answer in answers:
        assert "Given" in answer or "Response" in answer, answer
    assert order_view.OrderView.__struct_fields__.count("address") == 1
