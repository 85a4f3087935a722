"""All SQL of the staff domain. All of it runs in system transactions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.merchant.staff.contracts import Colleague, Role, Session


class AccountRow(msgspec.Struct, frozen=True):
    """An account as stored."""

    staff_id: UUID
    login_name: str
    name: str
    password_hash: str
    totp_sealed: bytes | None
    totp_confirmed_at: datetime | None


class SealedTotp(msgspec.Struct, frozen=True):
    """Whose TOTP secret, as stored."""

    staff_id: UUID
    totp_sealed: bytes


_ACCOUNT = "staff_id, login_name, name, password_hash, totp_sealed, totp_confirmed_at"


class AttemptRow(msgspec.Struct, frozen=True):
    """Attempts in the running window."""

    subject: bytes
    failures: int
    started_at: datetime


class MembershipRow(msgspec.Struct, frozen=True):
    """An account in a shop."""

    shop_id: int
    staff_id: UUID
    role: Role


class ProofRow(msgspec.Struct, frozen=True):
    """Whom a session token speaks for."""

    session_id: UUID
    staff_id: UUID
    name: str
    role: Role | None


# --- attempts ---------------------------------------------------------------------------------


async def count_attempt(
    tx: Tx, subjects: list[bytes], now: datetime, window_start: datetime
) -> list[AttemptRow]:
    """Count one more attempt for each subject, in one order; windows that ended start anew."""
    return await tx.all(
        AttemptRow,
        """insert into staff.attempts as a (subject, failures, started_at)
           select s, 1, $2::timestamptz from unnest($1::bytea[]) s order by s
           on conflict (subject) do update set
             failures = case when a.started_at <= $3 then 1 else a.failures + 1 end,
             started_at = case when a.started_at <= $3 then $2 else a.started_at end
           returning subject, failures, started_at""",
        subjects,
        now,
        window_start,
    )


async def forgive_attempt(tx: Tx, account: bytes, address: bytes) -> None:
    """A success clears the account's count and takes its own attempt off the address."""
    await tx.run(
        """with cleared as (delete from staff.attempts where subject = $1)
           update staff.attempts set failures = greatest(failures - 1, 0) where subject = $2""",
        account,
        address,
    )


async def delete_old_attempts(tx: Tx, before: datetime) -> int:
    """Forget windows that ended."""
    return await tx.run("delete from staff.attempts where started_at <= $1", before)


# --- accounts ---------------------------------------------------------------------------------


async def get_account_by_login(tx: ReadTx, login_key: str) -> AccountRow | None:
    """The account of a login name."""
    return await tx.maybe(
        AccountRow, f"select {_ACCOUNT} from staff.accounts where login_key = $1", login_key
    )


async def get_account(tx: ReadTx, staff_id: UUID) -> AccountRow:
    """An account that exists."""
    return await tx.one(
        AccountRow, f"select {_ACCOUNT} from staff.accounts where staff_id = $1", staff_id
    )


async def insert_account(
    tx: Tx, *, staff_id: UUID, login_name: str, login_key: str, name: str, hashed: str, at: datetime
) -> bool:
    """Make an account; False when the login name is taken."""
    return bool(
        await tx.run(
            """insert into staff.accounts (staff_id, login_name, login_key, name, password_hash,
                 created_at) values ($1, $2, $3, $4, $5, $6) on conflict (login_key) do nothing""",
            staff_id,
            login_name,
            login_key,
            name,
            hashed,
            at,
        )
    )


async def update_password(tx: Tx, staff_id: UUID, hashed: str) -> None:
    """Write the password hash."""
    await tx.run(
        "update staff.accounts set password_hash = $2 where staff_id = $1", staff_id, hashed
    )


async def update_name(tx: Tx, staff_id: UUID, name: str) -> None:
    """Write the name."""
    await tx.run("update staff.accounts set name = $2 where staff_id = $1", staff_id, name)


