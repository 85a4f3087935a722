"""All SQL of payouts."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.money.payouts.contracts import (
    Agreement,
    AgreementState,
    PayoutId,
    PayoutState,
    Settings,
    TimelineEntry,
)
from siyu.money.payouts.rules import Spent


class PayoutRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of payouts.payouts."""

    shop_id: int
    payout_id: PayoutId
    member_id: UUID
    person_no: int
    state: PayoutState
    amount_fen: int
    tax_fen: int
    net_fen: int
    number: str
    merchant: str
    app: str
    account: str
    authorization_id: str | None
    name_sealed: bytes | None
    role: str
    reward: str
    remark: str
    notify_url: str
    hold_id: UUID
    is_taken: bool
    provider_number: str | None
    package: str | None
    confirm_before: datetime | None
    fail_reason: str | None
    problem: str | None
    calls: int
    requested_at: datetime
    approved_at: datetime | None
    ended_at: datetime | None
    next_at: datetime | None


class AgreementRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of payouts.agreements."""

    shop_id: int
    agreement_id: UUID
    member_id: UUID
    state: AgreementState
    number: str
    merchant: str
    app: str
    account: str
    authorization_id: str | None
    package: str | None
    created_at: datetime
    next_at: datetime | None


class Due(msgspec.Struct, frozen=True):
    """Something of a shop whose time has come."""

    shop_id: int
    found_id: UUID


_COLUMNS = """shop_id, payout_id, member_id, person_no, state, amount_fen, tax_fen, net_fen, number,
  merchant, app, account, authorization_id, name_sealed, role, reward, remark, notify_url,
  hold_id, is_taken, provider_number, package, confirm_before, fail_reason, problem, calls,
  requested_at, approved_at, ended_at, next_at"""
_PAYOUT = f"select {_COLUMNS} from payouts.payouts"
_AGREEMENT = """select shop_id, agreement_id, member_id, state, number, merchant, app, account,
  authorization_id, package, created_at, next_at from payouts.agreements"""


# --- settings and limits --------------------------------------------------------------------------


async def get_settings(tx: ReadTx) -> Settings:
    """What the shop pays out."""
    found = await tx.maybe(
        Settings,
        """select is_enabled, min_fen, max_fen, daily_count, daily_fen, yearly_fen,
             approve_above_fen, tax_bps, role, reward, remark
           from payouts.settings where shop_id = $1""",
        tx.shop_id,
    )
    return found or Settings()


async def set_settings(tx: Tx, settings: Settings) -> None:
    """Write what the shop pays out."""
    await tx.run(
        """insert into payouts.settings as s (shop_id, is_enabled, min_fen, max_fen, daily_count,
             daily_fen, yearly_fen, approve_above_fen, tax_bps, role, reward, remark, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
           on conflict (shop_id) do update set is_enabled = excluded.is_enabled,
             min_fen = excluded.min_fen, max_fen = excluded.max_fen,
             daily_count = excluded.daily_count, daily_fen = excluded.daily_fen,
             yearly_fen = excluded.yearly_fen, approve_above_fen = excluded.approve_above_fen,
             tax_bps = excluded.tax_bps, role = excluded.role, reward = excluded.reward,
             remark = excluded.remark, updated_at = excluded.updated_at""",
        tx.shop_id,
        *msgspec.structs.astuple(settings),
        clock.now(),
    )


async def get_spent(
    tx: ReadTx, member_id: UUID, day_begun: datetime, year_begun: datetime
) -> Spent:
    """What a member asked for since these moments and was not given back."""
    return await tx.one(
        Spent,
        """select count(*) filter (where requested_at >= $3)::int as today_count,
             coalesce(sum(amount_fen) filter (where requested_at >= $3), 0)::bigint as today_fen,
             coalesce(sum(amount_fen), 0)::bigint as year_fen,
             coalesce(sum(tax_fen), 0)::bigint as year_tax_fen
           from payouts.payouts where shop_id = $1 and member_id = $2 and requested_at >= $4
             and state not in ('failed', 'cancelled', 'rejected')""",
        tx.shop_id,
        member_id,
        day_begun,
        year_begun,
    )


# --- payouts --------------------------------------------------------------------------------------


async def get_payout(tx: ReadTx, payout_id: UUID) -> PayoutRow | None:
    """A payout."""
    return await tx.maybe(
        PayoutRow, f"{_PAYOUT} where shop_id = $1 and payout_id = $2", tx.shop_id, payout_id
    )


async def get_id_of_number(tx: ReadTx, number: str) -> UUID | None:
    """The payout a number belongs to."""
    found: UUID | None = await tx.value(
        "select payout_id from payouts.payouts where shop_id = $1 and number = $2",
        tx.shop_id,
        number,
    )
    return found


async def lock_payout(tx: Tx, payout_id: UUID) -> PayoutRow | None:
    """A payout, locked: whatever WeChat says about it is written down one after the other."""
    return await tx.maybe(
        PayoutRow,
        f"{_PAYOUT} where shop_id = $1 and payout_id = $2 for no key update",
        tx.shop_id,
        payout_id,
    )


async def list_payouts(
    tx: ReadTx,
    *,
    member_id: UUID | None,
    state: PayoutState | None,
    before: UUID | None,
    limit: int,
) -> list[PayoutRow]:
    """Payouts, the newest first; before: payout_id of the last one shown."""
    return await tx.all(
        PayoutRow,
        f"""{_PAYOUT} where shop_id = $1 and ($2::uuid is null or member_id = $2)
              and ($3::text is null or state = $3) and ($4::uuid is null or payout_id < $4)
            order by payout_id desc limit $5""",
        tx.shop_id,
        member_id,
        state,
        before,
        limit,
    )


async def insert_payout(tx: Tx, row: PayoutRow) -> bool:
    """Store a payout; False when the member has another one under way."""
    return bool(
        await tx.run(
            f"""insert into payouts.payouts ({_COLUMNS})
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                  $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)
                on conflict (shop_id, member_id) where state in ('requested', 'created',
                  'accepted', 'waiting', 'sending', 'cancelling') do nothing""",
            *msgspec.structs.astuple(row),
        )
    )


async def update_payout(tx: Tx, row: PayoutRow) -> None:
    """Write back what moves of a payout; the caller holds its lock."""
    await tx.run(
        """update payouts.payouts set state = $3, is_taken = $4, provider_number = $5,
             package = $6, confirm_before = $7, fail_reason = $8, problem = $9, calls = $10,
             approved_at = $11, ended_at = $12, next_at = $13
           where shop_id = $1 and payout_id = $2""",
        tx.shop_id,
        row.payout_id,
        row.state,
        row.is_taken,
        row.provider_number,
        row.package,
        row.confirm_before,
        row.fail_reason,
        row.problem,
        row.calls,
        row.approved_at,
        row.ended_at,
        row.next_at,
    )


async def take_due_payouts(tx: Tx, now: datetime, next_at: datetime, limit: int) -> list[Due]:
    """Payouts of all shops that WeChat is to be asked about.
    `next_at`: when they are due again, should this time fail."""
    return await tx.all(
        Due,
        """with due as (
             select shop_id, payout_id as found_id, next_at from payouts.payouts
             where next_at <= $1 order by next_at limit $3 for no key update skip locked),
           moved as (
             update payouts.payouts p set next_at = $2 from due
             where p.shop_id = due.shop_id and p.payout_id = due.found_id)
           select shop_id, found_id from due order by next_at, found_id""",
        now,
        next_at,
        limit,
    )


async def insert_timeline(tx: Tx, payout_id: UUID, event: str, detail: dict[str, Any]) -> None:
    """Note what happened to a payout."""
    await tx.run(
        """insert into payouts.timeline (shop_id, payout_id, entry_id, at, event, detail)
           values ($1, $2, $3, $4, $5, $6)""",
        tx.shop_id,
        payout_id,
        new_id(),
        clock.now(),
        event,
        detail,
    )


async def list_timeline(tx: ReadTx, payout_id: UUID) -> list[TimelineEntry]:
    """What happened to a payout, the oldest first."""
    return await tx.all(
        TimelineEntry,
        """select at, event, detail from payouts.timeline
           where shop_id = $1 and payout_id = $2 order by entry_id""",
        tx.shop_id,
        payout_id,
    )


# --- agreements -----------------------------------------------------------------------------------


async def get_agreement(tx: ReadTx, agreement_id: UUID) -> AgreementRow | None:
    """An agreement."""
    return await tx.maybe(
        AgreementRow,
        f"{_AGREEMENT} where shop_id = $1 and agreement_id = $2",
        tx.shop_id,
        agreement_id,
    )


async def get_agreement_of_number(tx: ReadTx, number: str) -> AgreementRow | None:
    """The agreement a number belongs to."""
    return await tx.maybe(
        AgreementRow, f"{_AGREEMENT} where shop_id = $1 and number = $2", tx.shop_id, number
    )


async def find_agreement(tx: ReadTx, merchant: str, member_id: UUID) -> AgreementRow | None:
    """The agreement of a member that is in force or being asked for."""
    return await tx.maybe(
        AgreementRow,
        f"""{_AGREEMENT} where shop_id = $1 and merchant = $2 and member_id = $3
            and state <> 'closed'""",
        tx.shop_id,
        merchant,
        member_id,
    )


async def list_agreements(
    tx: ReadTx, state: AgreementState | None, before: UUID | None, limit: int
) -> list[Agreement]:
    """Agreements, the newest first; before: agreement_id of the last one shown."""
    return await tx.all(
        Agreement,
        """select agreement_id, member_id, state, number, created_at from payouts.agreements
           where shop_id = $1 and ($2::text is null or state = $2)
             and ($3::uuid is null or agreement_id < $3)
           order by agreement_id desc limit $4""",
        tx.shop_id,
        state,
        before,
        limit,
    )


async def insert_agreement(tx: Tx, row: AgreementRow) -> bool:
    """Store an agreement to ask for; False when there is one."""
    return bool(
        await tx.run(
            """insert into payouts.agreements (shop_id, agreement_id, member_id, state, number,
                 merchant, app, account, authorization_id, package, created_at, next_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
               on conflict (shop_id, merchant, member_id) where state <> 'closed' do nothing""",
            *msgspec.structs.astuple(row),
        )
    )


async def move_agreement(
    tx: Tx,
    agreement_id: UUID,
    state: AgreementState,
    *,
    authorization_id: str | None = None,
    package: str | None = None,
    next_at: datetime | None = None,
) -> None:
    """Write down where an agreement stands; one that was closed stays closed."""
    await tx.run(
        """update payouts.agreements set state = $3, package = $5, next_at = $6,
             authorization_id = coalesce($4, authorization_id)
           where shop_id = $1 and agreement_id = $2 and state <> 'closed'""",
        tx.shop_id,
        agreement_id,
        state,
        authorization_id,
        package,
        next_at,
    )


async def take_due_agreements(tx: Tx, now: datetime, next_at: datetime, limit: int) -> list[Due]:
    """Agreements of all shops that WeChat is to be asked about.
    `next_at`: when they are due again, should this time fail."""
    return await tx.all(
        Due,
        """with due as (
             select shop_id, agreement_id as found_id, next_at from payouts.agreements
             where next_at <= $1 order by next_at limit $3 for no key update skip locked),
           moved as (
             update payouts.agreements a set next_at = $2 from due
             where a.shop_id = due.shop_id and a.agreement_id = due.found_id)
           select shop_id, found_id from due order by next_at, found_id""",
        now,
        next_at,
        limit,
    )
