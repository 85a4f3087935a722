"""How members come by coupons, and how those end that nobody used."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from siyu.commerce.coupons import queries, rules
from siyu.commerce.coupons.contracts import (
    Batch,
    BatchNotFound,
    BatchState,
    ClaimId,
    CodeUnknown,
    CouponClaimed,
    DeviceNeeded,
    HandedOut,
    Issue,
    LimitReached,
    NotRunning,
    PhoneNeeded,
    SoldOut,
    TooManyCodes,
)
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.coupons.service import small_store
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberNotFound

PACK: Final = (Issue.NEWCOMER, Issue.FIRST_ORDER)
_EXPIRE_BATCH = 500


class CentreEntry(msgspec.Struct, frozen=True):
    """A batch in the coupon centre; `had`: how many of it the member has had."""

    batch: Batch
    had: int
    is_gone: bool


async def list_centre(tx: ReadTx, member_id: UUID | None) -> list[CentreEntry]:
    """What can be claimed now, by everybody or (nobody known: None) before the log-in."""
    batches = await queries.list_open(tx, [Issue.CENTRE])
    had = {}
    if member_id is not None and batches:
        had = await queries.count_own(tx, member_id, [batch.batch_id for batch in batches])
    return [
        CentreEntry(batch, had.get(batch.batch_id, 0), rules.is_gone(batch)) for batch in batches
    ]


async def claim(tx: Tx, receiver: Receiver, batch_id: UUID, device: UUID | None) -> ClaimId:
    """Claim a coupon in the centre. device: the key that this browser or phone made for itself.

    Raises BatchNotFound, NotRunning, SoldOut, LimitReached, PhoneNeeded, DeviceNeeded.
    """
    batch = await queries.get_batch(tx, batch_id)
    if batch is None or batch.issue is not Issue.CENTRE:
        raise BatchNotFound
    return await _claim_one(tx, receiver, batch, device)


async def claim_by_code(
    tx: Tx, receiver: Receiver, code: str, device: UUID | None, counted: Sequence[bytes]
) -> ClaimId:
    """Claim a coupon by saying its code. A batch that does not run is not told from none.

    counted: what `count_try` returned. Raises CodeUnknown, before anything is written: the caller
    commits the count; and what `claim` does.
    """
    batch = await queries.get_batch_by_code(tx, rules.normal_code(code))
    if batch is None or not rules.is_open(batch, clock.now()):
        raise CodeUnknown
    await small_store.forgive_try(tx, counted)
    return await _claim_one(tx, receiver, batch, device)


async def count_try(tx: Tx, member_id: UUID, ip: str) -> list[bytes]:
    """Count a code before it is looked at, so that a thousand guesses at once are a thousand
    counts; what `claim_by_code` forgives when it was right. Raises TooManyCodes."""
    lookup = vault().lookup
    limits = {
        lookup(f"coupon code member {member_id}"): rules.CODES_PER_MEMBER,
        lookup(f"coupon code network {rules.network_of(ip)}"): rules.CODES_PER_NETWORK,
    }
    now = clock.now()
    tries = await small_store.count_try(tx, list(limits), now - rules.CODE_WINDOW)
    waits = [
        row.started_at + rules.CODE_WINDOW - now for row in tries if row.tries > limits[row.subject]
    ]
    if waits:
        raise TooManyCodes(retry_after=max(1, int(max(waits).total_seconds())))
    return list(limits)


async def _claim_one(tx: Tx, receiver: Receiver, batch: Batch, device: UUID | None) -> ClaimId:
    _check_open(batch, 1)
    if batch.needs_phone and not await _count_phone(tx, batch, receiver.member_id, 1):
        raise LimitReached(of="phone", limit=batch.per_member)
    if batch.per_device is not None:
        if device is None:
            raise DeviceNeeded
        key = [vault().lookup(f"coupon device {device}")]
        if not await queries.count_takers(tx, batch.batch_id, "device", key, 1, batch.per_device):
            raise LimitReached(of="device", limit=batch.per_device)
    member = [receiver.member_id.bytes]
    if not await queries.count_takers(tx, batch.batch_id, "member", member, 1, batch.per_member):
        raise LimitReached(of="member", limit=batch.per_member)
    (claim_id,) = await give(tx, batch, [receiver], "")
    return claim_id


def _check_open(batch: Batch, wanted: int) -> None:
    now = clock.now()
    if batch.state is not BatchState.RUNNING:
        raise NotRunning(state=batch.state)
    if not rules.is_open(batch, now):
        raise NotRunning(state="soon" if now < batch.starts_at else "over")
    if rules.is_gone(batch, wanted):
        left = None if batch.total_count is None else batch.total_count - batch.claimed_count
        raise SoldOut(left=left)


async def give(
    tx: Tx,
    batch: Batch,
    receivers: Sequence[Receiver],
    note: str,
    birthday_year: int | None = None,
) -> list[ClaimId]:
    """One coupon for each receiver; all or none. Raises NotRunning, SoldOut."""
    until = await _until(tx, batch)
    claim_ids = [ClaimId(new_id()) for _ in receivers]
    if not await queries.insert_claims(
        tx, batch.batch_id, receivers, claim_ids, until, note, birthday_year
    ):
        present = await queries.get_batch(tx, batch.batch_id)
        assert present is not None, "batches that gave something are not deleted"
        _check_open(present, len(receivers))
        raise SoldOut(left=0)
    for receiver, claim_id in zip(receivers, claim_ids, strict=True):
        emit(
            tx,
            CouponClaimed(
                person_no=receiver.person_no,
                member_id=receiver.member_id,
                batch_id=batch.batch_id,
                claim_id=claim_id,
                issue=batch.issue,
                amount_fen=rules.most_off(batch),
            ),
        )
    return claim_ids


async def _until(tx: ReadTx, batch: Batch) -> datetime:
    if batch.valid_days is None:
        return batch.ends_at
    time_zone = (await shops.get_shop(tx)).time_zone
    first = clock.business_day(clock.now(), time_zone)
    return clock.day_start(first + timedelta(days=batch.valid_days), time_zone)


async def hand_out(
    tx: Tx, actor: Actor, batch_id: UUID, member_ids: Sequence[UUID], note: str
) -> HandedOut:
    """Give a coupon to each of these members by hand; audited. Who has as many as one may have is
    left out and named.

    Raises BatchNotFound, NotRunning, SoldOut (nobody gets one), MemberNotFound.
    """
    batch = await queries.get_batch(tx, batch_id)
    if batch is None or batch.issue is not Issue.STAFF:
        raise BatchNotFound
    _check_open(batch, 1)
    wanted = set(member_ids)
    found = await members.list_members(tx, None, None, len(wanted), list(wanted))
    if len(found) < len(wanted):
        raise MemberNotFound
    takers = [member.member_id.bytes for member in found]
    allowed = await queries.count_takers(tx, batch_id, "member", takers, 1, batch.per_member)
    receivers = [
        Receiver(member.member_id, member.person_no)
        for member in found
        if member.member_id.bytes in allowed
    ]
    if receivers:
        await give(tx, batch, receivers, note)
    given = [receiver.member_id for receiver in receivers]
    audit(
        tx,
        actor,
        "coupons.handed_out",
        ("coupon_batch", batch_id),
        after={"members": len(given), "note": note},
    )
    return HandedOut(given, [one for one in wanted if one.bytes not in allowed])


async def welcome(tx: Tx, receiver: Receiver, *, has_phone: bool) -> list[ClaimId]:
    """Give a new member the pack: the coupons of all running batches of that kind, as many of each
    as one may have. Batches that ask for a phone number wait for it (`has_phone`), and give to each
    number once, whoever comes with it (F095). What is gone is left out."""
    given: list[ClaimId] = []
    for batch in await queries.list_open(tx, PACK):
        pieces = batch.per_member
        if batch.needs_phone is not has_phone or rules.is_gone(batch, pieces):
            continue
        if has_phone and not await _count_phone(tx, batch, receiver.member_id, pieces):
            continue
        member = [receiver.member_id.bytes]
        if await queries.count_takers(tx, batch.batch_id, "member", member, pieces, pieces):
            given += await give(tx, batch, [receiver] * pieces, "")
    return given


async def _count_phone(tx: Tx, batch: Batch, member_id: UUID, pieces: int) -> bool:
    key = await members.get_phone_key(tx, member_id)
    if key is None:
        raise PhoneNeeded
    return bool(
        await queries.count_takers(tx, batch.batch_id, "phone", [key], pieces, batch.per_member)
    )


async def expire(tx: Tx) -> bool:
    """End coupons of the shop whose time is over; whether there may be more of them."""
    return await queries.move_expired(tx, _EXPIRE_BATCH) == _EXPIRE_BATCH
