"""Where persons can be reached and since when they are known, for many of them in one trip."""

from collections.abc import Sequence

import msgspec

from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx
from siyu.people.members.service.people import phone_key

# Everybody asked for who has an account, with all records that are the same person today.
_RECORDS = """records as (
  select member_id, person_no, joined_at from members.members
  where shop_id = $1 and person_no = any($2::bigint[]) and merged_into is null
  union all
  select r.member_id, m.person_no, r.joined_at from members.members m
  cross join lateral (select member_id, joined_at from members.members
    where shop_id = $1 and merged_into = m.member_id offset 0) r
  where m.shop_id = $1 and m.person_no = any($2::bigint[]) and m.merged_into is null)"""


class Contact(msgspec.Struct, frozen=True):
    """A way to a person. kind: account, app (then app_id and subject), phone or external_userid."""

    person_no: int
    kind: str
    app_id: str | None
    subject: str | None
    sealed: bytes | None

    @property
    def value(self) -> str:
        """The address itself: the id in the app, the number, the id at WeCom."""
        return self.subject or vault().open(self.sealed or b"")


async def list_contacts(
    tx: ReadTx, persons: Sequence[int], apps: Sequence[str], kinds: Sequence[str]
) -> list[Contact]:
    """The ways to persons who have an account; several of a kind: the newest last.

    apps: whose log-ins; kinds: account, phone, external_userid, as far as they are wanted.
    """
    return await tx.all(
        Contact,
        f"""with {_RECORDS}
           select person_no, 'account' as kind, null as app_id, null as subject,
             null::bytea as sealed, null::timestamptz as at
           from members.members where shop_id = $1 and person_no = any($2::bigint[])
             and merged_into is null and 'account' = any($4::text[])
           union all
           select r.person_no, 'app', l.app_id, l.subject, null, l.created_at from records r
           join members.logins l on l.shop_id = $1 and l.member_id = r.member_id
             and l.app_id = any($3::text[])
           union all
           select r.person_no, i.kind, null, null, i.sealed, i.linked_at from records r
           join members.identifiers i on i.shop_id = $1 and i.member_id = r.member_id
             and i.kind = 'external_userid' and i.sealed is not null
           where 'external_userid' = any($4::text[])
           union all
           select r.person_no, 'phone', null, null, m.phone_sealed, r.joined_at from records r
           join members.members m on m.shop_id = $1 and m.member_id = r.member_id
             and m.phone_sealed is not null
           where 'phone' = any($4::text[])
           order by at""",
        *(tx.shop_id, list(persons), list(apps), list(kinds)),
    )


async def person_of_app(tx: ReadTx, app_id: str, subject: str) -> int | None:
    """Whose id in an app this is today; None: nobody's who has an account."""
    found: int | None = await tx.value(
        """select h.person_no from members.logins l
           join members.members m on m.shop_id = l.shop_id and m.member_id = l.member_id
           join members.members h on h.shop_id = m.shop_id
             and h.member_id = coalesce(m.merged_into, m.member_id)
           where l.shop_id = $1 and l.app_id = $2 and l.subject = $3""",
        *(tx.shop_id, app_id, subject),
    )
    return found


async def person_of_phone(tx: ReadTx, phone: str) -> int | None:
    """Whose phone this is today, in whatever form the number comes; of several the latest."""
    found: int | None = await tx.value(
        """select h.person_no from members.members m
           join members.members h on h.shop_id = m.shop_id
             and h.member_id = coalesce(m.merged_into, m.member_id)
           where m.shop_id = $1 and m.phone_key = $2 order by m.joined_at desc limit 1""",
        *(tx.shop_id, phone_key(phone)),
    )
    return found


async def person_of_contact(tx: ReadTx, external_userid: str) -> int | None:
    """Whose id at WeCom this is today."""
    found: int | None = await tx.value(
        """select h.person_no from members.identifiers i
           join members.members m on m.shop_id = i.shop_id and m.member_id = i.member_id
           join members.members h on h.shop_id = m.shop_id
             and h.member_id = coalesce(m.merged_into, m.member_id)
           where i.shop_id = $1 and i.kind = 'external_userid' and i.value_key = $2""",
        *(tx.shop_id, vault().lookup(external_userid)),
    )
    return found


async def number_of(tx: ReadTx, person_no: int) -> int | None:
    """The number of who a person with an account is today; None: there is no such account."""
    found: int | None = await tx.value(
        """select h.person_no from members.members m
           join members.members h on h.shop_id = m.shop_id
             and h.member_id = coalesce(m.merged_into, m.member_id)
           where m.shop_id = $1 and m.person_no = $2""",
        *(tx.shop_id, person_no),
    )
    return found


class _First(msgspec.Struct, frozen=True):
    person_no: int
    first_no: int


async def first_numbers(tx: ReadTx, persons: Sequence[int]) -> dict[int, int]:
    """Under which number the shop first met each person, where that is another one than theirs."""
    rows = await tx.all(
        _First,
        f"""with {_RECORDS},
           numbers as (
             select r.person_no, m.person_no as no from records r
             join members.members m on m.shop_id = $1 and m.member_id = r.member_id
             where m.person_no <> r.person_no),
           asked as (
             select person_no, no from numbers
             union all select no, no from unnest($2::bigint[]) as a (no))
           select person_no, min(no) as first_no from (
             select person_no, no from numbers
             union all
             select a.person_no, p.person_no from asked a join members.persons p
               on p.shop_id = $1 and p.merged_into = a.no) f
           group by person_no having min(no) < person_no""",
        *(tx.shop_id, list(persons)),
    )
    return {row.person_no: row.first_no for row in rows}


class _Person(msgspec.Struct, frozen=True):
    person_no: int


async def list_account_numbers(tx: ReadTx, after: int, limit: int) -> list[int]:
    """The numbers of everybody with an account, above `after`, smallest first."""
    rows = await tx.all(
        _Person,
        """select person_no from members.members
           where shop_id = $1 and person_no > $2 and merged_into is null
           order by person_no limit $3""",
        *(tx.shop_id, after, limit),
    )
    return [row.person_no for row in rows]


async def count_accounts(tx: ReadTx) -> int:
    """How many persons have an account."""
    count: int = await tx.value(
        "select count(*) from members.members where shop_id = $1 and merged_into is null",
        tx.shop_id,
    )
    return count
