"""What a customer can do with their own data: see what is held, take it along, be forgotten."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response
from msgspec import Meta

from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, delete, get, post
from siyu.kernel.jobs import enqueue
from siyu.people.privacy import background, rules, service
from siyu.people.privacy.contracts import Archive, Erasure, Keep, Kind, Use, Words


class HeldData(msgspec.Struct, frozen=True):
    """What is held for one purpose: which kinds, on which ground, how long."""

    use: Use
    words: Words
    basis: Words
    kinds: list[Kind]
    kept: list[Words]


class MyData(msgspec.Struct, frozen=True):
    """What the shop holds of the customer, and what they asked for.

    blocks: what stands in the way of an erasure right now.
    """

    held: list[HeldData]
    archives: list[Archive]
    erasure: Erasure | None
    blocks: list[str]


class EraseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why somebody leaves, if they want to say."""

    reason: Annotated[str, Meta(max_length=200)] = ""


def held_data() -> list[HeldData]:
    """The data map in a customer's words: a line per purpose."""
    lines = []
    for use in Use:
        tables = [table for table in service.tables_of_persons().values() if table.use is use]
        if not tables:
            continue
        kinds = {kind for table in tables for kind in table.personal.values()}
        lines.append(
            HeldData(
                use,
                rules.USES[use].words,
                rules.USES[use].basis,
                [kind for kind in Kind if kind in kinds - rules.HIDDEN_FROM_ARCHIVE],
                [rules.KEEPING[keep] for keep in Keep if keep in {table.keep for table in tables}],
            )
        )
    return lines


async def _my_data(member: MemberIdentity) -> MyData:
    async with reading(member.shop_id) as tx:
        return MyData(
            held_data(),
            await service.list_archives(tx, None, 10, member.member_id),
            await service.get_erasure(tx, member.member_id),
            await service.list_blocks(tx, member.member_id),
        )


@get("/my-data", access=MEMBER)
async def show_my_data(member: MemberIdentity) -> MyData:
    """What is held of the customer, why and how long; archives and an erasure under way."""
    return await _my_data(member)


@post("/my-data/archives", access=MEMBER, status_code=202)
async def ask_my_archive(member: MemberIdentity) -> MyData:
    """Have everything put together as a zip of JSON files; ready within minutes, for a week."""
    async with transaction(member.shop_id) as tx:
        archive_id = await service.ask_archive(tx, member, member.member_id, "")
        enqueue(tx, background.make_archive, archive_id=str(archive_id))
    return await _my_data(member)


@get("/my-data/archives/{archive_id:uuid}", access=MEMBER, media_type="application/zip")
async def fetch_my_archive(archive_id: UUID, member: MemberIdentity) -> Response[bytes]:
    """The customer's own archive."""
    async with transaction(member.shop_id) as tx:
        content = await service.fetch_archive(tx, member, archive_id, member.member_id)
    return zip_response(content, f"my-data-{archive_id}.zip")


def zip_response(content: bytes, name: str) -> Response[bytes]:
    """A file that no cache keeps."""
    return Response(
        content,
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@post("/my-data/erasure", access=MEMBER, status_code=202)
async def ask_my_erasure(data: EraseBody, member: MemberIdentity) -> MyData:
    """Ask to be forgotten. It happens after seven days; until then it can be called off."""
    async with transaction(member.shop_id) as tx:
        await service.ask_erasure(tx, member, member.member_id, data.reason)
    return await _my_data(member)


@delete("/my-data/erasure", access=MEMBER, status_code=200)
async def cancel_my_erasure(member: MemberIdentity) -> MyData:
    """Call the erasure off."""
    async with transaction(member.shop_id) as tx:
        await service.cancel_erasure(tx, member, member.member_id)
    return await _my_data(member)


routes = [show_my_data, ask_my_archive, fetch_my_archive, ask_my_erasure, cancel_my_erasure]
