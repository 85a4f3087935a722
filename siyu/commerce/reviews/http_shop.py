"""Reviews in the shop: read, write, add, lend, vote."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import File

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductNotFound
from siyu.commerce.reviews import queries, rules, service
from siyu.commerce.reviews.contracts import (
    AdditionDraft,
    PictureNotFound,
    Post,
    Review,
    ReviewDraft,
    ReviewFigures,
    ReviewNotFound,
    ReviewPart,
    ReviewPicture,
    ReviewSettings,
    ReviewState,
    Stars,
)
from siyu.commerce.reviews.queries import ReviewFilter
from siyu.commerce.reviews.service.pictures import SIZES
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import (
    MEMBER,
    PUBLIC,
    SHOP,
    OnceKey,
    Page,
    ShopIdentity,
    decode_cursor,
    encode_cursor,
    get,
    post,
    put,
)
from siyu.merchant.shops import service as shops

Limit = Annotated[int, Parameter(ge=1, le=100)]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
PRIVATE = HEADERS | {"Cache-Control": "private, max-age=86400"}
SHOWN = HEADERS | {"Cache-Control": "public, max-age=300"}  # what is hidden must go


class Shown(StrEnum):
    """Which of a product's reviews: good is 4 and 5 stars, middle 3, bad 1 and 2."""

    ALL = "all"
    GOOD = "good"
    MIDDLE = "middle"
    BAD = "bad"
    PICTURES = "pictures"
    ADDED = "added"


_FILTERS: dict[Shown, ReviewFilter] = {
    Shown.ALL: ReviewFilter(),
    Shown.GOOD: ReviewFilter(stars_from=4),
    Shown.MIDDLE: ReviewFilter(stars_from=3, stars_to=3),
    Shown.BAD: ReviewFilter(stars_to=2),
    Shown.PICTURES: ReviewFilter(with_pictures=True),
    Shown.ADDED: ReviewFilter(with_addition=True),
}


class SubmitBody(ReviewDraft, frozen=True, kw_only=True):
    """A review, and of which line, or piece of a gift; 0: the line as its buyer has it."""

    order_id: UUID
    line_no: Annotated[int, msgspec.Meta(ge=1, le=32_000)]
    piece_no: Annotated[int, msgspec.Meta(ge=0, le=32_000)] = 0

    def draft(self) -> ReviewDraft:
        """The review alone."""
        names = ReviewDraft.__struct_fields__
        return ReviewDraft(**{name: getattr(self, name) for name in names})


class EditBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A review said anew; consent to reuse has its own route."""

    stars: Stars
    service_stars: Stars | None = None
    logistics_stars: Stars | None = None
    text: Annotated[str, msgspec.Meta(max_length=500)] = ""
    picture_ids: Annotated[list[UUID], msgspec.Meta(max_length=9)] = []
    is_anonymous: bool = False


class ReuseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consent, or its withdrawal."""

    allowed: bool


class VoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Helpful, or no longer."""

    helpful: bool


class ShownPicture(msgspec.Struct, frozen=True):
    """A picture that everybody may see, at two sizes; `width` and `height` are of the larger."""

    picture_id: UUID
    url: str
    thumb_url: str
    width: int
    height: int


class ShownPart(msgspec.Struct, frozen=True):
    """Words and pictures that were let through; `days_after`: since the first part."""

    text: str
    said_at: datetime
    days_after: int
    pictures: list[ShownPicture]


class ShownReview(msgspec.Struct, frozen=True):
    """A review as everybody reads it; `author` null: anonymous."""

    review_id: UUID
    author: str | None
    stars: int
    service_stars: int | None
    logistics_stars: int | None
    option_values: list[str]
    first: ShownPart
    more: ShownPart | None
    answer: str | None
    answered_at: datetime | None
    helpful_count: int
    voted: bool
    is_own: bool


class ProductReviews(msgspec.Struct, frozen=True):
    """A page of a product's reviews, and its figures over all of them."""

    figures: ReviewFigures
    items: list[ShownReview]
    next_cursor: str | None


