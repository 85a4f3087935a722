"""Verbs of the staff domain. A `tx` here is a system transaction: accounts belong to no shop."""

import hashlib
import secrets
from functools import cache
from uuid import UUID

import anyio
import argon2
import pyotp

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, system_transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import queries, rules
from siyu.merchant.staff.contracts import (
    Account,
    BadLogin,
    Colleague,
    LastOwner,
    LoginNameTaken,
    NewSession,
    NotYoursAlone,
    Role,
    Session,
    SignedIn,
    SignInAgain,
    StaffNotFound,
    TooManyAttempts,
    TotpAlreadyOn,
    TotpNeeded,
    TotpNotStarted,
    WeakPassword,
    Workplace,
)

RESEALED_AT_ONCE = 500
CACHE_SECONDS = 5.0
"""How long a proven session is believed without asking again; so long lives a right taken away."""
_CACHE_MAX = 5_000
_proven: dict[tuple[bytes, str | None], tuple[float, StaffIdentity]] = {}

# OWASP's least parameters for argon2id (password storage cheat sheet): 19 MiB, 2 passes, 1 lane.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _hashing() -> anyio.CapacityLimiter:
    """Two hashes at once in a process: guessing may cost patience, not memory."""
    return anyio.CapacityLimiter(2)


@cache
def _nobody() -> str:
    """A hash no password opens, for names that do not exist: they must cost the same time."""
    return _hasher.hash(secrets.token_urlsafe(32))


async def hash_password(password: str, login_name: str) -> str:
    """An argon2id hash, made in a thread; outside any transaction. Raises WeakPassword."""
    rules.check_password(password, login_name)
    return await anyio.to_thread.run_sync(_hasher.hash, password, limiter=_hashing())


async def _matches(hashed: str | None, password: str) -> bool:
    def verify() -> bool:
        try:
            return _hasher.verify(hashed or _nobody(), password) and hashed is not None
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    return await anyio.to_thread.run_sync(verify, limiter=_hashing())


def _hash_token(token: str) -> bytes:
    # The token has 256 random bits: a plain hash cannot be guessed back.
    return hashlib.sha256(token.encode()).digest()


# --- attempts ---------------------------------------------------------------------------------


def _subjects(login_name: str, ip: str) -> tuple[bytes, bytes]:
    lookup = vault().lookup
    return (
        lookup(f"staff account {rules.login_key(login_name)}"),
        lookup(f"staff address {rules.network_of(ip)}"),
    )


async def _count_attempt(account: bytes, address: bytes) -> None:
    """Count before checking, so that a thousand guesses at once are a thousand counts (F086)."""
    now = clock.now()
    limits = {account: rules.ATTEMPTS_PER_ACCOUNT, address: rules.ATTEMPTS_PER_ADDRESS}
    async with system_transaction() as tx:
        counted = await queries.count_attempt(tx, list(limits), now, now - rules.ATTEMPT_WINDOW)
    waits = [
        row.started_at + rules.ATTEMPT_WINDOW - now
        for row in counted
        if row.failures > limits[row.subject]
    ]
    if waits:
        raise TooManyAttempts(retry_after=max(1, int(max(waits).total_seconds())))


# --- sessions ---------------------------------------------------------------------------------


async def log_in(
    login_name: str, password: str, totp: str | None, ip: str, user_agent: str
) -> NewSession:
    """Prove who somebody is and start a session. Opens its own transactions, none while hashing.

    totp: the code of the authenticator app, for accounts that have one; a code counts once.
    Raises BadLogin (the same for an unknown name), TotpNeeded, TooManyAttempts.
    """
    account_subject, address_subject = _subjects(login_name, ip)
    await _count_attempt(account_subject, address_subject)
    async with system_transaction() as tx:
        account = await queries.get_account_by_login(tx, rules.login_key(login_name))
    hashed = None if account is None else account.password_hash
    if not await _matches(hashed, password) or account is None:
        raise BadLogin
    rehashed = None
    if _hasher.check_needs_rehash(account.password_hash):
        rehashed = await anyio.to_thread.run_sync(_hasher.hash, password, limiter=_hashing())
    token = secrets.token_urlsafe(32)
    now = clock.now()
    async with system_transaction() as tx:
        signed_in = await _signed_in(tx, account)
        if not signed_in.shops:
            raise BadLogin
        if account.totp_confirmed_at is not None:
            await _use_totp(tx, account, totp)
        if rehashed is not None:
            await queries.update_password(tx, account.staff_id, rehashed)
        expires_at = now + rules.SESSION_LASTS
        await queries.insert_session(
            tx,
            session_id=new_id(),
            staff_id=account.staff_id,
            token_hash=_hash_token(token),
            ip=ip[:64],
            user_agent=user_agent[:300],
            at=now,
            expires_at=expires_at,
        )
        await queries.forgive_attempt(tx, account_subject, address_subject)
    return NewSession(token, expires_at, signed_in)


