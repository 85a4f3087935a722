"""The review desk of the console: what waits, what is shown, answers, content, settings."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request
from litestar.params import Parameter
from litestar.response import File, Stream
from msgspec import Meta

from siyu.commerce.reviews import queries, service
from siyu.commerce.reviews.contracts import (
    PictureNotFound,
    Post,
    Reason,
    Review,
    ReviewNotFound,
    ReviewPart,
    ReviewPicture,
    ReviewSettings,
    ReviewState,
    Said,
)
from siyu.commerce.reviews.http_shop import PRIVATE, picture_answer
from siyu.commerce.reviews.queries import ReviewFilter
from siyu.commerce.reviews.service.pictures import SIZES
from siyu.kernel import clock
from siyu.kernel.audit import audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import decode_cursor, encode_cursor, get, post, put, staff
from siyu.kernel.i18n import Language, language_of
from siyu.kernel.ids import ShopId
from siyu.kernel.tables import MEDIA_TYPES, Cell, inert, local, write_csv
from siyu.merchant.shops import service as shops

READ, WRITE = staff("reviews.read"), staff("reviews.write")
ROWS_AT_ONCE = 200
HEADER: dict[Language, list[str]] = {
    "zh-CN": [
        "评价编号", "商品编号", "商品", "规格", "客户编号", "匿名", "星级", "服务星级", "物流星级",
        "状态", "内容", "图片数", "追评状态", "追评", "评价时间", "商家回复", "有用", "授权为素材",
        "已选为素材",
    ],
    "en": [
        "Review id", "Product number", "Product", "Options", "Customer number", "Anonymous",
        "Stars", "Service stars", "Delivery stars", "State", "Text", "Pictures", "Addition state",
        "Addition", "Reviewed", "Answer", "Helpful", "Author agrees", "Used as content",
    ],
}  # fmt: skip
STATE_WORDS: dict[ReviewState, dict[Language, str]] = {
    ReviewState.WAITING: {"zh-CN": "待审核", "en": "Waiting"},
    ReviewState.APPROVED: {"zh-CN": "已展示", "en": "Shown"},
    ReviewState.HIDDEN: {"zh-CN": "已隐藏", "en": "Hidden"},
    ReviewState.ERASED: {"zh-CN": "已注销", "en": "Erased"},
}


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class ApproveBody(_Body, frozen=True):
    """Which part, and when what was read had been said or edited (`seen_at` of the part)."""

    part: ReviewPart
    seen_at: Annotated[datetime, Meta(tz=True)]


class HideBody(ApproveBody, frozen=True):
    """Why, too: the author reads it."""

    reason: Reason


class AnswerBody(_Body, frozen=True):
    """The shop's answer, read by everybody."""

    text: Said


class ReusableBody(_Body, frozen=True):
    """Offer it as content, or no longer."""

    on: bool


class StaffPart(msgspec.Struct, frozen=True):
    """A part as staff see it; `seen_at` is what a decision about it must name."""

    state: ReviewState
    text: str
    hits: list[str]
    reason: str | None
    said_at: datetime
    seen_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    pictures: list[ReviewPicture]


class ReviewRow(msgspec.Struct, frozen=True):
    """A review on the desk."""

    review_id: UUID
    order_id: UUID
    member_id: UUID
    person_no: int | None
    author: str
    is_anonymous: bool
    product_id: UUID
    product_no: int
    title: str
    option_values: list[str]
    image_url: str | None
    stars: int
    service_stars: int | None
    logistics_stars: int | None
    is_shown: bool
    helpful_count: int
    submitted_at: datetime
    first: StaffPart
    more: StaffPart | None
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None
    allows_reuse: bool
    reusable_at: datetime | None


class ReviewDesk(msgspec.Struct, frozen=True):
    """A page of reviews, and how many parts stand where in all."""

    items: list[ReviewRow]
    next_cursor: str | None
    counts: dict[ReviewState, int]


class ReviewEntry(msgspec.Struct, frozen=True):
    """What happened: `text` is a reason, or the words before an edit or a new answer."""

    at: datetime
    part: ReviewPart | None
    event: str
    actor: str
    text: str


class ReviewStory(msgspec.Struct, frozen=True):
    """All that happened to a review, oldest first."""

    items: list[ReviewEntry]


