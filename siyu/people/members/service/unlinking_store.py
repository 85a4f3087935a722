"""SQL of identifiers that staff took off a record."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.members.contracts import IdentifierKind


class RemovedRow(msgspec.Struct, frozen=True):
    """A removal that stands."""

    removal_id: UUID
    kind: IdentifierKind
    sealed: bytes | None
    member_id: UUID
    removed_at: datetime
    removed_by: str
    reason: str


_REMOVED = "removal_id, kind, sealed, member_id, removed_at, removed_by, reason"


async def move_away(
    tx: Tx,
    removal_id: UUID,
    member_id: UUID,
    kind: IdentifierKind,
    ref: str,
    at: datetime,
    by: str,
    reason: str,
) -> int:
    """Take an identifier off a record and keep it aside; how many there were (0 or 1)."""
    return await tx.run(
        """with gone as (
             delete from members.identifiers where shop_id = $1 and member_id = $3 and kind = $4
               and left(encode(value_key, 'hex'), 16) = $5
             returning kind, value_key, member_id, sealed, source, confidence_bps, linked_at)
           insert into members.removed_identifiers (shop_id, removal_id, kind, value_key, member_id,
             sealed, source, confidence_bps, linked_at, removed_at, removed_by, reason)
           select $1, $2, g.*, $6, $7, $8 from gone g""",
        *(tx.shop_id, removal_id, member_id, kind, ref, at, by, reason),
    )


async def forget_on_record(tx: Tx, removal_id: UUID) -> None:
    """The record no longer has it as its own number or shared id."""
    await tx.run(
        """update members.members m set
             phone_sealed = case when r.kind = 'phone' and m.phone_key = r.value_key then null
               else m.phone_sealed end,
             phone_key = case when r.kind = 'phone' and m.phone_key = r.value_key then null
               else m.phone_key end,
             union_key = case when r.kind = 'unionid' and m.union_key = r.value_key then null
               else m.union_key end
           from members.removed_identifiers r
           where r.shop_id = $1 and r.removal_id = $2
             and m.shop_id = $1 and m.member_id = r.member_id""",
        *(tx.shop_id, removal_id),
    )


async def get_removed(tx: ReadTx, member_id: UUID, removal_id: UUID) -> RemovedRow | None:
    """What was taken off this record and not given back."""
    return await tx.maybe(
        RemovedRow,
        f"""select {_REMOVED} from members.removed_identifiers
            where shop_id = $1 and removal_id = $2 and member_id = $3 and restored_at is null""",
        *(tx.shop_id, removal_id, member_id),
    )


async def move_back(tx: Tx, removal_id: UUID, at: datetime) -> bytes | None:
    """Give it back to its record; its key, None when somebody has it."""
    key: bytes | None = await tx.value(
        """with back as (
             insert into members.identifiers (shop_id, kind, value_key, member_id, sealed, source,
               confidence_bps, linked_at)
             select shop_id, kind, value_key, member_id, sealed, source, confidence_bps, linked_at
             from members.removed_identifiers where shop_id = $1 and removal_id = $2
             on conflict do nothing returning value_key),
           noted as (
             update members.removed_identifiers set restored_at = $3
             where shop_id = $1 and removal_id = $2 and exists (select from back))
           select value_key from back""",
        *(tx.shop_id, removal_id, at),
    )
    return key


async def remember_on_record(tx: Tx, removal_id: UUID) -> None:
    """An authorised number, a shared id that a log-in told, is the record's own again."""
    await tx.run(
        """update members.members m set
             phone_sealed = case when r.kind = 'phone' and m.phone_key is null then r.sealed
               else m.phone_sealed end,
             phone_key = case when r.kind = 'phone' and m.phone_key is null
               and r.sealed is not null then r.value_key else m.phone_key end,
             union_key = case when r.kind = 'unionid' and r.source = 'login'
               and m.union_key is null then r.value_key else m.union_key end
           from members.removed_identifiers r
           where r.shop_id = $1 and r.removal_id = $2
             and m.shop_id = $1 and m.member_id = r.member_id""",
        *(tx.shop_id, removal_id),
    )


async def list_removed(tx: ReadTx, member_ids: list[UUID]) -> list[RemovedRow]:
    """What was taken off these records and not given back, newest first."""
    return await tx.all(
        RemovedRow,
        f"""select {_REMOVED} from members.removed_identifiers
            where shop_id = $1 and member_id = any($2::uuid[]) and restored_at is null
            order by removal_id desc limit 50""",
        *(tx.shop_id, member_ids),
    )
