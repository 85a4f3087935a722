"""Nouns of reviews. Stars are whole, 1..5; an average is given in tenths."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, NewType
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event

ReviewId = NewType("ReviewId", UUID)

MAX_PICTURES = 9
REUSE_TEXT_VERSION = "2026-11"
"""Which words of consent to reuse the shop pages show; kept with each consent."""

Stars = Annotated[int, Meta(ge=1, le=5)]
Words = Annotated[str, Meta(max_length=500)]
Said = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Pictures = Annotated[list[UUID], Meta(max_length=MAX_PICTURES)]
"""Ids of uploaded pictures, each used once."""


class ReviewPart(StrEnum):
    """A review has a first part and, perhaps, one later addition (追评)."""

    FIRST = "first"
    MORE = "more"


class ReviewState(StrEnum):
    """Where a part stands; only `approved` is shown to others."""

    WAITING = "waiting"
    APPROVED = "approved"
    HIDDEN = "hidden"
    ERASED = "erased"


class ReviewChecking(StrEnum):
    """Who lets words through: staff for all, or staff only where a listed word stands in them."""

    ALL = "all"
    WORDS = "words"


class ReviewSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a shop decides. Days count from completion; hours from saying it.

    `words`: what stops a text until staff have read it, found whatever the width, case and gaps.
    """

    checking: ReviewChecking = ReviewChecking.ALL
    review_days: Annotated[int, Meta(ge=1, le=365)] = 90
    addition_days: Annotated[int, Meta(ge=1, le=730)] = 180
    edit_hours: Annotated[int, Meta(ge=0, le=720)] = 72
    words: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=30, pattern=r"\S")]],
        Meta(max_length=2000),
    ] = []


class ReviewDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a buyer says. `allow_reuse` is a consent: the page asks for it, unticked."""

    stars: Stars
    service_stars: Stars | None = None
    logistics_stars: Stars | None = None
    text: Words = ""
    picture_ids: Pictures = []
    is_anonymous: bool = False
    allow_reuse: bool = False


class AdditionDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a buyer has to add later."""

    text: Said
    picture_ids: Pictures = []


class ReviewableLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has and may review; `piece_no` as in Review, `received_at`: since when."""

    order_id: UUID
    line_no: int
    piece_no: int
    sku_id: UUID
    product_id: UUID
    product_no: int
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    received_at: datetime


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A review without its parts. `person_no` null: its author was erased. `piece_no`: of a gift,
    whose receivers speak for a piece each; 0: the buyer for the line.

    `author`: their nickname as strangers read it. `is_shown`: its first part is approved.
    `reuse_allowed_at`: since when the author lets it be used as content; `reusable_at`: since when
    staff offer it for that.
    """

    review_id: UUID
    order_id: UUID
    line_no: int
    piece_no: int
    member_id: UUID
    person_no: int | None
    author: str
    product_id: UUID
    product_no: int
    sku_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    stars: int
    service_stars: int | None
    logistics_stars: int | None
    is_anonymous: bool
    is_shown: bool
    picture_count: int
    helpful_count: int
    completed_at: datetime
    submitted_at: datetime
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None
    reuse_allowed_at: datetime | None
    reuse_withdrawn_at: datetime | None
    reusable_at: datetime | None


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a review: its words, what stopped them, and how it was decided."""

    review_id: UUID
    part: ReviewPart
    state: ReviewState
    text: str
    hits: list[str]
    reason: str | None
    said_at: datetime
    edited_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None


class ReviewPicture(msgspec.Struct, frozen=True):
    """A picture of a review, with the pixels of its largest size."""

    picture_id: UUID
    width: int
    height: int


class ReviewFigures(msgspec.Struct, frozen=True):
    """What a product's shown reviews say together; `star_counts`: of 1 star first.

    `average_tenths`: 10..50, half a tenth up; null without reviews.
    """

    product_id: UUID
    count: int
    average_tenths: int | None
    star_counts: list[int]
    with_pictures: int


class ReusableReview(msgspec.Struct, frozen=True):
    """A shown review that its author and the shop offer as content."""

    review_id: UUID
    product_id: UUID
    stars: int
    text: str
    is_anonymous: bool
    reuse_allowed_at: datetime
    reuse_text_version: str


class ReviewNotFound(NotFound):
    """It does not exist, is not shown, or is another member's."""

    code = "reviews.not_found"
    zh = "没有找到该评价"
    en = "There is no such review"


class PictureNotFound(NotFound):
    """It does not exist, is another member's, or is not shown."""

    code = "reviews.picture_not_found"
    zh = "没有找到该图片"
    en = "There is no such picture"


class NotReceived(NotFound):
    """No completed line of an own order; imported history and goods given back are none."""

    code = "reviews.not_received"
    zh = "只有已完成的订单商品可以评价"
    en = "Only goods of a completed order can be reviewed"


class AlreadyReviewed(Conflict):
    """There is one review per order line. `review_id` is the one that exists."""

    code = "reviews.already_reviewed"
    zh = "该商品已评价过"
    en = "This has been reviewed already"


class TimeOver(Conflict):
    """The time to say or change this is over since `until`."""

    code = "reviews.time_over"
    zh = "已超过评价时间"
    en = "The time for this is over"


class AlreadyAdded(Conflict):
    """One addition per review."""

    code = "reviews.already_added"
    zh = "已追评过一次"
    en = "Something was added already"


class OwnReview(Conflict):
    """Nobody finds the own review helpful."""

    code = "reviews.own_review"
    zh = "不能给自己的评价点赞"
    en = "You cannot vote for your own review"


class DecisionRefused(Conflict):
    """It is so already, was erased, or was changed since it was read; `state` is the present."""

    code = "reviews.decision_refused"
    zh = "评价当前状态不支持此操作,请刷新后重试"
    en = "The review's present state does not allow this; reload and try again"


class NoConsent(Conflict):
    """Reuse as content needs the author's consent, and a review that is shown."""

    code = "reviews.no_consent"
    zh = "作者未授权,或评价未展示,不能用作素材"
    en = "The author has not consented, or the review is not shown"


class TooManyPictures(Conflict):
    """`limit` pictures wait."""

    code = "reviews.too_many_pictures"
    zh = "图片不能超过 {limit} 张"
    en = "At most {limit} pictures"


class WordsNeeded(BadInput):
    """Nothing but signs that nobody sees."""

    code = "reviews.words_needed"
    zh = "请填写内容"
    en = "Please write something"


class ReviewSubmitted(Event, frozen=True):
    """Somebody said something of goods received; `part` is `first` or `more`."""

    name: ClassVar[str] = "reviews.review_submitted"
    review_id: UUID
    person_no: int
    product_no: int
    stars: int
    part: ReviewPart


class ReviewApproved(Event, frozen=True):
    """A part is shown from now on."""

    name: ClassVar[str] = "reviews.review_approved"
    review_id: UUID
    person_no: int
    product_no: int
    stars: int
    part: ReviewPart


class ReviewHidden(Event, frozen=True):
    """A part is not shown; its author reads why."""

    name: ClassVar[str] = "reviews.review_hidden"
    review_id: UUID
    person_no: int
    product_no: int
    stars: int
    part: ReviewPart


class ReviewReuseChanged(Event, frozen=True):
    """Whether this review may be used as content has changed; who copied it must follow."""

    name: ClassVar[str] = "reviews.review_reuse_changed"
    review_id: UUID
    product_no: int
    is_reusable: bool
