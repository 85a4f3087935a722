"""What the command line and the worker do with staff, and the memory of proven sessions."""

from uuid import UUID

import argon2
import pytest

from siyu.kernel import clock, db
from siyu.kernel.audit import System
from siyu.kernel.db import system_transaction
from siyu.merchant.staff import background, queries, rules, service
from siyu.merchant.staff.contracts import (
    BadLogin,
    LastOwner,
    LoginNameTaken,
    Role,
    StaffNotFound,
    TotpAlreadyOn,
    WeakPassword,
)
from tests.merchant.lanes import PASSWORD, Lanes


async def add(lanes: Lanes, name: str, role: Role, password: str = PASSWORD) -> UUID:
    hashed = await service.hash_password(password, name)
    async with system_transaction(lanes.shop_id) as tx:
        return await service.add_staff(
            tx, System(), login_name=name, name="掌柜", password_hash=hashed, role=role
        )


async def test_owner_is_made_from_the_command_line(lanes: Lanes) -> None:
    name = f"boss-{lanes.shop_id}"
    made = await add(lanes, name, Role.OWNER)
    session = await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")
    assert session.signed_in.staff.staff_id == made
    with pytest.raises(LoginNameTaken):
        await add(lanes, name, Role.OWNER)
    with pytest.raises(WeakPassword):
        await add(lanes, "somebody", Role.OWNER, "owner")


async def test_the_first_of_a_shop_is_an_owner(lanes: Lanes) -> None:
    async with system_transaction() as tx:
        await tx.run("delete from staff.memberships where shop_id = $1", lanes.shop_id)
    with pytest.raises(LastOwner):
        await add(lanes, "a.clerk", Role.CLERK)
    async with system_transaction() as tx:
        assert await queries.get_account_by_login(tx, "a.clerk") is None


async def test_old_hashes_are_renewed_at_the_next_log_in(lanes: Lanes) -> None:
    name = await lanes.account()
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    async with system_transaction() as tx:
        account = await queries.get_account_by_login(tx, rules.login_key(name))
        assert account is not None
        await queries.update_password(tx, account.staff_id, old)
    await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")
    async with system_transaction() as tx:
        renewed = (await queries.get_account(tx, account.staff_id)).password_hash
    assert renewed != old and "m=19456,t=2,p=1" in renewed
    await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")


async def test_proof_is_one_query_and_remembered(lanes: Lanes) -> None:
    name = await lanes.account()
    session = await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")
    await service.load_staff("warm up the shop", lanes.code)
    with db.recorded() as trips:
        first = await service.load_staff(session.token, lanes.code)
        again = await service.load_staff(session.token, lanes.code)
    assert first == again and first is not None
    assert first.permissions == rules.PERMISSIONS[Role.OWNER]
    assert len(trips) == 3, "begin, one query, commit; then nothing"
    assert await service.load_staff("x" * 10_000, lanes.code) is None
    assert await service.load_staff(session.token, "x" * 10_000) is None
    nowhere = await service.load_staff(session.token, None)
    assert nowhere is not None
    assert (nowhere.shop_id, nowhere.permissions) == (0, frozenset())
    elsewhere = await service.load_staff(session.token, "no-such-shop")
    assert elsewhere is not None
    assert (elsewhere.shop_id, elsewhere.permissions) == (0, frozenset())


async def test_second_factor_in_force_is_not_replaced(lanes: Lanes) -> None:
    name = await lanes.account()
    session = await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")
    staff = await service.load_staff(session.token, lanes.code)
    assert staff is not None
    async with system_transaction(lanes.shop_id) as tx:
        secret, _ = await service.start_totp(tx, staff)
        await queries.confirm_totp(tx, staff.staff_id, 1, clock.now())
    with pytest.raises(TotpAlreadyOn):
        async with system_transaction(lanes.shop_id) as tx:
            await service.start_totp(tx, staff)
    with pytest.raises(BadLogin):
        await service.log_in(name, PASSWORD, "000000", "127.0.0.1", "x")
    assert len(secret) == 32


async def test_nobody_of_the_shop_is_not_found(lanes: Lanes) -> None:
    name = await lanes.account()
    session = await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")
    staff = await service.load_staff(session.token, lanes.code)
    assert staff is not None
    stranger = staff.session_id  # an id, and nobody's
    async with system_transaction(lanes.shop_id) as tx:
        with pytest.raises(StaffNotFound):
            await service.edit_staff(tx, staff, stranger, role=Role.CLERK)
        with pytest.raises(StaffNotFound):
            await service.remove_staff(tx, staff, stranger)


async def test_worker_forgets_what_ended(lanes: Lanes) -> None:
    name = await lanes.account()
    await service.log_in(name, PASSWORD, None, "127.0.0.1", "x")
    with pytest.raises(BadLogin):
        await service.log_in(name, "a guess", None, "127.0.0.1", "x")

    async def left() -> tuple[int, int]:
        async with system_transaction() as tx:
            sessions = await tx.value(
                """select count(*) from staff.sessions join staff.accounts using (staff_id)
                   where login_name = $1""",
                name,
            )
            return sessions, await tx.value(
                "select count(*) from staff.attempts where started_at <= $1", clock.now()
            )

    before = await left()
    assert before[0] == 1 and before[1] > 0
    await background.forget_old()
    assert await left() == before
    with clock.turned(clock.now() + rules.SESSION_IDLES * 1.1):
        await background.forget_old()
        assert await left() == (0, 0)