class WaitingLine(msgspec.Struct, frozen=True):
    """A line, or a piece of a gift (`piece_no`), that can be reviewed before `until`."""

    order_id: UUID
    line_no: int
    piece_no: int
    product_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    completed_at: datetime
    until: datetime


class WaitingLines(msgspec.Struct, frozen=True):
    """What waits for a review, newest first."""

    items: list[WaitingLine]


class OwnPart(msgspec.Struct, frozen=True):
    """An own part; `reason`: why it is hidden."""

    state: ReviewState
    text: str
    reason: str | None
    said_at: datetime
    edited_at: datetime | None
    pictures: list[ReviewPicture]


class OwnReview(msgspec.Struct, frozen=True):
    """An own review, whatever its state. Null times: not any more."""

    review_id: UUID
    order_id: UUID
    line_no: int
    product_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    stars: int
    service_stars: int | None
    logistics_stars: int | None
    is_anonymous: bool
    first: OwnPart
    more: OwnPart | None
    answer: str | None
    answered_at: datetime | None
    helpful_count: int
    allows_reuse: bool
    is_reusable: bool
    edit_until: datetime
    add_until: datetime


def _picture(code: str, one: ReviewPicture) -> ShownPicture:
    url = f"/shop/v1/reviews/shown/{code}/{one.picture_id}?size="
    return ShownPicture(
        one.picture_id, f"{url}{SIZES[0]}", f"{url}{SIZES[1]}", one.width, one.height
    )


def _part(code: str, part: Post, first: Post, pictures: list[ReviewPicture]) -> ShownPart:
    return ShownPart(
        part.text,
        part.said_at,
        (part.said_at - first.said_at).days,
        [_picture(code, one) for one in pictures],
    )


async def _shown(
    tx: ReadTx, code: str, found: list[Review], member: MemberIdentity | None
) -> list[ShownReview]:
    ids = [review.review_id for review in found]
    posts = await queries.list_posts(tx, ids)
    pictures = await service.list_pictures(tx, ids)
    voted = await queries.list_voted(tx, member.member_id, ids) if member else set()
    views = []
    for review in found:
        first = posts[review.review_id][ReviewPart.FIRST]
        added = posts[review.review_id].get(ReviewPart.MORE)
        more = None
        if added and added.state is ReviewState.APPROVED:
            more = _part(code, added, first, pictures[review.review_id, ReviewPart.MORE])
        views.append(
            ShownReview(
                review.review_id,
                None if review.is_anonymous else review.author,
                review.stars,
                review.service_stars,
                review.logistics_stars,
                review.option_values,
                _part(code, first, first, pictures[review.review_id, ReviewPart.FIRST]),
                more,
                review.answer,
                review.answered_at,
                review.helpful_count,
                review.review_id in voted,
                member is not None and review.member_id == member.member_id,
            )
        )
    return views


def _own_part(part: Post, pictures: list[ReviewPicture]) -> OwnPart:
    return OwnPart(part.state, part.text, part.reason, part.said_at, part.edited_at, pictures)


async def _own(tx: ReadTx, found: list[Review]) -> list[OwnReview]:
    ids = [review.review_id for review in found]
    settings: ReviewSettings = await service.load_settings(tx)
    posts = await queries.list_posts(tx, ids)
    pictures = await service.list_pictures(tx, ids)
    return [
        OwnReview(
            review.review_id,
            review.order_id,
            review.line_no,
            review.product_id,
            review.title,
            review.option_values,
            review.image_url,
            review.stars,
            review.service_stars,
            review.logistics_stars,
            review.is_anonymous,
            _own_part(
                posts[review.review_id][ReviewPart.FIRST],
                pictures[review.review_id, ReviewPart.FIRST],
            ),
            _own_part(more, pictures[review.review_id, ReviewPart.MORE])
            if (more := posts[review.review_id].get(ReviewPart.MORE))
            else None,
            review.answer,
            review.answered_at,
            review.helpful_count,
            review.reuse_allowed_at is not None,
            review.reusable_at is not None,
            rules.edit_until(settings, review.submitted_at),
            rules.addition_until(settings, review.completed_at),
        )
        for review in found
    ]


