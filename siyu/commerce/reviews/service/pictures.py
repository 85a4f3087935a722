"""Pictures of reviews: uploaded by a member, re-encoded, handed out only while they may be seen."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.reviews.contracts import (
    PictureNotFound,
    ReviewPart,
    ReviewPicture,
    TooManyPictures,
)
from siyu.kernel import clock, config
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import ShopId, new_id

SIZES = (1200, 200)
"""Longest sides in pixels: to look at, and in a row."""
MAX_WAITING = 30
KEPT_FOR = timedelta(hours=24)
"""How long an uploaded picture waits for its review."""


class PlacedPicture(ReviewPicture, frozen=True):
    """A picture in its review."""

    review_id: UUID
    part: ReviewPart


class OwnedPicture(ReviewPicture, frozen=True):
    """A picture, whose it is, and who may see it beside them."""

    member_id: UUID
    review_id: UUID | None
    is_shown: bool


class ForgottenPicture(msgspec.Struct, frozen=True):
    """A picture whose files go."""

    shop_id: int
    picture_id: UUID


def picture_file(shop_id: int, picture_id: UUID, size: int) -> Path:
    """Where a size of a picture lies: beside the public pictures, never among them."""
    return config.settings().data_dir / "reviews" / str(shop_id) / f"{picture_id}-{size}.webp"


async def prepare_picture(shop_id: ShopId, raw: bytes) -> ReviewPicture:
    """Re-encode an upload and write its files; no transaction is open. Raises catalog's BadImage.

    Files without a row (`keep_picture` refused) are nobody's and hold nothing but pixels.
    """
    encoded = await catalog.encode_image(raw)
    made = ReviewPicture(new_id(), encoded.width, encoded.height)
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


async def keep_picture(tx: Tx, member_id: UUID, picture: ReviewPicture) -> None:
    """Let a member use a prepared picture in a review. Raises TooManyPictures when 30 wait."""
    done = await tx.run(
        """insert into reviews.pictures (shop_id, picture_id, member_id, width, height,
             uploaded_at)
           select $1, $2, $3, $4, $5, $6
           where (select count(*) from reviews.pictures
                  where shop_id = $1 and member_id = $3 and review_id is null) < $7""",
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


async def place_pictures(
    tx: Tx, member_id: UUID, review_id: UUID, part: ReviewPart, picture_ids: Sequence[UUID]
) -> None:
    """Make these the pictures of a part, in this order; those left out wait to be thrown away.

    The review is locked, or just made. Raises PictureNotFound for one that is not the member's, in
    another review, or named twice.
    """
    await tx.run(
        """update reviews.pictures
           set review_id = null, part = null, position = null, uploaded_at = $4
           where shop_id = $1 and review_id = $2 and part = $3""",
        tx.shop_id,
        review_id,
        part.value,
        clock.now(),
    )
    moved = await tx.run(
        """update reviews.pictures p set review_id = $2, part = $5, position = o.place - 1
           from unnest($4::uuid[]) with ordinality as o (picture_id, place)
           where p.shop_id = $1 and p.picture_id = o.picture_id and p.member_id = $3
             and p.review_id is null""",
        tx.shop_id,
        review_id,
        member_id,
        list(picture_ids),
        part.value,
    )
    if moved != len(picture_ids):
        raise PictureNotFound


async def list_pictures(
    tx: ReadTx, review_ids: Sequence[UUID]
) -> dict[tuple[UUID, ReviewPart], list[ReviewPicture]]:
    """The pictures of some reviews by part, in their order."""
    rows = await tx.all(
        PlacedPicture,
        """select picture_id, width, height, review_id, part from reviews.pictures
           where shop_id = $1 and review_id = any ($2::uuid[])
           order by review_id, part, position""",
        tx.shop_id,
        list(review_ids),
    )
    found: dict[tuple[UUID, ReviewPart], list[ReviewPicture]] = {
        (review_id, part): [] for review_id in review_ids for part in ReviewPart
    }
    for row in rows:
        found[row.review_id, row.part].append(ReviewPicture(row.picture_id, row.width, row.height))
    return found


async def get_picture(tx: ReadTx, picture_id: UUID) -> OwnedPicture:
    """A picture and who may see it: everybody where its part and its review are shown.

    Raises PictureNotFound.
    """
    found = await tx.maybe(
        OwnedPicture,
        """select i.picture_id, i.width, i.height, i.member_id, i.review_id,
             coalesce(r.is_shown and p.state = 'approved', false) as is_shown
           from reviews.pictures i
           left join reviews.posts p using (shop_id, review_id, part)
           left join reviews.reviews r using (shop_id, review_id)
           where i.shop_id = $1 and i.picture_id = $2""",
        tx.shop_id,
        picture_id,
    )
    if found is None:
        raise PictureNotFound
    return found


async def forget_pictures(tx: Tx, before: datetime) -> list[ForgottenPicture]:
    """Delete the rows, of all shops, of pictures that are in no review since before a moment."""
    return await tx.all(
        ForgottenPicture,
        """delete from reviews.pictures where review_id is null and uploaded_at < $1
           returning shop_id, picture_id""",
        before,
    )


async def forget_member_pictures(tx: Tx, member_id: UUID) -> list[ForgottenPicture]:
    """Delete the rows of all pictures of a member."""
    return await tx.all(
        ForgottenPicture,
        """delete from reviews.pictures where shop_id = $1 and member_id = $2
           returning shop_id, picture_id""",
        tx.shop_id,
        member_id,
    )