async def _use_totp(tx: Tx, account: queries.AccountRow, code: str | None) -> None:
    if code is None:
        raise TotpNeeded
    assert account.totp_sealed is not None
    secret = vault().open(account.totp_sealed)
    step = rules.totp_step(secret, code, clock.now().timestamp())
    if step is None or not await queries.use_totp_step(tx, account.staff_id, step):
        raise BadLogin


async def _signed_in(tx: ReadTx, account: queries.AccountRow) -> SignedIn:
    known = {shop.shop_id: shop for shop in await shops.list_shops(tx)}
    workplaces = [
        Workplace(
            code=known[membership.shop_id].code,
            name=known[membership.shop_id].name,
            role=membership.role,
            permissions=sorted(rules.permissions_of(membership.role)),
            currency=known[membership.shop_id].currency,
            time_zone=known[membership.shop_id].time_zone,
        )
        for membership in await queries.list_memberships_of(tx, account.staff_id)
    ]
    totp_enabled = account.totp_confirmed_at is not None
    return SignedIn(
        Account(account.staff_id, account.name, account.login_name, totp_enabled),
        workplaces,
        totp_advised=not totp_enabled
        and any(not rules.MONEY_PERMISSIONS.isdisjoint(w.permissions) for w in workplaces),
    )


async def load_staff(token: str, shop_code: str | None) -> StaffIdentity | None:
    """Whom a session token speaks for, with what they may do in that shop; None: log in again.

    shop_id is 0 and nothing is permitted where the shop is unknown or they do not work in it.
    Believed for CACHE_SECONDS; opens its own transaction, one query.
    """
    if len(token) > 200 or (shop_code is not None and len(shop_code) > 64):
        return None
    key = (_hash_token(token), shop_code)
    known = _proven.get(key)
    if known and known[0] > clock.monotonic():
        return known[1]
    shop = await shops.resolve_shop(shop_code) if shop_code else None
    now = clock.now()
    async with system_transaction() as tx:
        proof = await queries.get_proof(
            tx,
            key[0],
            shop.shop_id if shop else 0,
            now=now,
            idle_since=now - rules.SESSION_IDLES,
            note_before=now - rules.SEEN_EVERY,
        )
    if proof is None:
        _proven.pop(key, None)
        return None
    found = StaffIdentity(
        staff_id=proof.staff_id,
        session_id=proof.session_id,
        shop_id=shop.shop_id if shop and proof.role else ShopId(0),
        name=proof.name,
        permissions=rules.permissions_of(proof.role),
    )
    if len(_proven) >= _CACHE_MAX:
        _proven.clear()
    _proven[key] = (clock.monotonic() + CACHE_SECONDS, found)
    return found


def _forget() -> None:
    """Rights changed: believe nothing proven before (other processes follow in CACHE_SECONDS)."""
    _proven.clear()


async def get_signed_in(tx: ReadTx, staff: StaffIdentity) -> SignedIn:
    """Who is signed in, and where they work."""
    return await _signed_in(tx, await queries.get_account(tx, staff.staff_id))


async def list_sessions(tx: ReadTx, staff: StaffIdentity) -> list[Session]:
    """The living sessions of the account, the last seen first."""
    now = clock.now()
    return await queries.list_sessions(tx, staff.staff_id, now, now - rules.SESSION_IDLES)


async def end_session(tx: Tx, staff: StaffIdentity, session_id: UUID) -> None:
    """End one of the account's own sessions (this one: log out). Raises StaffNotFound."""
    if not await queries.delete_session(tx, staff.staff_id, session_id):
        raise StaffNotFound
    _forget()


async def _must_be_fresh(tx: ReadTx, staff: StaffIdentity) -> None:
    started = await queries.get_session_start(tx, staff.session_id)
    if started is None or started + rules.FRESH_FOR < clock.now():
        raise SignInAgain


