"""Evidence pictures: uploaded by a member, re-encoded, seen by that member and the shop's staff."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from siyu.commerce.after_sale.contracts import (
    MAX_PICTURES,
    Case,
    Picture,
    PictureNotFound,
    TooManyPictures,
)
from siyu.commerce.catalog import service as catalog
from siyu.kernel import clock, config
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import ShopId, new_id

SIZES = (1200, 200)
"""Longest sides in pixels: to look at, and in a row."""
MAX_WAITING = 30
KEPT_FOR = timedelta(hours=24)
"""How long an uploaded picture waits for its case."""


class OwnedPicture(Picture, frozen=True):
    """A picture, whose it is, and the case it is in, if any."""

    member_id: UUID
    case_id: UUID | None


class ForgottenPicture(msgspec.Struct, frozen=True):
    """A picture that came into no case."""

    shop_id: int
    picture_id: UUID


def picture_file(shop_id: int, picture_id: UUID, size: int) -> Path:
    """Where a size of a picture lies: beside the public pictures, never among them."""
    folder = config.settings().data_dir / "evidence" / str(shop_id)
    return folder / f"{picture_id}-{size}.webp"


async def prepare_picture(shop_id: ShopId, raw: bytes) -> Picture:
    """Re-encode an upload and write its files; no transaction is open. Raises catalog's BadImage.

    Files without a row (`keep_picture` refused) are nobody's and hold nothing but pixels.
    """
    encoded = await catalog.encode_image(raw)
    made = Picture(new_id(), encoded.width, encoded.height)
    files = {picture_file(shop_id, made.picture_id, size): encoded.files[size] for size in SIZES}
    await asyncio.to_thread(_write, files)
    return made


def _write(files: dict[Path, bytes]) -> None:
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(data)


def drop_files(shop_id: int, picture_id: UUID) -> None:
    """Remove the files of a picture; harmless when they are gone."""
    for size in SIZES:
        picture_file(shop_id, picture_id, size).unlink(missing_ok=True)


async def keep_picture(tx: Tx, member_id: UUID, picture: Picture) -> None:
    """Let a member use a prepared picture in a case. Raises TooManyPictures when 30 wait."""
    done = await tx.run(
        """insert into after_sale.pictures (shop_id, picture_id, member_id, width, height,
             uploaded_at)
           select $1, $2, $3, $4, $5, $6
           where (select count(*) from after_sale.pictures
                  where shop_id = $1 and member_id = $3 and case_id is null) < $7""",
        tx.shop_id,
        picture.picture_id,
        member_id,
        picture.width,
        picture.height,
        clock.now(),
        MAX_WAITING,
    )
    if not done:
        raise TooManyPictures(limit=MAX_WAITING)


async def attach_pictures(tx: Tx, case: Case, picture_ids: Sequence[UUID]) -> None:
    """Put waiting pictures of its member into a case that is locked, or just made.

    Raises PictureNotFound, TooManyPictures for more than nine in all.
    """
    if not picture_ids:
        return
    there = len(await list_pictures(tx, case.case_id))
    if there + len(picture_ids) > MAX_PICTURES:
        raise TooManyPictures(limit=MAX_PICTURES)
    moved = await tx.run(
        """update after_sale.pictures p set case_id = $2, position = $5 + o.place - 1
           from unnest($4::uuid[]) with ordinality as o (picture_id, place)
           where p.shop_id = $1 and p.picture_id = o.picture_id and p.member_id = $3
             and p.case_id is null""",
        tx.shop_id,
        case.case_id,
        case.member_id,
        list(picture_ids),
        there,
    )
    if moved != len(picture_ids):
        raise PictureNotFound


async def list_pictures(tx: ReadTx, case_id: UUID) -> list[Picture]:
    """The pictures of a case, in their order."""
    return await tx.all(
        Picture,
        """select picture_id, width, height from after_sale.pictures
           where shop_id = $1 and case_id = $2 order by position""",
        tx.shop_id,
        case_id,
    )


async def get_picture(tx: ReadTx, picture_id: UUID) -> OwnedPicture:
    """A picture and who may see it; raises PictureNotFound."""
    found = await tx.maybe(
        OwnedPicture,
        """select picture_id, width, height, member_id, case_id from after_sale.pictures
           where shop_id = $1 and picture_id = $2""",
        tx.shop_id,
        picture_id,
    )
    if found is None:
        raise PictureNotFound
    return found


async def forget_pictures(tx: Tx, before: datetime) -> list[ForgottenPicture]:
    """Delete the rows, of all shops, of pictures uploaded before a moment that are in no case."""
    return await tx.all(
        ForgottenPicture,
        """delete from after_sale.pictures where case_id is null and uploaded_at < $1
           returning shop_id, picture_id""",
        before,
    )


async def forget_member_pictures(tx: Tx, member_id: UUID) -> list[ForgottenPicture]:
    """Delete the rows of all pictures of a member, those in cases too."""
    return await tx.all(
        ForgottenPicture,
        """delete from after_sale.pictures where shop_id = $1 and member_id = $2
           returning shop_id, picture_id""",
        tx.shop_id,
        member_id,
    )