async def start_totp(tx: Tx, staff_id: UUID, sealed: bytes) -> bool:
    """Keep a secret to be confirmed; False when a confirmed one is in force."""
    return bool(
        await tx.run(
            """update staff.accounts set totp_sealed = $2
               where staff_id = $1 and totp_confirmed_at is null""",
            staff_id,
            sealed,
        )
    )


async def confirm_totp(tx: Tx, staff_id: UUID, step: int, at: datetime) -> bool:
    """Put the second factor in force; False when it is already, or nothing waits."""
    return bool(
        await tx.run(
            """update staff.accounts set totp_confirmed_at = $3, totp_last_step = $2
               where staff_id = $1 and totp_sealed is not null and totp_confirmed_at is null
                 and totp_last_step < $2""",
            staff_id,
            step,
            at,
        )
    )


async def lock_old_totps(tx: Tx, newest: int, limit: int) -> list[SealedTotp]:
    """TOTP secrets that an older key than this one sealed."""
    return await tx.all(
        SealedTotp,
        """select staff_id, totp_sealed from staff.accounts
           where totp_sealed is not null and get_byte(totp_sealed, 0) <> $1
           order by staff_id limit $2 for no key update""",
        newest,
        limit,
    )


async def move_totp(tx: Tx, staff_id: UUID, sealed: bytes) -> None:
    """The same secret under another key."""
    await tx.run("update staff.accounts set totp_sealed = $2 where staff_id = $1", staff_id, sealed)


async def remove_totp(tx: Tx, staff_id: UUID) -> bool:
    """Put the second factor out of force; False when there was none."""
    return bool(
        await tx.run(
            """update staff.accounts set totp_sealed = null, totp_confirmed_at = null
               where staff_id = $1 and totp_sealed is not null""",
            staff_id,
        )
    )


async def use_totp_step(tx: Tx, staff_id: UUID, step: int) -> bool:
    """Use a step up; False when it, or a later one, was used before."""
    return bool(
        await tx.run(
            """update staff.accounts set totp_last_step = $2
               where staff_id = $1 and totp_last_step < $2""",
            staff_id,
            step,
        )
    )


# --- sessions ---------------------------------------------------------------------------------


