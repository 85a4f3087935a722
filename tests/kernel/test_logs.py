"""F092: people's data and secrets do not reach a log, however they are put in."""

import io
import json
import logging

import asyncpg
import pytest

from siyu.kernel import logs
from siyu.kernel.db import Database
from siyu.kernel.errors import Conflict

CANARIES = (
    "13812345678",
    "张三丰",
    "oX1_openid_canary",
    "翠湖路 88 号",
    "s3cr3t-canary",
    "tea@b.cn",
)


class CupBroken(Conflict):
    code = "tests.cup_broken"


def logged(*args: object, **extra: object) -> tuple[str, dict[str, object]]:
    stream = io.StringIO()
    logger = logging.Logger("tests")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logger.addHandler(handler)
    logger.warning(*args, **extra)  # type: ignore[arg-type]
    text = stream.getvalue()
    assert text.count("\n") == 1, "one line"
    return text, json.loads(text)


def test_fields_of_people_and_secrets_are_masked() -> None:
    text, line = logged(
        "order placed",
        extra={
            "order_id": "0192",
            "phone": CANARIES[0],
            "address": {"receiver": CANARIES[1], "detail": CANARIES[3]},
            "openid": CANARIES[2],
            "headers": {"Authorization": f"Bearer {CANARIES[4]}"},
            "list": [{"nickname": CANARIES[1]}],
        },
    )
    assert [canary for canary in CANARIES if canary in text] == []
    assert line["order_id"] == "0192"


def test_what_slips_into_a_sentence_is_masked() -> None:
    text, _ = logged(
        "GET /shop/v1/products?q=13812345678 from tea@b.cn with Bearer s3cr3t-canary, 138 1234 5678"
    )
    assert [canary for canary in CANARIES if canary in text] == []
    assert "138 1234 5678" not in text


def test_an_exception_is_told_by_kind_and_place() -> None:
    try:
        raise ValueError(f"no such customer {CANARIES[1]}")
    except ValueError as error:
        text, line = logged("failed", exc_info=error)
    assert CANARIES[1] not in text
    assert str(line["error"]).startswith("ValueError at tests/kernel/test_logs.py:")


async def test_a_database_error_does_not_quote_the_row(database: Database) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute("create temp table people (phone text primary key)")
        with pytest.raises(asyncpg.UniqueViolationError) as failure:
            await connection.execute(
                f"insert into people values ('{CANARIES[0]}'), ('{CANARIES[0]}')"
            )
        await connection.execute("drop table people")
    text, line = logged("failed", exc_info=failure.value)
    assert CANARIES[0] not in text
    assert "people_pkey" in str(line["error"])


def test_a_refusal_is_told_by_its_code() -> None:
    assert logs.describe(CupBroken(name=CANARIES[1])) == "CupBroken tests.cup_broken"


def test_the_request_is_named() -> None:
    mark = logs.request_id.set("r-1")
    try:
        assert logged("x")[1]["request_id"] == "r-1"
    finally:
        logs.request_id.reset(mark)


def test_a_wrong_format_does_not_lose_the_line() -> None:
    assert logged("%d cups", "two")[1]["message"] == "%d cups"
