"""F129: the same key again, on a small app over the real tables."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx
import msgspec
import pytest

from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity, ShopIdentity, StaffIdentity, member_token
from siyu.kernel.db import Database, reading, transaction
from siyu.kernel.errors import Conflict
from siyu.kernel.http import MEMBER, OnceKey, build_app, post
from siyu.kernel.ids import ShopId


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    count: int
    refuse: bool = False
    wait: float = 0


class Done(msgspec.Struct, frozen=True):
    run: int


runs: list[int] = []


@post("/work", access=MEMBER)
async def work(data: Body, member: MemberIdentity, once: OnceKey) -> Done:
    async with transaction(member.shop_id, once=once) as tx:
        runs.append(data.count)
        if data.refuse:
            raise Conflict
        await asyncio.sleep(data.wait)
        return tx.answer(Done(len(runs)))


class Hooks:
    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        return None


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    runs.clear()
    transport = httpx.ASGITransport(build_app([work], Hooks()))
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.test") as made:
        yield made


def headers(shop: ShopId, key: str | None, person: int = 1) -> dict[str, str]:
    member = MemberIdentity(shop, uuid4() if person == 0 else FIXED[person], person)
    made = {"Authorization": f"Bearer {member_token(member)}"}
    return made if key is None else {**made, "Idempotency-Key": key}


FIXED = {1: uuid4(), 2: uuid4()}


async def test_F129_a_replay_gets_the_first_answer(client: httpx.AsyncClient, shop: ShopId) -> None:
    first = await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
    again = await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
    assert first.json() == again.json() == {"run": 1}
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert runs == [5]


async def test_F129_another_body_under_the_key_is_refused(
    client: httpx.AsyncClient, shop: ShopId
) -> None:
    await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
    other = await client.post("/work", json={"count": 6}, headers=headers(shop, "k"))
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency.key_reused")
    assert runs == [5]


async def test_F129_while_the_first_runs_the_second_is_told(
    client: httpx.AsyncClient, shop: ShopId
) -> None:
    body = {"count": 5, "wait": 0.3}
    first = asyncio.create_task(client.post("/work", json=body, headers=headers(shop, "k")))
    await asyncio.sleep(0.1)
    second = await client.post("/work", json=body, headers=headers(shop, "k"))
    assert (second.status_code, second.json()["error"]["code"]) == (
        409,
        "idempotency.still_running",
    )
    assert (await first).json() == {"run": 1}
    third = await client.post("/work", json=body, headers=headers(shop, "k"))
    assert third.json() == {"run": 1}
    assert runs == [5]


async def test_F129_of_64_at_once_one_runs(client: httpx.AsyncClient, shop: ShopId) -> None:
    answers = await asyncio.gather(
        *(client.post("/work", json={"count": 5}, headers=headers(shop, "k")) for _ in range(64))
    )
    assert runs == [5]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert all(answer.json() == {"run": 1} for answer in answers if answer.status_code == 200)


async def test_F129_after_a_day_the_key_is_new(client: httpx.AsyncClient, shop: ShopId) -> None:
    await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
    with clock.turned(clock.now() + timedelta(hours=23, minutes=59)):
        kept = await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
        assert kept.json() == {"run": 1}
    with clock.turned(clock.now() + timedelta(hours=24, seconds=1)):
        new = await client.post("/work", json={"count": 6}, headers=headers(shop, "k"))
    assert new.json() == {"run": 2}
    assert runs == [5, 6]


@pytest.mark.parametrize("key", [None, "", "x" * 256, "x" * 300, "a\tb"])
async def test_F129_a_key_must_be_usable(
    client: httpx.AsyncClient, shop: ShopId, key: str | None
) -> None:
    answer = await client.post("/work", json={"count": 5}, headers=headers(shop, key))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency.key_invalid")
    assert runs == []


async def test_F129_keys_of_two_people_and_two_shops_never_meet(
    client: httpx.AsyncClient, shop: ShopId, database: Database
) -> None:
    await client.post("/work", json={"count": 5}, headers=headers(shop, "k", person=1))
    await client.post("/work", json={"count": 6}, headers=headers(shop, "k", person=2))
    elsewhere = ShopId(shop + 100_000)
    await client.post("/work", json={"count": 7}, headers=headers(elsewhere, "k", person=1))
    assert runs == [5, 6, 7]


async def test_F129_a_refused_request_keeps_nothing(
    client: httpx.AsyncClient, shop: ShopId
) -> None:
    refused = await client.post(
        "/work", json={"count": 5, "refuse": True}, headers=headers(shop, "k")
    )
    assert refused.status_code == 409
    async with reading(shop) as tx:
        assert await tx.value("select count(*) from kernel.idempotency") == 0
    done = await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
    assert done.json() == {"run": 2}


async def test_F092_the_stored_answer_is_sealed(client: httpx.AsyncClient, shop: ShopId) -> None:
    await client.post("/work", json={"count": 5}, headers=headers(shop, "k"))
    async with reading(shop) as tx:
        stored = await tx.value("select answer from kernel.idempotency")
    assert b"run" not in stored