async def insert_session(
    tx: Tx,
    *,
    session_id: UUID,
    staff_id: UUID,
    token_hash: bytes,
    ip: str,
    user_agent: str,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Keep a session."""
    await tx.run(
        """insert into staff.sessions (session_id, staff_id, token_hash, ip, user_agent,
             created_at, seen_at, expires_at) values ($1, $2, $3, $4, $5, $6, $6, $7)""",
        session_id,
        staff_id,
        token_hash,
        ip,
        user_agent,
        at,
        expires_at,
    )


async def get_proof(
    tx: Tx,
    token_hash: bytes,
    shop_id: int,
    *,
    now: datetime,
    idle_since: datetime,
    note_before: datetime,
) -> ProofRow | None:
    """Whom a token speaks for and their role in the shop; notes that it was seen, in one trip."""
    return await tx.maybe(
        ProofRow,
        """with found as (
             select s.session_id, s.staff_id, a.name, m.role, s.seen_at
             from staff.sessions s
             join staff.accounts a using (staff_id)
             left join staff.memberships m on m.staff_id = s.staff_id and m.shop_id = $2
             where s.token_hash = $1 and s.expires_at > $3 and s.seen_at > $4),
           noted as (
             update staff.sessions s set seen_at = $3 from found f
             where s.session_id = f.session_id and f.seen_at < $5)
           select session_id, staff_id, name, role from found""",
        token_hash,
        shop_id,
        now,
        idle_since,
        note_before,
    )


async def list_sessions(
    tx: ReadTx, staff_id: UUID, now: datetime, idle_since: datetime
) -> list[Session]:
    """The living sessions of an account, the last seen first."""
    return await tx.all(
        Session,
        """select session_id, ip, user_agent, created_at, seen_at, expires_at
           from staff.sessions where staff_id = $1 and expires_at > $2 and seen_at > $3
           order by seen_at desc, session_id""",
        staff_id,
        now,
        idle_since,
    )


async def get_session_start(tx: ReadTx, session_id: UUID) -> datetime | None:
    """When a session began."""
    started: datetime | None = await tx.value(
        "select created_at from staff.sessions where session_id = $1", session_id
    )
    return started


async def delete_session(tx: Tx, staff_id: UUID, session_id: UUID) -> bool:
    """End a session of this account."""
    return bool(
        await tx.run(
            "delete from staff.sessions where staff_id = $1 and session_id = $2",
            staff_id,
            session_id,
        )
    )


async def delete_sessions(tx: Tx, staff_id: UUID, but: UUID | None = None) -> int:
    """End all sessions of an account, but for one."""
    return await tx.run(
        """delete from staff.sessions
           where staff_id = $1 and session_id is distinct from $2::uuid""",
        staff_id,
        but,
    )


async def delete_old_sessions(tx: Tx, now: datetime, idle_since: datetime) -> int:
    """Forget sessions that ended by themselves."""
    return await tx.run(
        "delete from staff.sessions where expires_at <= $1 or seen_at <= $2", now, idle_since
    )


# --- memberships ------------------------------------------------------------------------------


async def list_memberships_of(tx: ReadTx, staff_id: UUID) -> list[MembershipRow]:
    """Where an account works."""
    return await tx.all(
        MembershipRow,
        """select shop_id, staff_id, role from staff.memberships
           where staff_id = $1 order by shop_id""",
        staff_id,
    )


async def lock_memberships(tx: Tx) -> list[MembershipRow]:
    """Everybody of the shop, held: rights of a shop change one after another."""
    return await tx.all(
        MembershipRow,
        """select shop_id, staff_id, role from staff.memberships
           where shop_id = $1 order by staff_id for no key update""",
        tx.shop_id,
    )


async def list_colleagues(tx: ReadTx) -> list[Colleague]:
    """Everybody of the shop, the oldest first."""
    return await tx.all(
        Colleague,
        """select a.staff_id, a.login_name, a.name, m.role,
             a.totp_confirmed_at is not null as totp_enabled, m.created_at,
             (select max(s.seen_at) from staff.sessions s where s.staff_id = a.staff_id)
               as last_seen_at
           from staff.memberships m join staff.accounts a using (staff_id)
           where m.shop_id = $1 order by m.created_at, a.staff_id""",
        tx.shop_id,
    )


async def count_roles(tx: ReadTx, roles: Sequence[Role]) -> int:
    """How many people of the shop have one of these roles."""
    found: int = await tx.value(
        "select count(*) from staff.memberships where shop_id = $1 and role = any($2::text[])",
        *(tx.shop_id, list(roles)),
    )
    return found


async def insert_membership(tx: Tx, shop_id: int, staff_id: UUID, role: Role, at: datetime) -> bool:
    """Let an account work in a shop; False when it does already."""
    return bool(
        await tx.run(
            """insert into staff.memberships (shop_id, staff_id, role, created_at)
               values ($1, $2, $3, $4) on conflict do nothing""",
            shop_id,
            staff_id,
            role,
            at,
        )
    )


async def update_role(tx: Tx, staff_id: UUID, role: Role) -> None:
    """Write a role in the shop."""
    await tx.run(
        "update staff.memberships set role = $3 where shop_id = $1 and staff_id = $2",
        tx.shop_id,
        staff_id,
        role,
    )


async def delete_membership(tx: Tx, staff_id: UUID) -> None:
    """Take an account out of the shop."""
    await tx.run(
        "delete from staff.memberships where shop_id = $1 and staff_id = $2", tx.shop_id, staff_id
    )