async def change_password(staff: StaffIdentity, current: str, new: str, ip: str) -> None:
    """Set one's own password and end all other sessions. Opens its own transactions.

    Raises BadLogin for a wrong current one, WeakPassword, TooManyAttempts.
    """
    async with system_transaction() as tx:
        account = await queries.get_account(tx, staff.staff_id)
    subjects = _subjects(account.login_name, ip)
    await _count_attempt(*subjects)
    if not await _matches(account.password_hash, current):
        raise BadLogin
    hashed = await hash_password(new, account.login_name)
    async with system_transaction(staff.shop_id) as tx:
        await queries.update_password(tx, staff.staff_id, hashed)
        await queries.delete_sessions(tx, staff.staff_id, but=staff.session_id)
        await queries.forgive_attempt(tx, *subjects)
        audit(tx, staff, "staff.password_changed", ("staff", staff.staff_id))
    _forget()


# --- second factor ----------------------------------------------------------------------------


async def start_totp(tx: Tx, staff: StaffIdentity) -> tuple[str, str]:
    """A fresh TOTP secret and its otpauth:// address for the authenticator app.

    It counts once confirmed. Raises SignInAgain; TotpAlreadyOn while another is in force.
    """
    await _must_be_fresh(tx, staff)
    account = await queries.get_account(tx, staff.staff_id)
    secret = pyotp.random_base32()
    if not await queries.start_totp(tx, staff.staff_id, vault().seal(secret)):
        raise TotpAlreadyOn
    return secret, pyotp.TOTP(secret).provisioning_uri(name=account.login_name, issuer_name="siyu")


async def confirm_totp(tx: Tx, staff: StaffIdentity, code: str) -> None:
    """Put the second factor in force with its first code. Raises BadLogin, TotpNotStarted."""
    account = await queries.get_account(tx, staff.staff_id)
    if account.totp_sealed is None or account.totp_confirmed_at is not None:
        raise TotpNotStarted
    now = clock.now()
    step = rules.totp_step(vault().open(account.totp_sealed), code, now.timestamp())
    if step is None or not await queries.confirm_totp(tx, staff.staff_id, step, now):
        raise BadLogin
    audit(tx, staff, "staff.totp_enabled", ("staff", staff.staff_id))


async def remove_totp(tx: Tx, staff: StaffIdentity) -> None:
    """Put one's own second factor out of force. Raises SignInAgain."""
    await _must_be_fresh(tx, staff)
    if await queries.remove_totp(tx, staff.staff_id):
        audit(tx, staff, "staff.totp_removed", ("staff", staff.staff_id))


# --- who works here ---------------------------------------------------------------------------


async def reseal_totp() -> int:
    """Seal TOTP secrets again that an older key sealed (F093); how many. Opens its own
    transactions; both keys open meanwhile, so nobody is locked out."""
    done, count = 0, RESEALED_AT_ONCE
    while count == RESEALED_AT_ONCE:
        async with system_transaction() as tx:
            rows = await queries.lock_old_totps(tx, vault().newest, RESEALED_AT_ONCE)
            for row in rows:
                secret = vault().open(row.totp_sealed)
                await queries.move_totp(tx, row.staff_id, vault().seal(secret))
        count = len(rows)
        done += count
    return done


async def list_colleagues(tx: ReadTx) -> list[Colleague]:
    """Everybody who works in the shop of the transaction."""
    return await queries.list_colleagues(tx)


async def count_who_may(tx: ReadTx, permission: str) -> int:
    """How many people of the shop have a permission."""
    return await queries.count_roles(
        tx, [role for role in Role if permission in rules.PERMISSIONS[role]]
    )


async def add_staff(
    tx: Tx, actor: Actor, *, login_name: str, name: str, password_hash: str | None, role: Role
) -> UUID:
    """Let somebody work in the shop of the transaction; returns their staff_id.

    password_hash: from `hash_password`, for a new account; None for somebody who already works in
    another shop that the actor owns (the system may name anybody).
    Raises LoginNameTaken, WeakPassword (a new account without password), BadLoginName, BadName,
    LastOwner (the first one must be an owner).
    """
    login_name, name = rules.check_login_name(login_name), rules.check_name(name)
    now = clock.now()
    known = await queries.get_account_by_login(tx, rules.login_key(login_name))
    if known is not None:
        if password_hash is not None or not await _is_colleague(tx, actor, known.staff_id):
            raise LoginNameTaken
        staff_id = known.staff_id
    else:
        if password_hash is None:
            raise WeakPassword
        staff_id = new_id()
        if not await queries.insert_account(
            tx,
            staff_id=staff_id,
            login_name=login_name,
            login_key=rules.login_key(login_name),
            name=name,
            hashed=password_hash,
            at=now,
        ):
            raise LoginNameTaken
    if role is not Role.OWNER and not any(
        row.role is Role.OWNER for row in await queries.lock_memberships(tx)
    ):
        raise LastOwner
    if not await queries.insert_membership(tx, tx.shop_id, staff_id, role, now):
        raise LoginNameTaken
    audit(
        tx,
        actor,
        "staff.added",
        ("staff", staff_id),
        after={"login_name": login_name, "role": role},
    )
    _forget()
    return staff_id


