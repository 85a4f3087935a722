"""Who is who: links, merges, their undoing, and what staff are asked."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from random import Random
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.crypto import vault
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.people.members import background, invariants, rules, service
from siyu.people.members.contracts import (
    AddressText,
    BadIdentifier,
    Evidence,
    IdentifierKind,
    IdentifierNotFound,
    IdentifierTaken,
    Level,
    MembersMerged,
    MergeDecided,
    MergeState,
    MergeUndone,
    Platform,
    SamePerson,
)
from siyu.people.members.service import identity_store

PHONE = "13812345678"


async def enter(tx: Tx, subject: str, union: str | None = None, app: str = "wx1") -> UUID:
    entered = await service.record_login(
        tx, app, subject, union_id=union, platform=Platform.MINI_PROGRAM
    )
    return entered.member.member_id


async def make(tx: Tx, count: int) -> list[UUID]:
    """Members with nothing in common, each a day older than the one before."""
    found = []
    for no in range(count):
        found.append(await enter(tx, f"open-{no}", app=f"wx{no}"))
        await tx.run(
            """update members.members set joined_at = joined_at - make_interval(days => $3)
               where shop_id = $1 and member_id = $2""",
            *(tx.shop_id, found[-1], no),
        )
    return found


async def snapshot(tx: Tx) -> list[object]:
    """Everything that says who is who: what merges may change, and must put back."""
    people = await tx.connection.fetch(
        """select member_id, merged_into, phone_key, level from members.members
           where shop_id = $1 order by 1""",
        tx.shop_id,
    )
    links = await tx.connection.fetch(
        "select * from members.identifiers where shop_id = $1 order by 2, 3", tx.shop_id
    )
    addresses = await tx.connection.fetch(
        """select member_id, address_id, is_default from members.addresses
           where shop_id = $1 order by 2""",
        tx.shop_id,
    )
    return [*people, *links, *addresses]


async def check(tx: Tx) -> None:
    for truth, sql in invariants.INVARIANTS.items():
        assert await tx.connection.fetch(sql) == [], truth


async def merge(tx: Tx, one: UUID, other: UUID) -> UUID:
    """As staff do it, with the addresses following."""
    merge_id = await service.propose_merge(tx, System(), one, other)
    await service.decide_merge(tx, System(), merge_id, True, None)
    person = await service.get_identities(tx, one)
    ids = [record.member_id for record in person.records]
    event = MembersMerged(person.person_no, person.member_id, merge_id, ids)
    await background.on_members_merged(tx, event)
    return merge_id


async def undo(tx: Tx, merge_id: UUID) -> None:
    row = await service.get_merge(tx, merge_id)
    person = await service.get_identities(tx, row.one.member_id)
    ids = [record.member_id for record in person.records]
    await service.undo_merge(tx, System(), merge_id, "wrong")
    event = MergeUndone(person.person_no, person.member_id, merge_id, ids)
    await background.on_merge_undone(tx, event)


async def told(tx: Tx, name: str) -> list[dict[str, object]]:
    await tx.flush()
    rows = await tx.connection.fetch(
        """select payload from kernel.outbox where shop_id = $1 and name = $2 order by event_id""",
        *(tx.shop_id, name),
    )
    return [row["payload"] for row in rows]


# --- by themselves --------------------------------------------------------------------------------


async def test_the_same_unionid_merges_two_log_ins(tx: Tx) -> None:
    first = await enter(tx, "a", app="wx1")
    second = await enter(tx, "b", "union-1", app="wx2")
    assert await enter(tx, "a", "union-1", app="wx1") == first
    assert await enter(tx, "b", "union-1", app="wx2") == first
    person = await service.get_identities(tx, second)
    assert person.member_id == first
    assert [record.member_id for record in person.records] == [first, second]
    [done] = person.merges
    assert (done.state, done.evidence, done.reasons) == (MergeState.MERGED, "unionid", [])
    assert await told(tx, "members.person_joined") == [{"person_no": 1, "joined_person_no": 2}]
    [event] = await told(tx, "members.members_merged")
    assert event["member_id"] == str(first)
    assert event["record_ids"] == [str(first), str(second)]
    await check(tx)


async def test_an_authorised_phone_finds_the_member_of_a_list(tx: Tx) -> None:
    old = await service.register(tx, System(), "老王", [(IdentifierKind.PHONE, PHONE)])
    new = await enter(tx, "a")
    member = await service.give_phone(tx, new, PHONE)
    assert member.member_id == old
    assert await enter(tx, "a") == old
    await check(tx)


async def test_a_phone_of_a_merged_record_is_the_persons(tx: Tx) -> None:
    first, second = await make(tx, 2)
    await service.give_phone(tx, first, PHONE)
    await merge(tx, first, second)
    assert (await service.get_member(tx, second)).phone_masked == "138****5678"
    [found] = await service.list_members(tx, "138 1234 5678", None, 10)
    assert found.member_id == second, "the earliest record stands for the person"


async def test_a_waiting_merge_is_done_when_certain_evidence_comes(tx: Tx) -> None:
    first = await enter(tx, "a", app="wx1")
    second = await enter(tx, "b", app="wx2")
    waiting = await service.propose_merge(tx, System(), first, second)
    await service.give_phone(tx, first, PHONE)
    await service.give_phone(tx, second, PHONE)
    states = {row.merge_id: row.state for row in await service.list_merges(tx, None, None, 10)}
    assert states.pop(waiting) is MergeState.REFUSED
    assert list(states.values()) == [MergeState.MERGED]
    await check(tx)


# --- what staff are asked -------------------------------------------------------------------------


async def reasons(tx: Tx) -> list[str]:
    [row] = await service.list_merges(tx, MergeState.PROPOSED, None, 10)
    return row.reasons


async def test_two_accounts_of_wechat_with_one_phone_wait_for_staff(tx: Tx) -> None:
    first, second = await enter(tx, "a", "union-1"), await enter(tx, "b", "union-2")
    await service.give_phone(tx, first, PHONE)
    await service.give_phone(tx, second, PHONE)
    assert await reasons(tx) == ["unionids_differ", "openids_differ"]
    assert await enter(tx, "b") == second, "nobody is merged while staff have not decided"
    await check(tx)


async def test_two_phones_and_one_unionid_wait_for_staff(tx: Tx) -> None:
    first, second = await enter(tx, "a", app="wx1"), await enter(tx, "b", "union-1", app="wx2")
    await service.give_phone(tx, first, PHONE)
    await service.give_phone(tx, second, "13900001111")
    await enter(tx, "a", "union-1", app="wx1")
    assert await reasons(tx) == ["phones_differ"]


@pytest.mark.parametrize("reason", ["level_lost", "staff_locked", "two_balances"])
async def test_what_speaks_against_a_merge(tx: Tx, reason: str) -> None:
    first = await enter(tx, "a", app="wx1")
    second = await enter(tx, "b", "union-1", app="wx2")
    if reason == "staff_locked":
        await service.set_merge_lock(tx, System(), second, "disputed")
    elif reason == "two_balances":
        for one in (first, second):
            await service.mark_balance(tx, one)
    else:
        await service.set_level(tx, System(), second, Level.VIP)
    await enter(tx, "a", "union-1", app="wx1")
    assert await reasons(tx) == [reason]
    assert await told(tx, "members.members_merged") == []


async def test_a_card_that_somebody_has_is_weak_evidence(tx: Tx) -> None:
    first, second = await make(tx, 2)
    card = IdentifierKind.CARD
    assert await service.link(tx, first, card, " ab-1234 ", Evidence.STAFF) is None
    assert await service.link(tx, first, card, "AB-1234", Evidence.STAFF) is None
    waiting = await service.link(tx, second, card, "ab-1234", Evidence.MEMBER)
    assert await reasons(tx) == ["weak_evidence"]
    assert await service.link(tx, second, card, "ab-1234", Evidence.MEMBER) == waiting
    [record] = (await service.get_identities(tx, first)).records
    assert [one.masked for one in record.identifiers if one.kind is card] == ["***34"]


async def test_a_refused_merge_is_not_made_by_itself_later(tx: Tx) -> None:
    first, second = await make(tx, 2)
    waiting = await service.propose_merge(tx, System(), first, second)

    class Clerk:
        actor, actor_name = "staff:1", "小李"

    await service.decide_merge(tx, Clerk(), waiting, False, "two people")
    await service.give_phone(tx, first, PHONE)
    await service.give_phone(tx, second, PHONE)
    assert await reasons(tx) == ["decided_before"]
    with pytest.raises(MergeDecided):
        await service.decide_merge(tx, Clerk(), waiting, True, None)


async def test_one_person_cannot_be_merged_with_itself(tx: Tx) -> None:
    first, second, third = await make(tx, 3)
    await merge(tx, first, second)
    waiting = await service.propose_merge(tx, System(), first, third)
    await merge(tx, second, third)  # answers what waited between the same two persons
    with pytest.raises(SamePerson):
        await service.propose_merge(tx, System(), first, third)
    assert (await service.get_merge(tx, waiting)).state in (MergeState.MERGED, MergeState.REFUSED)
    await check(tx)


# --- undone ---------------------------------------------------------------------------------------


async def join_all(tx: Tx, members: Sequence[UUID], edges: Sequence[tuple[int, int]]) -> list[UUID]:
    made = []
    for one, other in edges:
        try:
            made.append(await merge(tx, members[one], members[other]))
        except SamePerson:
            continue
    return made


async def heads(tx: Tx, members: Sequence[UUID]) -> list[UUID]:
    return [await service.person_of(tx, one) for one in members]


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_of_the_same_merges_gives_the_same_persons(tx: Tx, seed: int) -> None:
    chance = Random(seed)
    members = await make(tx, 6)
    text = AddressText(
        receiver="王", phone=PHONE, province="浙江", city="杭州", district="西湖", detail="1 号"
    )
    for one in members:
        await service.add_address(tx, one, text, True)
    edges = [tuple(chance.sample(range(6), 2)) for _ in range(chance.randint(1, 8))]
    before = await snapshot(tx)
    made = await join_all(tx, members, edges)
    together = await snapshot(tx)
    await check(tx)
    for merge_id in chance.sample(made, len(made)):
        await undo(tx, merge_id)
        await check(tx)
    assert await snapshot(tx) == before, "merge then undo is as if nothing had been"
    await join_all(tx, members, chance.sample(edges, len(edges)))
    assert await snapshot(tx) == together
    await check(tx)


async def test_addresses_follow_and_go_home(tx: Tx) -> None:
    first, second = await make(tx, 2)  # the second is older and stands for both
    text = AddressText(
        receiver="王", phone=PHONE, province="浙江", city="杭州", district="西湖", detail="1 号"
    )
    own = await service.add_address(tx, first, text, True)
    kept = await service.add_address(tx, second, text, True)
    before = await snapshot(tx)
    done = await merge(tx, first, second)
    found = {one.address_id: one.is_default for one in await service.list_addresses(tx, second)}
    assert found == {kept.address_id: True, own.address_id: False}
    assert await service.list_addresses(tx, first) == []
    await undo(tx, done)
    assert await snapshot(tx) == before
    done = await merge(tx, first, second)
    await service.edit_address(tx, second, own.address_id, text, True)
    await undo(tx, done)
    assert await service.list_addresses(tx, first) == [], "what was changed since stays"
    assert len(await service.list_addresses(tx, second)) == 2


async def test_undoing_tells_the_warehouse_that_a_number_stands_alone(tx: Tx) -> None:
    first, second = await make(tx, 2)
    done = await merge(tx, first, second)
    await undo(tx, done)
    assert await told(tx, "members.person_joined") == [
        {"person_no": 2, "joined_person_no": 1},
        {"person_no": 1, "joined_person_no": 1},
    ]
    with pytest.raises(MergeDecided):
        await service.undo_merge(tx, System(), done, "again")


# --- races ----------------------------------------------------------------------------------------


async def committed(shop: ShopId, count: int) -> list[UUID]:
    async with transaction(shop) as tx:
        return await make(tx, count)


async def test_control_without_the_lock_two_merges_at_once_disagree(shop: ShopId) -> None:
    one, two, three = await committed(shop, 3)
    barrier = asyncio.Barrier(2)

    async def naive(left: UUID, right: UUID) -> None:
        async with transaction(shop) as tx:
            left, right = sorted((left, right))
            await tx.run(
                """insert into members.merges (shop_id, merge_id, one_id, other_id, evidence,
                     confidence_bps, state, reasons, proposed_by, proposed_at, decided_by,
                     decided_at)
                   values ($1, gen_random_uuid(), $2, $3, 'staff', 1, 'merged', '{}', 'x', now(),
                     'x', now())""",
                *(shop, left, right),
            )
            await barrier.wait()
            await identity_store.move_heads(tx, [left, right])
            await barrier.wait()

    await asyncio.gather(naive(one, two), naive(two, three))
    truth = "who stands for a person is the first of the records that merges tie together"
    async with transaction(shop) as tx:
        assert await tx.connection.fetch(invariants.INVARIANTS[truth]) != []
        await identity_store.move_heads(tx, [one])
        await check(tx)


async def test_merges_at_once_agree(shop: ShopId) -> None:
    members = await committed(shop, 6)

    async def join(left: UUID, right: UUID) -> None:
        async with transaction(shop) as tx:
            merge_id = await service.propose_merge(tx, System(), left, right)
            await service.decide_merge(tx, System(), merge_id, True, None)

    await asyncio.gather(*(join(left, right) for left, right in pairwise(members)))
    async with transaction(shop) as tx:
        assert set(await heads(tx, members)) == {members[-1]}
        await check(tx)


async def test_log_ins_during_merges_enter_as_one_of_the_persons_records(shop: ShopId) -> None:
    first, second = await committed(shop, 2)

    async def log_in() -> UUID:
        async with transaction(shop) as tx:
            return await enter(tx, "open-0", app="wx0")

    async def toggle() -> None:
        for _ in range(3):
            async with transaction(shop) as tx:
                merge_id = await service.propose_merge(tx, System(), first, second)
                await service.decide_merge(tx, System(), merge_id, True, None)
            async with transaction(shop) as tx:
                await service.undo_merge(tx, System(), merge_id, "again")

    _, *entered = await asyncio.gather(toggle(), *(log_in() for _ in range(20)))
    assert set(entered) <= {first, second}
    assert await log_in() == first, "undone: the log-in's own record"
    async with transaction(shop) as tx:
        await check(tx)


async def test_an_identifier_given_twice_at_once_is_of_one_record(shop: ShopId) -> None:
    members = await committed(shop, 5)

    async def give(member_id: UUID) -> None:
        async with transaction(shop) as tx:
            await service.give_phone(tx, member_id, PHONE)

    await asyncio.gather(*map(give, members))
    async with transaction(shop) as tx:
        assert set(await heads(tx, members)) == {members[-1]}
        held = await tx.value("select count(*) from members.identifiers where kind = 'phone'")
        assert held == 1
        await check(tx)


async def test_the_database_refuses_a_second_holder(tx: Tx) -> None:
    first, second = await make(tx, 2)
    await service.link(tx, first, IdentifierKind.EMAIL, "a@b.cn", Evidence.STAFF)
    with pytest.raises(asyncpg.UniqueViolationError):
        await tx.run(
            """insert into members.identifiers (shop_id, kind, value_key, member_id, source,
                 confidence_bps, linked_at) values ($1, 'email', $2, $3, 'staff', 1, $4)""",
            *(tx.shop_id, vault().lookup("a@b.cn"), second, clock.now()),
        )


# --- rules ----------------------------------------------------------------------------------------


@given(st.from_regex(r"1[0-9]{10}", fullmatch=True))
def test_the_short_way_of_mobile_numbers_finds_what_the_library_finds(number: str) -> None:
    def read(text: str) -> str:
        try:
            return rules.normal_phone(text)
        except Exception as error:
            return type(error).__name__

    assert read(number) == read(f"+86 {number}")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (IdentifierKind.CARD, " vip 0001 ", "VIP0001"),
        (IdentifierKind.EMAIL, "Wang@Example.CN", "wang@example.cn"),
        (IdentifierKind.PHONE, "138-1234-5678", "+8613812345678"),
        (IdentifierKind.UNIONID, "oAbC_-12", "oAbC_-12"),
    ],
)
def test_identifiers_have_one_form(kind: IdentifierKind, text: str, value: str) -> None:
    assert rules.normal(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (IdentifierKind.CARD, "1"),
        (IdentifierKind.CARD, "-----"),
        (IdentifierKind.EMAIL, "a@b"),
        (IdentifierKind.EMAIL, "a b@c.cn"),
        (IdentifierKind.UNIONID, "a b"),
        (IdentifierKind.EMAIL, "a" * 300 + "@b.cn"),
    ],
)
def test_what_is_no_identifier_is_refused(kind: IdentifierKind, text: str) -> None:
    with pytest.raises(BadIdentifier):
        rules.normal(kind, text)


async def test_reading_people_leaves_out_merged_records(tx: Tx) -> None:
    first, second = await make(tx, 2)
    await merge(tx, first, second)
    listed = await service.list_members(tx, None, None, 10)
    assert [one.member_id for one in listed] == [second]
    named = await service.list_members(tx, None, None, 10, ids=[first])
    assert [one.member_id for one in named] == [first], "an old order still has its name"
    joined = clock.now() - timedelta(hours=12)
    only = service.PeopleFilter(joined_from=joined)
    assert await service.list_members(tx, None, None, 10, only=only) == []


async def test_no_shop_sees_the_people_of_another(shop: ShopId) -> None:
    await committed(shop, 2)
    async with reading(ShopId(shop + 1_000_000)) as other:
        assert await service.list_merges(other, None, None, 10) == []
        assert await service.find_persons(other, PHONE) == []


async def test_a_wrong_identifier_is_taken_off_and_given_back_as_it_was(tx: Tx) -> None:
    member_id = await enter(tx, "o-1", "union-1")
    await service.give_phone(tx, member_id, PHONE)
    before = await snapshot(tx)
    person = await service.get_identities(tx, member_id)
    refs = {one.kind: one.ref for one in person.records[0].identifiers}
    assert refs.pop(IdentifierKind.OPENID) is None and len(refs) == 2
    removed = {
        kind: await service.unlink(tx, System(), member_id, kind, str(ref), "录错了")
        for kind, ref in refs.items()
    }
    await check(tx)
    assert await service.find_by_identifier(tx, IdentifierKind.PHONE, PHONE) is None
    assert (await service.get_member(tx, member_id)).phone_masked is None
    shown = await service.get_identities(tx, member_id)
    assert [one.masked for one in shown.removed if one.kind is IdentifierKind.PHONE] == [
        "138****5678"
    ]
    with pytest.raises(IdentifierNotFound):
        await service.unlink(
            tx, System(), member_id, IdentifierKind.PHONE, str(refs[IdentifierKind.PHONE]), "再来"
        )
    for removal_id in removed.values():
        await service.relink(tx, System(), member_id, removal_id)
    assert await snapshot(tx) == before
    assert (await service.get_member(tx, member_id)).phone_masked == "138****5678"
    assert (await service.get_identities(tx, member_id)).removed == []
    with pytest.raises(IdentifierNotFound):
        await service.relink(tx, System(), member_id, removed[IdentifierKind.PHONE])


async def test_what_was_taken_off_may_have_become_somebodys(tx: Tx) -> None:
    one, other = await make(tx, 2)
    await service.link(tx, one, IdentifierKind.CARD, "C-0009", Evidence.IMPORT)
    [card] = [
        link
        for link in (await service.get_identities(tx, one)).records[0].identifiers
        if link.kind is IdentifierKind.CARD
    ]
    removal_id = await service.unlink(tx, System(), one, card.kind, str(card.ref), "录错了")
    await service.link(tx, other, IdentifierKind.CARD, "C-0009", Evidence.STAFF)
    with pytest.raises(IdentifierTaken):
        await service.relink(tx, System(), one, removal_id)
    assert await service.find_by_identifier(tx, IdentifierKind.CARD, "c-0009") == other


async def test_who_was_met_while_the_shared_id_was_off_is_linked_when_it_comes_back(tx: Tx) -> None:
    """A follower and a customer of the staff, met under a shared id that staff had taken off."""
    member_id = await enter(tx, "o-1", "union-1")
    [ref] = [
        str(one.ref)
        for one in (await service.get_identities(tx, member_id)).records[0].identifiers
        if one.kind is IdentifierKind.UNIONID
    ]
    removal_id = await service.unlink(
        tx, System(), member_id, IdentifierKind.UNIONID, ref, "录错了"
    )
    assert not await service.link_contact(tx, "wmOne", "union-1"), "nobody has it: it waits"
    assert not await service.link_app(tx, "wxoa", "oaOne", "union-1")
    assert not await service.link_contact(tx, "wmTwo", "union-2"), "somebody else's"
    assert await service.person_of_contact(tx, "wmOne") is None
    await service.relink(tx, System(), member_id, removal_id)
    person_no = (await service.get_member(tx, member_id)).person_no
    assert await service.person_of_contact(tx, "wmOne") == person_no
    assert await service.person_of_app(tx, "wxoa", "oaOne") == person_no
    assert await service.person_of_contact(tx, "wmTwo") is None
    waiting = await tx.value(
        """select (select count(*) from members.waiting_logins where shop_id = $1) * 10
             + (select count(*) from members.waiting_contacts where shop_id = $1)""",
        tx.shop_id,
    )
    assert waiting == 1, "only the other one waits on"
    await check(tx)
