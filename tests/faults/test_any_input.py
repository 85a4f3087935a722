"""F065 and all its kin: whatever is sent to any route, the answer is never a 5xx.

Schemathesis makes the input from the API document itself: valid and broken bodies, queries and
paths. It is sent as the owner of a shop, and as a member, to the real application.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from siyu.app.http import create_litestar
from siyu.kernel.auth import member_token
from siyu.kernel.db import Database, system_transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from tests.commerce.ordering.kit import make_buyers, make_skus
from tests.faults.test_access_matrix import _open, _sign_in

APP: Any = create_litestar()
DOCUMENT = msgspec.json.decode(msgspec.json.encode(APP.openapi_schema.to_schema()))
# They end the session that the test speaks with, or make and fetch what leaves this machine.
LEFT_OUT = ("/admin/v1/logout", "/admin/v1/password", "/admin/v1/login")
_numbers = itertools.count(1)


def _operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = [one.ok() for one in schema.get_all_operations()]
    return [one for one in found if not one.path.startswith(LEFT_OUT)]


OPERATIONS = _operations()


@pytest.fixture(scope="module")
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as the owner of a shop and as its member, each where they belong."""
    number = next(_numbers)
    code = f"any-input-{number}"
    shop_id: ShopId = await _open(code)
    [(member, _)] = await make_buyers(shop_id, 1)
    await make_skus(shop_id)
    transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.test") as opened:
        opened.headers["Cookie"] = await _sign_in(opened, shop_id, f"any{number}")
        opened.headers["Authorization"] = f"Bearer {member_token(member)}"
        opened.headers["X-Siyu-Shop"] = code
        yield opened
    async with system_transaction() as tx:
        assert await shops.list_shops(tx), "the shop is still there"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_no_input_breaks_a_route(client: httpx.AsyncClient, operation: Any) -> None:
    strategies = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    drawn: list[Any] = []

    # Drawn first and sent afterwards: Hypothesis calls a function, our client wants a loop.
    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(strategies))
    def draw(case: Any) -> None:
        drawn.append(case)

    await asyncio.to_thread(draw)
    assert drawn
    for number, case in enumerate(drawn):
        answer = await client.request(**_request(case, number))
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["code"], "a refusal has a stable code"


def _request(case: Any, number: int) -> dict[str, Any]:
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    request: dict[str, Any] = {"method": case.method, "url": path}
    headers = {"Idempotency-Key": f"{case.method}{case.path}{number}"}
    if case.query:
        request["params"] = {
            name: value
            for name, value in dict(case.query).items()
            if isinstance(value, str | int | float | bool | list)
        }
    if isinstance(case.body, dict | list | str | int | float | bool) or case.body is None:
        if case.media_type and "multipart" in case.media_type:
            request["files"] = {"data": ("a.png", b"\x89PNG no picture", "image/png")}
        elif case.body is not None or case.media_type:
            request["json"] = case.body
    request["headers"] = headers
    return request
