"""Reviews under real concurrency, through HTTP. Each race is first shown to happen unguarded."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from siyu.commerce.reviews import queries, rules
from siyu.commerce.reviews.service import pictures
from siyu.kernel.db import Tx
from siyu.kernel.ids import ShopId
from tests.commerce.reviews.kit import Street, customers, ok, open_street

pytestmark = pytest.mark.xdist_group("races")
AT_ONCE = 8


@pytest.fixture
async def street(shop: ShopId) -> AsyncIterator[Street]:
    async with open_street(shop, skus=1) as street:
        yield street


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


async def figures(street: Street) -> dict[str, Any]:
    page = await street.shown(await street.product_of(street.skus[0]))
    return dict(page["figures"])


async def waiting(street: Street, count: int) -> list[str]:
    """Reviews of 1..5 stars that wait to be let through."""
    ids = []
    for place, writer in enumerate(await customers(street, count)):
        order = await street.received(writer, street.skus[0])
        ids.append(ok(await street.review(writer, order, stars=place % 5 + 1))["review_id"])
    return ids


async def test_figures_that_are_read_and_written_lose_reviews(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: whoever reads the figures, adds and writes them back overwrites the others."""
    gate = asyncio.Barrier(2)

    async def counted_anew(tx: Tx, product_id: UUID, moves: rules.Moves) -> None:
        before = await queries.get_figures(tx, product_id)
        await gate.wait()
        after = [have + add for have, add in zip(before.star_counts, moves.stars, strict=True)]
        await tx.run(
            """insert into reviews.figures
                 (shop_id, product_id, star_1, star_2, star_3, star_4, star_5)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (shop_id, product_id) do update set star_1 = excluded.star_1,
                 star_2 = excluded.star_2, star_3 = excluded.star_3, star_4 = excluded.star_4,
                 star_5 = excluded.star_5""",
            tx.shop_id,
            product_id,
            *after,
        )

    monkeypatch.setattr(queries, "move_figures", counted_anew)
    ids = await waiting(street, 2)
    answers = await together([lambda one=one: street.approve(one) for one in ids])
    assert outcomes(answers) == {"ok": 2}
    assert (await figures(street))["count"] == 1
    assert "a product's figures are those of its shown reviews" in await street.broken()


async def test_figures_count_every_review_exactly(street: Street) -> None:
    ids = await waiting(street, AT_ONCE)
    answers = await together([lambda one=one: street.approve(one) for one in ids])
    assert outcomes(answers) == {"ok": AT_ONCE}
    assert (await figures(street))["star_counts"] == [2, 2, 2, 1, 1]
    mixed = [
        (lambda one=one: street.hide(one)) if place % 2 else (lambda one=one: street.approve(one))
        for place, one in enumerate(ids)
    ]
    await together(mixed)
    shown = await street.value("select count(*) from reviews.reviews where is_shown")
    assert (await figures(street))["count"] == shown == AT_ONCE // 2
    assert await street.broken() == []


async def test_two_staff_decide_once(street: Street) -> None:
    (review_id,) = await waiting(street, 1)
    seen = await street.seen(review_id)
    answers = await together(
        [lambda: street.act(review_id, "approve", seen) for _ in range(AT_ONCE)]
    )
    assert outcomes(answers) == {"ok": 1, "reviews.decision_refused": AT_ONCE - 1}
    assert (await figures(street))["count"] == 1
    assert await street.broken() == []


async def test_a_decision_and_an_edit_stand_in_a_row(street: Street) -> None:
    (writer,) = await customers(street, 1)
    made = ok(await street.review(writer, await street.received(writer, street.skus[0])))
    seen = await street.seen(made["review_id"])
    body = {"stars": 1, "text": "没人读过的话"}
    await together([
        lambda: street.act(made["review_id"], "approve", seen),
        lambda: street.send(writer, "PUT", f"/reviews/{made['review_id']}", body),
    ])  # fmt: skip
    assert await street.value("select state || text from reviews.posts") == "waiting没人读过的话"
    assert (await figures(street))["count"] == 0
    assert await street.broken() == []


async def test_one_line_gets_one_review(street: Street) -> None:
    (writer,) = await customers(street, 1)
    order = await street.received(writer, street.skus[0])
    answers = await together([lambda: street.review(writer, order) for _ in range(AT_ONCE)])
    assert outcomes(answers) == {"ok": 1, "reviews.already_reviewed": AT_ONCE - 1}
    assert await street.broken() == []


async def test_one_picture_goes_into_one_review(street: Street) -> None:
    (writer,) = await customers(street, 1)
    picture = await street.uploaded(writer)
    orders = [await street.received(writer, street.skus[0]) for _ in range(4)]
    answers = await together(
        [lambda one=one: street.review(writer, one, picture_ids=[picture]) for one in orders]
    )
    assert outcomes(answers) == {"ok": 1, "reviews.picture_not_found": 3}
    assert await street.broken() == []
    assert pictures.picture_file(street.shop, UUID(picture), 200).is_file()


async def test_a_vote_counts_once_however_often_it_is_sent(street: Street) -> None:
    await street.decide(checking="words")
    (writer, *readers) = await customers(street, 4)
    made = ok(await street.review(writer, await street.received(writer, street.skus[0])))
    path = f"/reviews/{made['review_id']}/helpful"
    answers = await together([
        lambda who=who: street.send(who, "PUT", path, {"helpful": True})
        for who in readers * 3
    ])  # fmt: skip
    assert outcomes(answers) == {"ok": 9}
    assert await street.value("select helpful_count from reviews.reviews") == 3
    assert await street.broken() == []