async def _own_one(tx: ReadTx, review_id: UUID, member: MemberIdentity) -> OwnReview:
    review = await queries.get_review(tx, review_id)
    if review is None or review.member_id != member.member_id:
        raise ReviewNotFound
    return (await _own(tx, [review]))[0]


# --- read -------------------------------------------------------------------------------------


@get("/products/{product_id:uuid}/reviews", access=SHOP)
async def list_product_reviews(
    *,
    product_id: UUID,
    shop: ShopIdentity,
    member: MemberIdentity | None,
    show: Shown = Shown.ALL,
    sort: Literal["new", "helpful"] = "new",
    cursor: str | None = None,
    limit: Limit = 20,
) -> ProductReviews:
    """Reviews of a product that were let through, and its figures."""
    after = decode_cursor(cursor, tuple[Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)], UUID])
    wanted = msgspec.structs.replace(_FILTERS[show], product_id=product_id)
    async with reading(shop.shop_id) as tx:
        if not await catalog.product_numbers(tx, [product_id]):
            raise ProductNotFound
        figures = await queries.get_figures(tx, product_id)
        found = await queries.list_shown(tx, wanted, sort == "helpful", after, limit + 1)
        items = await _shown(tx, shop.code, found[:limit], member)
    last = items[-1] if len(found) > limit else None
    cursor = encode_cursor([last.helpful_count, last.review_id]) if last else None
    return ProductReviews(figures, items, cursor)


@get("/reviews/shown/{code:str}/{picture_id:uuid}", access=PUBLIC)
async def show_review_picture(code: str, picture_id: UUID, size: int = SIZES[0]) -> File:
    """A picture of a review that is shown, as WebP; `size` 1200 or 200. An image address carries
    no header, so the shop stands in it."""
    shop = await shops.resolve_shop(code) if len(code) <= 64 else None
    if shop is None:
        raise PictureNotFound
    async with reading(shop.shop_id) as tx:
        picture = await service.get_picture(tx, picture_id)
    if not picture.is_shown:
        raise PictureNotFound
    return picture_answer(shop.shop_id, picture_id, size, SHOWN)


def picture_answer(shop_id: int, picture_id: UUID, size: int, headers: dict[str, str]) -> File:
    """The answer with a size of a picture that the caller may see; raises PictureNotFound."""
    path = service.picture_file(shop_id, picture_id, size)
    if size not in SIZES or not path.is_file():
        raise PictureNotFound
    return File(path, media_type="image/webp", content_disposition_type="inline", headers=headers)


# --- one's own --------------------------------------------------------------------------------


@get("/reviews/waiting", access=MEMBER)
async def list_waiting_reviews(member: MemberIdentity) -> WaitingLines:
    """What was received and can be reviewed."""
    async with reading(member.shop_id) as tx:
        settings = await service.load_settings(tx)
        lines = await service.list_waiting(tx, member.member_id)
    return WaitingLines(
        [
            WaitingLine(
                line.order_id,
                line.line_no,
                line.piece_no,
                line.product_id,
                line.title,
                line.option_values,
                line.image_url,
                line.quantity,
                line.received_at,
                rules.review_until(settings, line.received_at),
            )
            for line in lines
        ]
    )


