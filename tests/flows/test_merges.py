"""What a person has follows them through a merge, and an undone merge leaves all as it was.

Every table that says whose a row is either follows (it has a column for the row's home) or stands
in STAYS with the reason; a customer with a trace in every domain is merged and parted.
"""

from typing import Any
from uuid import UUID

from siyu.app import truths
from siyu.app.event_map import EVENT_MAP
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.events import Event
from siyu.kernel.ids import ShopId
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel, Purpose
from siyu.people.members import service as members
from siyu.people.members.contracts import IdentifierKind, MembersMerged, MergeUndone
from siyu.people.privacy import service as privacy
from tests.faults.test_access_matrix import World, world

__all__ = ["world"]

OWNERS = {
    "member_id": "home_id",
    "giver_id": "giver_home_id",
    "receiver_id": "receiver_home_id",
}
STAYS = {
    "members.members": "the records themselves",
    "members.logins": "a link is of one record",
    "members.identifiers": "a link is of one record",
    "members.removed_identifiers": "a link is of one record",
    "members.visitors": "who last logged in there",
    "ordering.carts": "a lock; its lines follow",
    "points.accounts": "points move by an entry, lot by lot",
    "points.lots": "points move by an entry; home_lot",
    "points.earnings": "what an order earned for whom",
    "points.spendings": "it ends in the account it was held in",
    "points.movements": "a statement is never changed",
    "stored_value.wallets": "a lock; its lots follow",
    "stored_value.spendings": "it ends in the wallet it was held in",
    "stored_value.adjustments": "what staff wrote",
    "stored_value.movements": "a statement is never changed",
    "payouts.payouts": "a contract with one openid",
    "payouts.agreements": "a contract with one openid",
    "profit_sharing.receivers": "a contract with one openid",
    "profit_sharing.rules": "receiver_id is a receiver of money there, no member",
    "profit_sharing.parts": "receiver_id is a receiver of money there, no member",
    "profit_sharing.timeline": "receiver_id is a receiver of money there, no member",
    "profit_sharing.requests": "receiver_id is a receiver of money there, no member",
    "profit_sharing.promoters": "a contract with one openid",
    "profit_sharing.buyers": "who bought; all records of a person are looked at",
    "profit_sharing.devices": "who used it; all records of a person are looked at",
    "privacy.archives": "what a record asked for, and its report",
    "privacy.erasures": "what a record asked for, and its report",
}


async def owned(shop: ShopId) -> list[tuple[str, str, bool]]:
    """Tables that say whose a row is: name, the column, and whether rows follow."""
    async with reading(shop) as tx:
        rows = await tx.connection.fetch(
            """select table_schema || '.' || table_name as name, column_name
               from information_schema.columns
               where column_name = any($1::text[]) order by 1, 2""",
            [*OWNERS, *OWNERS.values()],
        )
    found = {(row["name"], row["column_name"]) for row in rows}
    return [
        (name, column, (name, OWNERS[column]) in found)
        for name, column in sorted(found)
        if column in OWNERS and name in privacy.data_map()
    ]


async def rows_of(shop: ShopId) -> dict[str, list[str]]:
    """All rows that follow, without their homes."""
    found, tables = {}, await owned(shop)
    async with reading(shop) as tx:
        for name, column, follows in tables:
            if follows:
                home = OWNERS[column]
                rows = await tx.connection.fetch(
                    f"select (to_jsonb(t) - '{home}' - 'changed_at')::text as row from {name} t"
                )
                found[name] = sorted(row["row"] for row in rows)
    return found


async def broken(shop: ShopId) -> list[tuple[str, str]]:
    """The truths that do not hold of the shop as the fixture made it, past the product's verbs."""
    async with reading(shop) as tx:
        asked = await truths.ask(tx, None, truths.OF_A_SHOP)
    return [(one.domain, one.truth) for one in asked if one.rows]


async def hear(shop: ShopId, event: Event) -> None:
    for reaction in EVENT_MAP[type(event)]:
        async with transaction(shop) as tx:
            await reaction(tx, event)


async def older(shop: ShopId) -> UUID:
    """A record that stands for whoever it is merged with."""
    async with transaction(shop) as tx:
        made = await members.register(tx, System(), "旧档案", [(IdentifierKind.CARD, "OLD-1")])
        await tx.run(
            """update members.members set joined_at = joined_at - interval '1 year'
               where member_id = $1""",
            made,
        )
        await members.mark_balance(tx, made)
    return made


async def test_everything_follows_and_goes_home(world: World) -> None:
    shop, late = world.b, world.member_b.member_id
    untold = [name for name, _, follows in await owned(shop) if not follows and name not in STAYS]
    assert untold == [], "follow the person, or say in STAYS why not"
    early, before = await older(shop), await rows_of(shop)
    broken_before = await broken(shop)
    held = {name for name, rows in before.items() if any(str(late) in row for row in rows)}
    assert len(held) >= 10, "a customer of many traces"
    async with transaction(shop) as tx:
        merge_id = await members.propose_merge(tx, System(), early, late)
        await members.decide_merge(tx, System(), merge_id, True, None)
    told: dict[str, Any] = {"person_no": 1, "member_id": early, "merge_id": merge_id}
    for _ in range(2):
        await hear(shop, MembersMerged(**told, record_ids=[early, late]))
    merged = await rows_of(shop)
    # A top-up that waits for its money follows when it is paid: payments books it to who pays.
    left = [
        name
        for name, rows in merged.items()
        if any(f'_id": "{late}"' in row and '"state": "pending"' not in row for row in rows)
    ]
    assert left == []
    assert await broken(shop) == broken_before
    async with transaction(shop) as tx:
        await members.undo_merge(tx, System(), merge_id, "不是同一个人")
    for _ in range(2):
        await hear(shop, MergeUndone(**told, record_ids=[early, late]))
    assert await rows_of(shop) == before
    assert await broken(shop) == broken_before


async def test_the_stricter_consent_holds_until_the_person_says_yes_anew(world: World) -> None:
    shop = world.b
    early, late = await older(shop), world.member_b
    async with reading(shop) as tx:
        no = (await members.get_member(tx, early)).person_no

    async def say(person_no: int, granted: bool) -> None:
        async with transaction(shop) as tx:
            [text] = [
                one.text_version
                for one in await consents.list_consents(tx, person_no, "en")
                if one.purpose is Purpose.MARKETING
            ]
            await consents.decide(
                tx, person_no, Purpose.MARKETING, text_version=text, granted=granted,
                channel=Channel.H5, language="zh-CN",
            )  # fmt: skip

    async def allowed() -> list[bool]:
        async with reading(shop) as tx:
            found = await consents.those_allowing(tx, [no, late.person_no], Purpose.MARKETING)
        return [no in found, late.person_no in found]

    await say(no, False)
    await say(late.person_no, True)
    assert await allowed() == [False, True]
    async with transaction(shop) as tx:
        merge_id = await members.propose_merge(tx, System(), early, late.member_id)
        await members.decide_merge(tx, System(), merge_id, True, None)
    assert await allowed() == [False, False], "a yes before the merge does not outweigh a no"
    async with transaction(shop) as tx:
        await members.undo_merge(tx, System(), merge_id, "不是同一个人")
    assert await allowed() == [False, True], "as if it had not been"
    async with transaction(shop) as tx:
        merge_id = await members.propose_merge(tx, System(), early, late.member_id)
        await members.decide_merge(tx, System(), merge_id, True, None)
    await say(no, True)
    assert await allowed() == [True, True], "the person's own last word"
    await say(no, False)
    assert await allowed() == [False, False]
