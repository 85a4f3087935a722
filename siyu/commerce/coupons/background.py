"""What the worker runs for coupons."""

from uuid import UUID

from siyu.commerce.coupons import queries, rules, service
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.coupons.service import small_store
from siyu.kernel import clock
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberJoined, MembersMerged, MergeUndone, PhoneGiven


async def on_member_joined(tx: Tx, event: MemberJoined) -> None:
    """A new member gets the new-member pack; who came with an imported history is not new."""
    if event.source != "import":
        await service.welcome(tx, Receiver(event.member_id, event.person_no), has_phone=False)


async def on_phone_given(tx: Tx, event: PhoneGiven) -> None:
    """What of the pack waits for a phone number."""
    await service.welcome(tx, Receiver(event.member_id, event.person_no), has_phone=True)


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Coupons follow to who stands for the person."""
    await _follow(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Coupons go home."""
    await _follow(tx, event.record_ids)


async def _follow(tx: Tx, record_ids: list[UUID]) -> None:
    await members.follow(tx, "coupons.claims", record_ids, once_per=("batch_id", "birthday_year"))
    await members.follow(tx, "coupons.birthdays", record_ids, once_per=("shop_id",))


@every("23 * * * *")
async def end_coupons() -> None:
    """End coupons whose time is over, and forget old tries of codes. For the lists only: every
    verb looks at the time itself."""
    async with system_transaction() as tx:
        due = await queries.list_ending(tx)
        await small_store.delete_old_tries(tx, clock.now() - rules.CODE_WINDOW)
    for shop in due:
        more = True
        while more:
            async with transaction(ShopId(shop.shop_id)) as own:
                more = await service.expire(own)


@every("7 * * * *")
async def celebrate() -> None:
    """Give birthday coupons. Every hour, for the day begins at its own time in each shop."""
    async with system_transaction() as tx:
        due = await small_store.list_birthday_shops(tx)
    for shop in due:
        more = True
        while more:
            async with transaction(ShopId(shop.shop_id)) as own:
                more = await service.give_for_birthdays(own)
