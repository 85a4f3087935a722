"""All SQL of the members domain."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.members.contracts import (
    Identity,
    Level,
    PayerAccount,
    Source,
)

# The phone of a person is the one of any of their records.
MEMBER = """m.member_id, m.person_no, m.nickname, m.avatar_url, m.level,
  coalesce(m.phone_sealed, (select r.phone_sealed from members.members r
    where r.shop_id = m.shop_id and r.merged_into = m.member_id and r.phone_sealed is not null
    order by r.joined_at desc limit 1)) as phone_sealed,
  m.joined_at, m.last_login_at, m.source"""


class MemberRow(msgspec.Struct, frozen=True):
    """A member as stored."""

    member_id: UUID
    person_no: int
    nickname: str
    avatar_url: str | None
    level: Level
    phone_sealed: bytes | None
    joined_at: datetime
    last_login_at: datetime | None
    source: Source


class LoginRow(MemberRow, frozen=True):
    """Who logs in, and the record the log-in belongs to; has_union: it knows its shared id."""

    record_id: UUID
    has_union: bool


class AddressRow(msgspec.Struct, frozen=True):
    """An address as stored."""

    address_id: UUID
    province: str
    city: str
    sealed: bytes
    is_default: bool


class CheckoutRow(msgspec.Struct, frozen=True):
    """A member beside one of their addresses; all null when there is no such member."""

    member_id: UUID | None
    person_no: int | None
    level: Level | None
    address_id: UUID | None
    province: str | None
    city: str | None
    sealed: bytes | None
    is_default: bool | None

    @property
    def address(self) -> AddressRow | None:
        """The address, if there is one."""
        if self.address_id is None or self.sealed is None:
            return None
        assert self.province is not None and self.city is not None
        return AddressRow(
            self.address_id, self.province, self.city, self.sealed, bool(self.is_default)
        )


class VisitorRow(msgspec.Struct, frozen=True):
    """A visitor key and the person behind it."""

    visitor: UUID
    person_no: int
    member_id: UUID | None


class LeftRow(msgspec.Struct, frozen=True):
    """What a member left here."""

    country: str | None
    address_count: int
    device_count: int
    merged_visitor_count: int


async def get_member_by_login(tx: ReadTx, app_id: str, subject: str) -> LoginRow | None:
    """The member an outside app knows under `subject`: the record that stands for the person."""
    return await tx.maybe(
        LoginRow,
        f"""select {MEMBER}, own.member_id as record_id, own.union_key is not null as has_union
            from members.logins l
            join members.members own using (shop_id, member_id)
            join members.members m on m.shop_id = own.shop_id
              and m.member_id = coalesce(own.merged_into, own.member_id)
            where l.shop_id = $1 and l.app_id = $2 and l.subject = $3""",
        tx.shop_id,
        app_id,
        subject,
    )


async def get_member(tx: ReadTx, member_id: UUID) -> MemberRow | None:
    """A member of the shop."""
    return await tx.maybe(
        MemberRow,
        f"select {MEMBER} from members.members m where m.shop_id = $1 and m.member_id = $2",
        tx.shop_id,
        member_id,
    )


async def lock_member(tx: Tx, member_id: UUID) -> MemberRow | None:
    """A member of the shop, held."""
    return await tx.maybe(
        MemberRow,
        f"""select {MEMBER} from members.members m
            where m.shop_id = $1 and m.member_id = $2 for no key update""",
        tx.shop_id,
        member_id,
    )


async def lock_person_counter(tx: Tx) -> int:
    """The last person number; whoever holds it is the only one making persons in this shop."""
    last_no: int = await tx.value(
        """insert into members.person_counters as c (shop_id, last_no) values ($1, 0)
           on conflict (shop_id) do update set last_no = c.last_no returning last_no""",
        tx.shop_id,
    )
    return last_no


async def insert_member(
    tx: Tx,
    *,
    member_id: UUID,
    person_no: int,
    nickname: str,
    nickname_key: str,
    union_key: bytes | None,
    app_id: str,
    subject: str,
    at: datetime,
) -> MemberRow:
    """Make person `person_no` (the counter is held and moved here) and its member, who has just
    logged in as the `subject` of an app.
    """
    return await tx.one(
        MemberRow,
        f"""with counter as (
              update members.person_counters set last_no = $3 where shop_id = $1),
            person as (
              insert into members.persons (shop_id, person_no, origin, created_at)
              values ($1, $3, 'member', $7)),
            login as (
              insert into members.logins (shop_id, app_id, subject, member_id, created_at)
              values ($1, $8, $9, $2, $7))
            insert into members.members as m (shop_id, member_id, person_no, nickname,
              nickname_key, union_key, joined_at, last_login_at)
            values ($1, $2, $3, $4, $5, $6, $7, $7) returning {MEMBER}""",
        *(tx.shop_id, member_id, person_no, nickname, nickname_key, union_key, at, app_id, subject),
    )


async def insert_login(tx: Tx, app_id: str, subject: str, member_id: UUID, at: datetime) -> None:
    """Tie an outside id to a member; the counter is held, so nobody else can."""
    await tx.run(
        """insert into members.logins (shop_id, app_id, subject, member_id, created_at)
           values ($1, $2, $3, $4, $5)""",
        *(tx.shop_id, app_id, subject, member_id, at),
    )


async def set_logged_in(tx: Tx, member_id: UUID, at: datetime) -> MemberRow:
    """Note a log-in."""
    return await tx.one(
        MemberRow,
        f"""update members.members m set last_login_at = $3
            where m.shop_id = $1 and m.member_id = $2 returning {MEMBER}""",
        *(tx.shop_id, member_id, at),
    )


async def set_union(tx: Tx, member_id: UUID, union_key: bytes) -> None:
    """Keep the shared id that a record's log-in told."""
    await tx.run(
        "update members.members set union_key = $3 where shop_id = $1 and member_id = $2",
        *(tx.shop_id, member_id, union_key),
    )


