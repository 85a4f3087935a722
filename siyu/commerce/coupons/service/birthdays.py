"""The birthdays that members gave, and the coupons on them."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from siyu.commerce.coupons import queries, rules
from siyu.commerce.coupons.contracts import Birthday, BirthdayFixed, Issue
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.coupons.service import small_store
from siyu.commerce.coupons.service.giving import give
from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.merchant.shops import service as shops

_BATCH = 200


async def get_birthday(tx: ReadTx, member_id: UUID) -> Birthday | None:
    """The birthday a member gave."""
    row = await small_store.get_birthday(tx, member_id)
    if row is None:
        return None
    month, _, day = vault().open(row.sealed).partition("-")
    return Birthday(int(month), int(day))


async def set_birthday(tx: Tx, receiver: Receiver, birthday: Birthday) -> None:
    """Keep the birthday a member gives for a coupon on it. Raises BadTerms, BirthdayFixed (one that
    was given stands for a year, or it would wander from day to day)."""
    rules.check_birthday(birthday)
    text = rules.birthday_text(birthday)
    kept = await small_store.upsert_birthday(
        tx,
        receiver.member_id,
        receiver.person_no,
        vault().seal(text),
        _key(text),
        clock.now() - rules.BIRTHDAY_KEPT,
    )
    if not kept:
        raise BirthdayFixed


async def clear_birthday(tx: Tx, member_id: UUID) -> None:
    """Forget the day a member gave."""
    await small_store.clear_birthday(tx, member_id)


async def is_birthday(tx: ReadTx, member_id: UUID) -> bool:
    """Whether a member celebrates today, by the shop's calendar."""
    birthday = await get_birthday(tx, member_id)
    if birthday is None:
        return False
    return birthday in rules.birthdays_on(await _today(tx))


async def find_celebrating(tx: ReadTx, member_ids: Sequence[UUID]) -> set[UUID]:
    """Those of many members of whom `is_birthday` is true."""
    keys = [_key(rules.birthday_text(day)) for day in rules.birthdays_on(await _today(tx))]
    return set(await small_store.list_members_on(tx, member_ids, keys))


async def _today(tx: ReadTx) -> date:
    return clock.business_day(clock.now(), await shops.get_time_zone(tx))


async def give_for_birthdays(tx: Tx) -> bool:
    """Give those who celebrate today, or did while the program stood still, the coupons of each
    running batch: one per batch and year. Whether there may be more of them."""
    today = await _today(tx)
    more = False
    for batch in await queries.list_open(tx, [Issue.BIRTHDAY]):
        # One at a time gives for a batch, so that nobody gets two.
        await queries.lock_batch(tx, batch.batch_id)
        for back in range(rules.BIRTHDAY_CATCH_UP):
            on = today - timedelta(days=back)
            keys = [_key(rules.birthday_text(day)) for day in rules.birthdays_on(on)]
            found = await small_store.list_celebrating(tx, batch.batch_id, keys, on.year, _BATCH)
            if found and not rules.is_gone(batch, len(found)):
                await give(tx, batch, found, "", on.year)
                more = more or len(found) == _BATCH
    return more


def _key(text: str) -> bytes:
    return vault().lookup(f"birthday {text}")