@get("/reviews", access=MEMBER)
async def list_own_reviews(
    member: MemberIdentity, cursor: str | None = None, limit: Limit = 20
) -> Page[OwnReview]:
    """Own reviews, newest first, hidden ones with the reason."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(member.shop_id) as tx:
        found = await queries.list_member_reviews(
            tx, member.member_id, after[0] if after else None, limit + 1
        )
        views = await _own(tx, found)
    return Page.of(views, limit, key=lambda one: [one.review_id])


@get("/reviews/{review_id:uuid}", access=MEMBER)
async def show_own_review(review_id: UUID, member: MemberIdentity) -> OwnReview:
    """One own review."""
    async with reading(member.shop_id) as tx:
        return await _own_one(tx, review_id, member)


_BODY = catalog.MAX_UPLOAD + 65_536


@post("/reviews/pictures", access=MEMBER, request_max_body_size=_BODY, status_code=201)
async def upload_review_picture(
    member: MemberIdentity,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> ReviewPicture:
    """Take a picture; its name and everything but its pixels are thrown away (F072)."""
    picture = await service.prepare_picture(member.shop_id, await data.read())
    async with transaction(member.shop_id) as tx:
        await service.keep_picture(tx, member.member_id, picture)
    return picture


@get("/reviews/pictures/{picture_id:uuid}", access=MEMBER)
async def show_own_picture(picture_id: UUID, member: MemberIdentity, size: int = SIZES[0]) -> File:
    """An own picture, shown to others or not."""
    async with reading(member.shop_id) as tx:
        picture = await service.get_picture(tx, picture_id)
    if picture.member_id != member.member_id:
        raise PictureNotFound
    return picture_answer(member.shop_id, picture_id, size, PRIVATE)


@post("/reviews", access=MEMBER)
async def submit_review(data: SubmitBody, member: MemberIdentity, once: OnceKey) -> OwnReview:
    """Review a line, or a piece of a gift, that was received."""
    async with transaction(member.shop_id, once=once) as tx:
        review_id = await service.submit_review(
            tx, member, data.order_id, data.line_no, data.draft(), data.piece_no
        )
        return tx.answer(await _own_one(tx, review_id, member))


@put("/reviews/{review_id:uuid}", access=MEMBER)
async def edit_review(
    review_id: UUID, data: EditBody, member: MemberIdentity, once: OnceKey
) -> OwnReview:
    """Say it anew, within the shop's hours."""
    draft = ReviewDraft(**msgspec.structs.asdict(data))
    async with transaction(member.shop_id, once=once) as tx:
        await service.edit_review(tx, member, review_id, draft)
        return tx.answer(await _own_one(tx, review_id, member))


@post("/reviews/{review_id:uuid}/addition", access=MEMBER)
async def add_to_review(
    review_id: UUID, data: AdditionDraft, member: MemberIdentity, once: OnceKey
) -> OwnReview:
    """Add something later, once (追评)."""
    async with transaction(member.shop_id, once=once) as tx:
        await service.add_to_review(tx, member, review_id, data)
        return tx.answer(await _own_one(tx, review_id, member))


@put("/reviews/{review_id:uuid}/reuse", access=MEMBER)
async def allow_reuse(
    review_id: UUID, data: ReuseBody, member: MemberIdentity, once: OnceKey
) -> OwnReview:
    """Let an own review be used as content, or take that back."""
    async with transaction(member.shop_id, once=once) as tx:
        await service.allow_reuse(tx, member, review_id, data.allowed)
        return tx.answer(await _own_one(tx, review_id, member))


@put("/reviews/{review_id:uuid}/helpful", access=MEMBER)
async def vote_review(
    review_id: UUID, data: VoteBody, member: MemberIdentity, once: OnceKey
) -> ShownReview:
    """Find a review helpful, or no longer."""
    async with transaction(member.shop_id, once=once) as tx:
        review = await service.vote(tx, member, review_id, data.helpful)
        shop = await shops.get_shop(tx)
        return tx.answer((await _shown(tx, shop.code, [review], member))[0])


routes = [
    list_product_reviews, show_review_picture, list_waiting_reviews, list_own_reviews,
    show_own_review, upload_review_picture, show_own_picture, submit_review, edit_review,
    add_to_review, allow_reuse, vote_review,
]  # fmt: skip