async def _is_colleague(tx: ReadTx, actor: Actor, staff_id: UUID) -> bool:
    """Whether the account works in some shop the actor owns."""
    owned = await _owned_by(tx, actor)
    works_in = {row.shop_id for row in await queries.list_memberships_of(tx, staff_id)}
    return owned is None or not owned.isdisjoint(works_in)


async def _owned_by(tx: ReadTx, actor: Actor) -> set[int] | None:
    """The shops the actor owns; None: the system, which owns all."""
    if not isinstance(actor, StaffIdentity):
        return None
    memberships = await queries.list_memberships_of(tx, actor.staff_id)
    return {row.shop_id for row in memberships if row.role is Role.OWNER}


async def edit_staff(
    tx: Tx,
    actor: Actor,
    staff_id: UUID,
    *,
    role: Role | None = None,
    name: str | None = None,
    password_hash: str | None = None,
    remove_totp: bool = False,
) -> None:
    """Change somebody of the shop; None leaves as it is.

    A new password, or taking the second factor away (a lost phone), ends all their sessions.
    Raises StaffNotFound, LastOwner, NotYoursAlone, BadName.
    """
    everybody = await queries.lock_memberships(tx)
    membership = next((row for row in everybody if row.staff_id == staff_id), None)
    if membership is None:
        raise StaffNotFound
    changed: dict[str, object] = {}
    if role is not None and role is not membership.role:
        _must_keep_owner(everybody, staff_id)
        await queries.update_role(tx, staff_id, role)
        changed["role"] = role
    if name is not None or password_hash is not None or remove_totp:
        await _must_be_theirs_alone(tx, actor, staff_id)
    if name is not None:
        changed["name"] = rules.check_name(name)
        await queries.update_name(tx, staff_id, rules.check_name(name))
    if password_hash is not None:
        changed["password_set"] = True
        await queries.update_password(tx, staff_id, password_hash)
    if remove_totp and await queries.remove_totp(tx, staff_id):
        changed["totp_removed"] = True
    if password_hash is not None or remove_totp:
        await queries.delete_sessions(tx, staff_id)
    audit(
        tx,
        actor,
        "staff.changed",
        ("staff", staff_id),
        before={"role": membership.role},
        after=changed,
    )
    _forget()


async def remove_staff(tx: Tx, actor: Actor, staff_id: UUID) -> None:
    """Take somebody out of the shop at once. Raises StaffNotFound, LastOwner.

    Who works nowhere any more has all sessions ended and cannot log in.
    """
    everybody = await queries.lock_memberships(tx)
    membership = next((row for row in everybody if row.staff_id == staff_id), None)
    if membership is None:
        raise StaffNotFound
    _must_keep_owner(everybody, staff_id)
    await queries.delete_membership(tx, staff_id)
    if not await queries.list_memberships_of(tx, staff_id):
        await queries.delete_sessions(tx, staff_id)
    audit(tx, actor, "staff.removed", ("staff", staff_id), before={"role": membership.role})
    _forget()


def _must_keep_owner(everybody: list[queries.MembershipRow], leaving: UUID) -> None:
    owners = [row.staff_id for row in everybody if row.role is Role.OWNER]
    if owners == [leaving]:
        raise LastOwner


async def _must_be_theirs_alone(tx: ReadTx, actor: Actor, staff_id: UUID) -> None:
    """An account that also works in a stranger's shop is not this owner's to take over."""
    owned = await _owned_by(tx, actor)
    works_in = {row.shop_id for row in await queries.list_memberships_of(tx, staff_id)}
    if owned is not None and not works_in <= owned:
        raise NotYoursAlone


async def own_shop(tx: Tx, actor: StaffIdentity, shop_id: int) -> None:
    """Make the actor the owner of a shop that was just opened."""
    await queries.insert_membership(tx, shop_id, actor.staff_id, Role.OWNER, clock.now())
    _forget()


async def forget_old(tx: Tx) -> None:
    """Forget sessions and attempt counts that ended by themselves."""
    now = clock.now()
    await queries.delete_old_sessions(tx, now, now - rules.SESSION_IDLES)
    await queries.delete_old_attempts(tx, now - rules.ATTEMPT_WINDOW)