async def update_profile(
    tx: Tx, member_id: UUID, nickname: str, nickname_key: str, avatar_url: str | None
) -> MemberRow | None:
    """Write nickname and picture; a picture that is None stays."""
    return await tx.maybe(
        MemberRow,
        f"""update members.members m set nickname = $3, nickname_key = $4,
              avatar_url = coalesce($5, m.avatar_url)
            where m.shop_id = $1 and m.member_id = $2 returning {MEMBER}""",
        *(tx.shop_id, member_id, nickname, nickname_key, avatar_url),
    )


async def update_phone(tx: Tx, member_id: UUID, sealed: bytes, key: bytes) -> MemberRow | None:
    """Write the phone number, sealed and findable."""
    return await tx.maybe(
        MemberRow,
        f"""update members.members m set phone_sealed = $3, phone_key = $4
            where m.shop_id = $1 and m.member_id = $2 returning {MEMBER}""",
        tx.shop_id,
        member_id,
        sealed,
        key,
    )


async def update_level(tx: Tx, member_id: UUID, level: Level) -> MemberRow | None:
    """Write the level."""
    return await tx.maybe(
        MemberRow,
        f"""update members.members m set level = $3
            where m.shop_id = $1 and m.member_id = $2 returning {MEMBER}""",
        tx.shop_id,
        member_id,
        level,
    )


async def get_payer(tx: ReadTx, member_id: UUID, app_id: str) -> PayerAccount | None:
    """The newest id under which an app knows the member."""
    return await tx.maybe(
        PayerAccount,
        """select app_id, subject from members.logins
           where shop_id = $1 and member_id = $2 and app_id = $3
           order by created_at desc limit 1""",
        tx.shop_id,
        member_id,
        app_id,
    )


async def get_left(tx: ReadTx, member_id: UUID) -> LeftRow | None:
    """Where a member came from, and how much they left here."""
    return await tx.maybe(
        LeftRow,
        """select country, (select count(*) from members.addresses a
              where a.shop_id = $1 and a.member_id = $2) as address_count,
             (select count(*) from members.visitors v
              where v.shop_id = $1 and v.member_id = $2) as device_count,
             (select count(*) from members.persons p
              where p.shop_id = $1 and p.merged_into = m.person_no) as merged_visitor_count
           from members.members m where m.shop_id = $1 and m.member_id = $2""",
        tx.shop_id,
        member_id,
    )


