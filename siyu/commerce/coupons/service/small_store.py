"""SQL of birthdays, and of codes that were tried."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.coupons.queries import Receiver, ShopRow
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx


class BirthdayRow(msgspec.Struct, frozen=True):
    """A birthday as stored."""

    sealed: bytes
    given_at: datetime


class TryRow(msgspec.Struct, frozen=True):
    """How many codes a subject tried in its window."""

    subject: bytes
    tries: int
    started_at: datetime


async def list_birthday_shops(tx: Tx) -> list[ShopRow]:
    """Shops that give birthday coupons now. Run by a role that sees every shop."""
    return await tx.all(
        ShopRow,
        """select distinct shop_id from coupons.batches
           where state = 'running' and issue = 'birthday' and starts_at <= $1 and $1 < ends_at
           order by shop_id""",
        clock.now(),
    )


async def list_celebrating(
    tx: ReadTx, batch_id: UUID, day_keys: Sequence[bytes], year: int, limit: int
) -> list[Receiver]:
    """Members whose day it is and who have no coupon of the batch for this year."""
    return await tx.all(
        Receiver,
        """select d.member_id, d.person_no from coupons.birthdays d
           where d.shop_id = $1 and d.day_key = any($2) and not exists (
             select from coupons.claims c
             where c.shop_id = $1 and c.batch_id = $3 and c.member_id = d.member_id
               and c.birthday_year = $4)
           order by d.member_id limit $5""",
        tx.shop_id,
        list(day_keys),
        batch_id,
        year,
        limit,
    )


async def list_members_on(
    tx: ReadTx, member_ids: Sequence[UUID], day_keys: Sequence[bytes]
) -> list[UUID]:
    """Those of these members whose day it is."""
    found: list[UUID] = await tx.value(
        """select coalesce(array_agg(member_id), '{}') from coupons.birthdays
           where shop_id = $1 and member_id = any($2) and day_key = any($3)""",
        tx.shop_id,
        list(member_ids),
        list(day_keys),
    )
    return found


async def get_birthday(tx: ReadTx, member_id: UUID) -> BirthdayRow | None:
    """The birthday a member gave."""
    return await tx.maybe(
        BirthdayRow,
        """select sealed, given_at from coupons.birthdays
           where shop_id = $1 and member_id = $2 and sealed is not null""",
        tx.shop_id,
        member_id,
    )


async def upsert_birthday(
    tx: Tx, member_id: UUID, person_no: int, sealed: bytes, day_key: bytes, kept_since: datetime
) -> bool:
    """Keep a birthday, unless one was given after `kept_since`; whether it was kept."""
    return bool(
        await tx.run(
            """insert into coupons.birthdays as d
                 (shop_id, member_id, person_no, sealed, day_key, given_at)
               values ($1, $2, $3, $4, $5, $6)
               on conflict (shop_id, member_id) do update
                 set sealed = excluded.sealed, day_key = excluded.day_key,
                   given_at = excluded.given_at
                 where d.given_at <= $7""",
            tx.shop_id,
            member_id,
            person_no,
            sealed,
            day_key,
            clock.now(),
            kept_since,
        )
    )


async def clear_birthday(tx: Tx, member_id: UUID) -> None:
    """Forget the day itself; that one was given, and when, stays so that it cannot rotate."""
    await tx.run(
        """update coupons.birthdays set sealed = null, day_key = null
           where shop_id = $1 and member_id = $2""",
        tx.shop_id,
        member_id,
    )


async def count_try(tx: Tx, subjects: Sequence[bytes], window_start: datetime) -> list[TryRow]:
    """Count a tried code for each subject, in one order; windows that ended start anew."""
    return await tx.all(
        TryRow,
        """insert into coupons.code_attempts as a (shop_id, subject, tries, started_at)
           select $1, s, 1, $3 from unnest($2::bytea[]) s order by s
           on conflict (shop_id, subject) do update set
             tries = case when a.started_at <= $4 then 1 else a.tries + 1 end,
             started_at = case when a.started_at <= $4 then $3 else a.started_at end
           returning subject, tries, started_at""",
        tx.shop_id,
        list(subjects),
        clock.now(),
        window_start,
    )


async def forgive_try(tx: Tx, subjects: Sequence[bytes]) -> None:
    """The code was right: it does not count."""
    await tx.run(
        """update coupons.code_attempts set tries = greatest(tries - 1, 1)
           where shop_id = $1 and subject = any($2)""",
        tx.shop_id,
        list(subjects),
    )


async def delete_old_tries(tx: Tx, before: datetime) -> int:
    """Forget windows that ended, of all shops."""
    return await tx.run("delete from coupons.code_attempts where started_at <= $1", before)