def _part(part: Post, pictures: list[ReviewPicture]) -> StaffPart:
    return StaffPart(
        part.state,
        part.text,
        part.hits,
        part.reason,
        part.said_at,
        part.edited_at or part.said_at,
        part.decided_at,
        part.decided_by,
        pictures,
    )


async def _rows(tx: ReadTx, found: list[Review]) -> list[ReviewRow]:
    ids = [review.review_id for review in found]
    posts = await queries.list_posts(tx, ids)
    pictures = await service.list_pictures(tx, ids)
    shared = [name for name in ReviewRow.__struct_fields__ if name in Review.__struct_fields__]
    rows = []
    for review in found:
        parts = {
            part: _part(said, pictures[review.review_id, part])
            for part, said in posts[review.review_id].items()
        }
        rows.append(
            ReviewRow(
                **{name: getattr(review, name) for name in shared},
                first=parts[ReviewPart.FIRST],
                more=parts.get(ReviewPart.MORE),
                allows_reuse=review.reuse_allowed_at is not None,
            )
        )
    return rows


async def _row(tx: ReadTx, review_id: UUID) -> ReviewRow:
    review = await queries.get_review(tx, review_id)
    if review is None:
        raise ReviewNotFound
    return (await _rows(tx, [review]))[0]


# --- the desk ---------------------------------------------------------------------------------


