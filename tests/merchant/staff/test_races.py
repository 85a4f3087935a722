"""Staff at once: each race is first shown to happen with the guard off."""

import asyncio

import pyotp
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.crypto import vault
from siyu.kernel.db import system_transaction
from siyu.merchant.staff import queries, rules, service
from siyu.merchant.staff.contracts import Role, TooManyAttempts
from tests.merchant.lanes import PASSWORD, Lanes


async def owners(lanes: Lanes) -> list[queries.MembershipRow]:
    async with system_transaction(lanes.shop_id) as tx:
        return [row for row in await queries.lock_memberships(tx) if row.role is Role.OWNER]


async def test_control_two_owners_leaving_unlocked_leave_nobody(lanes: Lanes) -> None:
    await lanes.account(Role.OWNER)
    both = [row.staff_id for row in await owners(lanes)]
    barrier = asyncio.Barrier(2)

    async def naive(leaving: object) -> None:
        async with system_transaction(lanes.shop_id) as tx:
            count = await tx.value(
                "select count(*) from staff.memberships where shop_id = $1 and role = 'owner'",
                lanes.shop_id,
            )
            assert count == 2
            await barrier.wait()
            await tx.run("delete from staff.memberships where staff_id = $1", leaving)

    await asyncio.gather(*(naive(leaving) for leaving in both))
    assert await owners(lanes) == []


async def test_two_owners_removing_each_other_leave_one(lanes: Lanes) -> None:
    await lanes.account(Role.OWNER)
    both = [row.staff_id for row in await owners(lanes)]

    async def remove(leaving: object) -> None:
        async with system_transaction(lanes.shop_id) as tx:
            await service.remove_staff(tx, System(), leaving)  # type: ignore[arg-type]

    outcomes = await asyncio.gather(*(remove(leaving) for leaving in both), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LastOwner", "NoneType"]
    assert len(await owners(lanes)) == 1


async def test_one_code_opens_one_session_however_many_try_at_once(lanes: Lanes) -> None:
    name = await lanes.account()
    secret = pyotp.random_base32()
    async with system_transaction() as tx:
        account = await queries.get_account_by_login(tx, rules.login_key(name))
        assert account is not None
        await queries.start_totp(tx, account.staff_id, vault().seal(secret))
        await queries.confirm_totp(tx, account.staff_id, 1, clock.now())
    code = pyotp.TOTP(secret).at(int(clock.now().timestamp()))
    outcomes = await asyncio.gather(
        *(service.log_in(name, PASSWORD, code, f"198.51.100.{i}", "x") for i in range(8)),
        return_exceptions=True,
    )
    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
    assert kinds == ["BadLogin"] * 7 + ["NewSession"]


async def test_guesses_at_once_are_all_counted(lanes: Lanes) -> None:
    name = await lanes.account()
    kinds = []
    for wave in (1, 2):  # eight at once: fewer than the connections of the pool
        outcomes = await asyncio.gather(
            *(service.log_in(name, "a guess", None, f"198.51.{wave}.{i}", "x") for i in range(8)),
            return_exceptions=True,
        )
        kinds += [type(outcome).__name__ for outcome in outcomes]
    assert kinds.count("BadLogin") == rules.ATTEMPTS_PER_ACCOUNT
    assert kinds.count("TooManyAttempts") == 16 - rules.ATTEMPTS_PER_ACCOUNT
    with pytest.raises(TooManyAttempts) as refused:
        await service.log_in(name, PASSWORD, None, "198.51.100.99", "x")
    assert 0 < refused.value.retry_after <= rules.ATTEMPT_WINDOW.total_seconds()
