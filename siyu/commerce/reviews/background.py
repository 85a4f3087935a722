"""What the worker runs for reviews."""

import asyncio
from uuid import UUID

from siyu.commerce.reviews import queries, service
from siyu.commerce.reviews.service.pictures import KEPT_FOR
from siyu.kernel import clock
from siyu.kernel.db import Tx, system_transaction
from siyu.kernel.jobs import enqueue, every, job
from siyu.people.members import service as members
from siyu.people.members.contracts import MembersMerged, MergeUndone
from siyu.people.privacy.contracts import PersonErased


@every("23 20 * * *")
async def forget_pictures() -> None:
    """Throw away pictures that were uploaded and came into no review, row first."""
    async with system_transaction() as tx:
        forgotten = await service.forget_pictures(tx, clock.now() - KEPT_FOR)
    for picture in forgotten:
        await asyncio.to_thread(service.drop_files, picture.shop_id, picture.picture_id)


async def on_person_erased(tx: Tx, event: PersonErased) -> None:
    """Take away what an erased person said and showed; the files go when that is committed."""
    for picture in await service.forget_member(tx, event.member_id):
        enqueue(tx, drop_picture, picture_id=str(picture.picture_id))


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Reviews, pictures and votes follow to who stands for the person."""
    await _follow(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Reviews, pictures and votes go home."""
    await _follow(tx, event.record_ids)


async def _follow(tx: Tx, record_ids: list[UUID]) -> None:
    await members.follow(tx, "reviews.reviews", record_ids)
    await members.follow(tx, "reviews.pieces", record_ids)
    await members.follow(tx, "reviews.pictures", record_ids, but=queries.OF_ANOTHERS_REVIEW)
    await members.follow(tx, "reviews.votes", record_ids, once_per=("review_id",))


@job("reviews.drop_picture")
async def drop_picture(shop_id: int, picture_id: str) -> None:
    """Remove the files of a picture whose row is gone."""
    await asyncio.to_thread(service.drop_files, shop_id, UUID(picture_id))
