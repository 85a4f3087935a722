"""What the worker runs for after-sale."""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

from siyu.commerce.after_sale import queries, service
from siyu.commerce.after_sale.service.pictures import KEPT_FOR
from siyu.commerce.ordering.contracts import OrderRefunded, OrderRefundUndone
from siyu.kernel import clock
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import enqueue, every, job
from siyu.money.payments.contracts import RefundAbnormal
from siyu.people.members import service as members
from siyu.people.members.contracts import MembersMerged, MergeUndone
from siyu.people.privacy.contracts import PersonErased

log = logging.getLogger("siyu.after_sale")

AT_ONCE = 500
TRY_AGAIN_AFTER = timedelta(hours=1)


async def on_order_refunded(tx: Tx, event: OrderRefunded) -> None:
    """The money is with the customer: its case is over."""
    await service.accept_refund(tx, event.refund_id, event.refunded_fen)


async def on_order_refund_undone(tx: Tx, event: OrderRefundUndone) -> None:
    """The refund was given up: its case is open again."""
    await service.reopen_case(tx, event.refund_id)


async def on_refund_abnormal(tx: Tx, event: RefundAbnormal) -> None:
    """The refund is stuck: its case shows it."""
    await service.note_abnormal(tx, event.refund_id)


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Cases and pictures follow to who stands for the person."""
    await _follow(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Cases and pictures go home."""
    await _follow(tx, event.record_ids)


async def _follow(tx: Tx, record_ids: list[UUID]) -> None:
    await members.follow(tx, "after_sale.cases", record_ids)
    await members.follow(tx, "after_sale.pictures", record_ids, but=queries.OF_ANOTHERS_CASE)


@every(seconds=60)
async def meet_deadlines() -> None:
    """Let time decide about all cases that are due, each in a transaction of its own.

    What cannot be done now (money that WeChat no longer takes back, say) stays, is logged, and
    comes up again in an hour.
    """
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.list_due(tx, now, AT_ONCE)
    for case in due:
        try:
            async with transaction(ShopId(case.shop_id)) as tx:
                await service.meet_deadline(tx, case.case_id)
        except Busy:
            continue  # weather: the next tick finds it again
        except SiyuError as error:
            log.warning(
                "a deadline could not be met",
                extra={"case_id": str(case.case_id), "code": error.code},
            )
            async with transaction(ShopId(case.shop_id)) as tx:
                await queries.move_due(tx, case.case_id, now + TRY_AGAIN_AFTER)


@every("17 20 * * *")
async def forget_pictures() -> None:
    """Throw away pictures that were uploaded and came into no case, row first."""
    async with system_transaction() as tx:
        forgotten = await service.forget_pictures(tx, clock.now() - KEPT_FOR)
    for picture in forgotten:
        await asyncio.to_thread(service.drop_files, picture.shop_id, picture.picture_id)


async def on_person_erased(tx: Tx, event: PersonErased) -> None:
    """Take away an erased person's evidence pictures; the files go when that is committed."""
    for one in await service.forget_member_pictures(tx, event.member_id):
        enqueue(tx, drop_picture, picture_id=str(one.picture_id))


@job("after_sale.drop_picture")
async def drop_picture(shop_id: int, picture_id: str) -> None:
    """Remove the file of a picture whose row is gone."""
    await asyncio.to_thread(service.drop_files, shop_id, UUID(picture_id))