# --- addresses --------------------------------------------------------------------------------

# An address that came with a merge is not the default one: that is the member's own.
_ADDRESS = """address_id, province, city, sealed,
  is_default and coalesce(home_id, member_id) = member_id as is_default"""


async def list_addresses(tx: ReadTx, member_id: UUID) -> list[AddressRow]:
    """A member's addresses, the default one first, then the newest."""
    return await tx.all(
        AddressRow,
        f"""select {_ADDRESS} from members.addresses where shop_id = $1 and member_id = $2
            order by 5 desc, created_at desc, address_id desc""",
        tx.shop_id,
        member_id,
    )


async def list_phone_keys(tx: ReadTx, member_ids: list[UUID]) -> list[bytes]:
    """The keyed hashes of all phone numbers of these records, also of those that were linked."""
    found: list[bytes] = await tx.value(
        """select array(
             select phone_key from members.members
             where shop_id = $1 and member_id = any($2::uuid[]) and phone_key is not null
             union select value_key from members.identifiers
             where shop_id = $1 and member_id = any($2::uuid[]) and kind = 'phone')""",
        tx.shop_id,
        member_ids,
    )
    return found


async def get_address(tx: ReadTx, member_id: UUID, address_id: UUID) -> AddressRow | None:
    """One address of this member."""
    return await tx.maybe(
        AddressRow,
        f"""select {_ADDRESS} from members.addresses
            where shop_id = $1 and member_id = $2 and address_id = $3""",
        tx.shop_id,
        member_id,
        address_id,
    )


async def list_identities(tx: ReadTx, person_nos: Sequence[int]) -> list[Identity]:
    """The numbers of a person: of their records, and of the visitors they turned out to be."""
    return await tx.all(
        Identity,
        """select person_no, created_at from members.persons
           where shop_id = $1 and (person_no = any($2::bigint[]) or merged_into = any($2::bigint[]))
           order by person_no""",
        *(tx.shop_id, person_nos),
    )


async def list_for_checkout(
    tx: ReadTx, buyers: Sequence[tuple[UUID, UUID | None]]
) -> list[CheckoutRow]:
    """Members, each with one of their own addresses, in the order of (member, address) asked.

    (The planner does not look into the lists, or it would plan anew for every length.)
    """
    return await tx.all(
        CheckoutRow,
        """select m.member_id, m.person_no, m.level, a.address_id, a.province, a.city, a.sealed,
             a.is_default and coalesce(a.home_id, a.member_id) = a.member_id as is_default
           from unnest((select $2::uuid[]), (select $3::uuid[]))
             with ordinality as b (member_id, address_id, no)
           left join members.members m on m.shop_id = $1 and m.member_id = b.member_id
           left join members.addresses a on a.shop_id = $1 and a.member_id = b.member_id
             and a.address_id = b.address_id
           order by b.no""",
        tx.shop_id,
        [member_id for member_id, _ in buyers],
        [address_id for _, address_id in buyers],
    )


async def clear_default(tx: Tx, member_id: UUID) -> None:
    """No address of the member is the default one."""
    await tx.run(
        """update members.addresses set is_default = false
           where shop_id = $1 and member_id = $2 and is_default
             and coalesce(home_id, member_id) = member_id""",
        tx.shop_id,
        member_id,
    )


async def insert_address(tx: Tx, member_id: UUID, address: AddressRow, at: datetime) -> None:
    """Keep an address; a default one takes the place of the one before."""
    await tx.run(
        """with before as (
             update members.addresses set is_default = false
             where shop_id = $1 and member_id = $2 and is_default and $7
               and coalesce(home_id, member_id) = member_id returning address_id)
           insert into members.addresses (shop_id, member_id, address_id, province, city, sealed,
             is_default, created_at)
           select $1, $2, $3, $4, $5, $6, $7, $8 from (select count(*) from before) first""",
        *(tx.shop_id, member_id, *msgspec.structs.astuple(address), at),
    )