@get("/reviews", access=READ)
async def list_reviews(
    *,
    staff: StaffIdentity,
    standing: Annotated[ReviewState | None, Parameter(query="state")] = None,
    stars: Annotated[int | None, Parameter(ge=1, le=5)] = None,
    product_id: UUID | None = None,
    with_pictures: bool = False,
    unanswered: bool = False,
    reusable: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> ReviewDesk:
    """Reviews, newest first: those with a part in a state, without an answer, lent by authors."""
    after = decode_cursor(cursor, tuple[UUID])
    wanted = ReviewFilter(
        product_id=product_id,
        stars_from=stars,
        stars_to=stars,
        with_pictures=with_pictures,
        state=standing,
        unanswered=unanswered,
        reusable=reusable,
    )
    async with reading(staff.shop_id) as tx:
        found = await queries.list_reviews(tx, wanted, after[0] if after else None, limit + 1)
        items = await _rows(tx, found[:limit])
        counts = await queries.count_states(tx)
    return ReviewDesk(
        items, encode_cursor([items[-1].review_id]) if len(found) > limit else None, counts
    )


@get("/reviews/{review_id:uuid}", access=READ)
async def show_review(review_id: UUID, staff: StaffIdentity) -> ReviewRow:
    """One review."""
    async with reading(staff.shop_id) as tx:
        return await _row(tx, review_id)


@get("/reviews/{review_id:uuid}/story", access=READ)
async def show_review_story(review_id: UUID, staff: StaffIdentity) -> ReviewStory:
    """All that happened to a review; earlier words included."""
    async with reading(staff.shop_id) as tx:
        await _row(tx, review_id)
        entries = await queries.list_story(tx, review_id)
    return ReviewStory(
        [ReviewEntry(one.at, one.part, one.event, one.actor, one.text) for one in entries]
    )


@get("/reviews/pictures/{picture_id:uuid}", access=READ)
async def show_picture(picture_id: UUID, staff: StaffIdentity, size: int = SIZES[0]) -> File:
    """A picture of a review as WebP; `size` 1200 or 200. One in no review yet is nobody's."""
    async with reading(staff.shop_id) as tx:
        picture = await service.get_picture(tx, picture_id)
    if picture.review_id is None:
        raise PictureNotFound
    return picture_answer(staff.shop_id, picture_id, size, PRIVATE)


@post("/reviews/{review_id:uuid}/approve", access=WRITE)
async def approve_review(review_id: UUID, data: ApproveBody, staff: StaffIdentity) -> ReviewRow:
    """Let a part through as it was read; 409 when it was changed since."""
    async with transaction(staff.shop_id) as tx:
        await service.approve_part(tx, staff, review_id, data.part, data.seen_at)
        return await _row(tx, review_id)


@post("/reviews/{review_id:uuid}/hide", access=WRITE)
async def hide_review(review_id: UUID, data: HideBody, staff: StaffIdentity) -> ReviewRow:
    """Hide a part and say why; its author goes on seeing it, with the reason."""
    async with transaction(staff.shop_id) as tx:
        await service.hide_part(tx, staff, review_id, data.part, data.seen_at, data.reason)
        return await _row(tx, review_id)


@post("/reviews/{review_id:uuid}/answer", access=WRITE)
async def answer_review(review_id: UUID, data: AnswerBody, staff: StaffIdentity) -> ReviewRow:
    """Answer in the shop's name, or answer anew."""
    async with transaction(staff.shop_id) as tx:
        await service.answer_review(tx, staff, review_id, data.text)
        return await _row(tx, review_id)


@post("/reviews/{review_id:uuid}/reusable", access=WRITE)
async def offer_review(review_id: UUID, data: ReusableBody, staff: StaffIdentity) -> ReviewRow:
    """Offer a review as content, where its author lets us; or no longer."""
    async with transaction(staff.shop_id) as tx:
        await service.offer_review(tx, staff, review_id, data.on)
        return await _row(tx, review_id)


# --- settings and export ----------------------------------------------------------------------


@get("/review-settings", access=READ)
async def show_review_settings(staff: StaffIdentity) -> ReviewSettings:
    """Who lets reviews through, the list of words, and the days."""
    async with reading(staff.shop_id) as tx:
        return await service.load_settings(tx)


@put("/review-settings", access=WRITE)
async def change_review_settings(data: ReviewSettings, staff: StaffIdentity) -> ReviewSettings:
    """Decide anew; what waits or is shown stays so until somebody decides."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_settings(tx, staff, data)


@get("/reviews/export", access=READ)
async def export_reviews(
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    standing: Annotated[ReviewState | None, Parameter(query="state")] = None,
    product_id: UUID | None = None,
) -> Stream:
    """All reviews as CSV in the asker's language, safe to open in a spreadsheet (F069); noted in
    the trail."""
    async with transaction(staff.shop_id) as tx:
        shop = await shops.get_shop(tx)
        audit(tx, staff, "reviews.exported", ("shop", staff.shop_id), after={"state": standing})
    wanted = ReviewFilter(state=standing, product_id=product_id)
    name = f"reviews-{clock.business_day(clock.now(), shop.time_zone)}.csv"
    language = language_of(request.headers.get("accept-language"))
    rows = _batches(staff.shop_id, wanted, ZoneInfo(shop.time_zone), language)
    return Stream(
        write_csv(HEADER[language], rows),
        media_type=MEDIA_TYPES["csv"],
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _batches(
    shop_id: ShopId, wanted: ReviewFilter, zone: ZoneInfo, language: Language
) -> AsyncIterator[list[list[Cell]]]:
    after: UUID | None = None
    while True:
        async with reading(shop_id) as tx:
            found = await queries.list_reviews(tx, wanted, after, ROWS_AT_ONCE)
            rows = await _rows(tx, found)
        yield [_cells(row, zone, language) for row in rows]
        if len(found) < ROWS_AT_ONCE:
            return
        after = found[-1].review_id


def _cells(row: ReviewRow, zone: ZoneInfo, language: Language) -> list[Cell]:
    yes, no = ("是", "否") if language == "zh-CN" else ("Yes", "No")
    return [
        str(row.review_id),
        row.product_no,
        inert(row.title),
        inert(" / ".join(row.option_values)),
        "" if row.person_no is None else row.person_no,
        yes if row.is_anonymous else no,
        row.stars,
        row.service_stars or "",
        row.logistics_stars or "",
        STATE_WORDS[row.first.state][language],
        inert(row.first.text),
        len(row.first.pictures),
        STATE_WORDS[row.more.state][language] if row.more else "",
        inert(row.more.text) if row.more else "",
        local(row.submitted_at, zone),
        inert(row.answer or ""),
        row.helpful_count,
        yes if row.allows_reuse else no,
        yes if row.reusable_at else no,
    ]


routes = [
    list_reviews, show_review, show_review_story, show_picture, approve_review, hide_review,
    answer_review, offer_review, show_review_settings, change_review_settings, export_reviews,
]  # fmt: skip