async def update_address(tx: Tx, member_id: UUID, address: AddressRow) -> int:
    """Rewrite an address of this member; how many there were (0 or 1). One that came with a merge
    is the member's own from now on."""
    return await tx.run(
        """update members.addresses
           set province = $4, city = $5, sealed = $6, is_default = $7, home_id = null
           where shop_id = $1 and member_id = $2 and address_id = $3""",
        *(tx.shop_id, member_id, *msgspec.structs.astuple(address)),
    )


async def delete_address(tx: Tx, member_id: UUID, address_id: UUID) -> int:
    """Forget an address of this member; how many there were (0 or 1)."""
    return await tx.run(
        """delete from members.addresses
           where shop_id = $1 and member_id = $2 and address_id = $3""",
        tx.shop_id,
        member_id,
        address_id,
    )


# --- visitors ---------------------------------------------------------------------------------


async def list_visitors(tx: ReadTx, visitors: list[UUID]) -> list[VisitorRow]:
    """Those of the visitor keys that are known."""
    return await tx.all(
        VisitorRow,
        """select visitor, person_no, member_id from members.visitors
           where shop_id = $1 and visitor = any($2::uuid[])""",
        tx.shop_id,
        visitors,
    )


async def insert_visitors(
    tx: Tx, visitors: list[UUID], first_no: int, at: datetime
) -> list[VisitorRow]:
    """Make a person for each new key, numbered from `first_no`; the counter is held."""
    return await tx.all(
        VisitorRow,
        """with fresh as (
             select visitor, $3 + n - 1 as person_no
             from unnest($2::uuid[]) with ordinality as t (visitor, n)),
           counter as (
             update members.person_counters set last_no = $3 + cardinality($2::uuid[]) - 1
             where shop_id = $1),
           persons as (
             insert into members.persons (shop_id, person_no, origin, created_at)
             select $1, person_no, 'visitor', $4 from fresh)
           insert into members.visitors as v (shop_id, visitor, person_no, seen_at)
           select $1, visitor, person_no, $4 from fresh
           returning v.visitor, v.person_no, v.member_id""",
        tx.shop_id,
        visitors,
        first_no,
        at,
    )


async def lock_visitor(tx: Tx, visitor: UUID) -> VisitorRow | None:
    """A visitor key, held."""
    return await tx.maybe(
        VisitorRow,
        """select visitor, person_no, member_id from members.visitors
           where shop_id = $1 and visitor = $2 for no key update""",
        tx.shop_id,
        visitor,
    )


async def is_visitors_own(tx: ReadTx, person_no: int) -> bool:
    """Whether a number is that of somebody who only looked, and never became a member."""
    return bool(
        await tx.value(
            """select exists (select from members.persons where shop_id = $1 and person_no = $2
                 and origin = 'visitor' and merged_into is null)""",
            *(tx.shop_id, person_no),
        )
    )


async def point_visitor(
    tx: Tx, visitor: UUID, person_no: int, member_id: UUID, at: datetime
) -> None:
    """The key belongs to this member from now on; a key never seen is noted."""
    await tx.run(
        """insert into members.visitors as v (shop_id, visitor, person_no, member_id, seen_at)
           values ($1, $2, $3, $4, $5)
           on conflict (shop_id, visitor) do update
             set person_no = excluded.person_no, member_id = excluded.member_id""",
        *(tx.shop_id, visitor, person_no, member_id, at),
    )


async def merge_person(tx: Tx, person_no: int, into: int) -> int:
    """A visitor's person turned out to be `into`; 1 unless it was a member's or merged before."""
    return await tx.run(
        """update members.persons set merged_into = $3
           where shop_id = $1 and person_no = $2 and origin = 'visitor' and merged_into is null""",
        tx.shop_id,
        person_no,
        into,
    )


async def get_numbered(tx: ReadTx, person_no: int) -> UUID | None:
    """The record that stands for the person of a number."""
    found: UUID | None = await tx.value(
        """select coalesce(merged_into, member_id) from members.members
           where shop_id = $1 and person_no = $2""",
        *(tx.shop_id, person_no),
    )
    return found
