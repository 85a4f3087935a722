"""The SQL of reviews. That of pictures stands beside their verbs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.reviews import rules
from siyu.commerce.reviews.contracts import (
    REUSE_TEXT_VERSION,
    Post,
    ReusableReview,
    Review,
    ReviewableLine,
    ReviewDraft,
    ReviewFigures,
    ReviewPart,
    ReviewState,
)
from siyu.kernel.db import ReadTx, Tx, filters
from siyu.kernel.ids import new_id
from siyu.people.members.contracts import Member

_REVIEW = """r.review_id, r.order_id, r.line_no, r.piece_no, r.member_id, r.person_no, r.author,
  r.product_id, r.product_no, r.sku_id, r.title, r.option_values, r.image_url, r.stars,
  r.service_stars, r.logistics_stars, r.is_anonymous, r.is_shown, r.picture_count,
  r.helpful_count, r.completed_at, r.submitted_at, r.answer, r.answered_at, r.answered_by,
  r.reuse_allowed_at, r.reuse_withdrawn_at, r.reusable_at"""
_POST = """review_id, part, state, text, hits, reason, said_at, edited_at, decided_at,
  decided_by"""
NOBODY = UUID(int=0)


# --- writing ----------------------------------------------------------------------------------


async def insert_review(
    tx: Tx, review_id: UUID, author: Member, line: ReviewableLine, draft: ReviewDraft, at: datetime
) -> bool:
    """A review that is not shown yet; False when there is one already."""
    return bool(
        await tx.run(
            """insert into reviews.reviews (shop_id, review_id, order_id, line_no, member_id,
                 person_no, product_id, product_no, sku_id, title, option_values, image_url,
                 stars, service_stars, logistics_stars, is_anonymous, picture_count,
                 completed_at, submitted_at, reuse_allowed_at, reuse_text_version, author, piece_no)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                 $17, $18, $19, $20, $21, $22, $23)
               on conflict on constraint one_review_per_piece do nothing""",
            tx.shop_id,
            review_id,
            line.order_id,
            line.line_no,
            author.member_id,
            author.person_no,
            line.product_id,
            line.product_no,
            line.sku_id,
            line.title,
            line.option_values,
            line.image_url,
            draft.stars,
            draft.service_stars,
            draft.logistics_stars,
            draft.is_anonymous,
            len(draft.picture_ids),
            line.received_at,
            at,
            at if draft.allow_reuse else None,
            REUSE_TEXT_VERSION if draft.allow_reuse else None,
            rules.shown_name(author.nickname),
            line.piece_no,
        )
    )


async def move_review(tx: Tx, review_id: UUID, changes: dict[str, Any]) -> None:
    """Change columns of a review."""
    columns = list(changes)
    await tx.run(
        f"""update reviews.reviews
            set {", ".join(f"{name} = ${i}" for i, name in enumerate(columns, start=3))}
            where shop_id = $1 and review_id = $2""",
        tx.shop_id,
        review_id,
        *changes.values(),
    )


async def set_post(tx: Tx, post: Post) -> None:
    """Write a part as it is now."""
    await tx.run(
        """insert into reviews.posts (shop_id, review_id, part, state, text, hits, reason, said_at,
             edited_at, decided_at, decided_by)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           on conflict (shop_id, review_id, part) do update set state = excluded.state,
             text = excluded.text, hits = excluded.hits, reason = excluded.reason,
             edited_at = excluded.edited_at, decided_at = excluded.decided_at,
             decided_by = excluded.decided_by""",
        tx.shop_id,
        post.review_id,
        post.part.value,
        post.state.value,
        post.text,
        post.hits,
        post.reason,
        post.said_at,
        post.edited_at,
        post.decided_at,
        post.decided_by,
    )


async def insert_story(
    tx: Tx, review_id: UUID, event: str, actor: str, at: datetime, *,
    part: ReviewPart | None = None, text: str = "",
) -> None:  # fmt: skip
    """Note what happened to a review."""
    await tx.run(
        """insert into reviews.story (shop_id, review_id, entry_id, at, part, event, actor, text)
           values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        tx.shop_id,
        review_id,
        new_id(),
        at,
        part and part.value,
        event,
        actor,
        text,
    )


async def move_figures(tx: Tx, product_id: UUID, moves: rules.Moves) -> None:
    """Add differences to a product's figures; its row is the one that all of them queue for."""
    await tx.run(
        """insert into reviews.figures as f (shop_id, product_id, star_1, star_2, star_3, star_4,
             star_5, with_pictures) values ($1, $2, 0, 0, 0, 0, 0, 0)
           on conflict (shop_id, product_id) do nothing""",
        tx.shop_id,
        product_id,
    )
    await tx.run(
        """update reviews.figures set star_1 = star_1 + $3, star_2 = star_2 + $4,
             star_3 = star_3 + $5, star_4 = star_4 + $6, star_5 = star_5 + $7,
             with_pictures = with_pictures + $8
           where shop_id = $1 and product_id = $2""",
        tx.shop_id,
        product_id,
        *moves.stars,
        moves.with_pictures,
    )


async def insert_vote(tx: Tx, review_id: UUID, member_id: UUID, at: datetime) -> int:
    """Count a vote once; 0 when it was there, or the review is not shown."""
    return await tx.run(
        """with voted as (
             insert into reviews.votes (shop_id, review_id, member_id, voted_at)
             select $1, $2, $3, $4 from reviews.reviews
             where shop_id = $1 and review_id = $2 and is_shown
             on conflict do nothing returning review_id)
           update reviews.reviews r set helpful_count = helpful_count + 1
           from voted where r.shop_id = $1 and r.review_id = voted.review_id""",
        tx.shop_id,
        review_id,
        member_id,
        at,
    )


async def delete_vote(tx: Tx, review_id: UUID, member_id: UUID) -> int:
    """Take a vote back; 0 when there was none."""
    return await tx.run(
        """with gone as (
             delete from reviews.votes where shop_id = $1 and review_id = $2 and member_id = $3
             returning review_id)
           update reviews.reviews r set helpful_count = helpful_count - 1
           from gone where r.shop_id = $1 and r.review_id = gone.review_id""",
        tx.shop_id,
        review_id,
        member_id,
    )


async def delete_votes_of(tx: Tx, member_id: UUID) -> None:
    """Take back all votes of a member."""
    await tx.run(
        """with gone as (
             delete from reviews.votes where shop_id = $1 and member_id = $2 returning review_id)
           update reviews.reviews r set helpful_count = helpful_count - 1
           from gone where r.shop_id = $1 and r.review_id = gone.review_id""",
        tx.shop_id,
        member_id,
    )


async def move_words_away(tx: Tx, review_id: UUID) -> None:
    """Nothing that the author said stays, and nothing says who it was."""
    await tx.run(
        """update reviews.posts set state = 'erased', text = '', hits = '{}', reason = null
           where shop_id = $1 and review_id = $2""",
        tx.shop_id,
        review_id,
    )
    await tx.run(
        """update reviews.story set text = '', actor = '' where shop_id = $1 and review_id = $2
             and event in ('submitted', 'edited', 'added', 'reuse_allowed', 'reuse_withdrawn')""",
        tx.shop_id,
        review_id,
    )


# --- reading ----------------------------------------------------------------------------------


async def lock_review(tx: Tx, review_id: UUID) -> Review | None:
    """A review, locked until the end of the transaction."""
    return await tx.maybe(
        Review,
        f"""select {_REVIEW} from reviews.reviews r
            where shop_id = $1 and review_id = $2 for no key update""",
        tx.shop_id,
        review_id,
    )


async def get_review(tx: ReadTx, review_id: UUID) -> Review | None:
    """One review."""
    return await tx.maybe(
        Review,
        f"select {_REVIEW} from reviews.reviews r where shop_id = $1 and review_id = $2",
        tx.shop_id,
        review_id,
    )


async def get_review_of_line(
    tx: ReadTx, order_id: UUID, line_no: int, piece_no: int
) -> UUID | None:
    """The review of an order line, or of a piece of it."""
    found: UUID | None = await tx.value(
        """select review_id from reviews.reviews
           where shop_id = $1 and order_id = $2 and line_no = $3 and piece_no = $4""",
        tx.shop_id,
        order_id,
        line_no,
        piece_no,
    )
    return found


async def list_posts(tx: ReadTx, review_ids: Sequence[UUID]) -> dict[UUID, dict[ReviewPart, Post]]:
    """The parts of some reviews."""
    rows = await tx.all(
        Post,
        f"""select {_POST} from reviews.posts
            where shop_id = $1 and review_id = any ($2::uuid[])""",
        tx.shop_id,
        list(review_ids),
    )
    posts: dict[UUID, dict[ReviewPart, Post]] = {review_id: {} for review_id in review_ids}
    for row in rows:
        posts[row.review_id][row.part] = row
    return posts


# A picture goes where the text it belongs to has gone; $3 is who would get it (members.follow).
OF_ANOTHERS_REVIEW = """exists (select from reviews.reviews o
  where o.shop_id = pictures.shop_id and o.review_id = pictures.review_id and o.member_id <> $3)"""


class ReviewFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which reviews; None: all."""

    product_id: UUID | None = None
    stars_from: int | None = None
    stars_to: int | None = None
    with_pictures: bool = False
    with_addition: bool = False
    state: ReviewState | None = None
    unanswered: bool = False
    reusable: bool = False


def _where(args: list[Any], wanted: ReviewFilter) -> str:
    where = filters(
        args,
        ("r.product_id = ?", wanted.product_id),
        ("r.stars >= ?", wanted.stars_from),
        ("r.stars <= ?", wanted.stars_to),
        (
            """exists (select from reviews.posts p where p.shop_id = r.shop_id
                 and p.review_id = r.review_id and p.state = ?)""",
            wanted.state and wanted.state.value,
        ),
    )
    if wanted.with_pictures:
        where += " and r.picture_count > 0"
    if wanted.with_addition:
        where += """ and exists (select from reviews.posts p where p.shop_id = r.shop_id
          and p.review_id = r.review_id and p.part = 'more' and p.state = 'approved')"""
    if wanted.unanswered:
        where += " and r.answer is null and r.is_shown"
    if wanted.reusable:
        where += " and r.reuse_allowed_at is not null and r.is_shown"
    return where


async def list_shown(
    tx: ReadTx, wanted: ReviewFilter, by_help: bool, after: tuple[int, UUID] | None, limit: int
) -> list[Review]:
    """Shown reviews, newest or most helpful first."""
    args: list[Any] = [tx.shop_id, limit]
    where = _where(args, wanted)
    order = "r.review_id desc"
    if by_help:
        order = "r.helpful_count desc, r.review_id desc"
    if after:
        place = "(r.helpful_count, r.review_id)" if by_help else "r.review_id"
        args += after if by_help else after[1:]
        given = f"(${len(args) - 1}::int, ${len(args)}::uuid)" if by_help else f"${len(args)}::uuid"
        where += f" and {place} < {given}"
    return await tx.all(
        Review,
        f"""select {_REVIEW} from reviews.reviews r
            where shop_id = $1 and is_shown and {where} order by {order} limit $2""",
        *args,
    )


async def list_reviews(
    tx: ReadTx, wanted: ReviewFilter, after: UUID | None, limit: int
) -> list[Review]:
    """All reviews, newest first."""
    args: list[Any] = [tx.shop_id, limit]
    where = _where(args, wanted)
    if after:
        args.append(after)
        where += f" and r.review_id < ${len(args)}::uuid"
    return await tx.all(
        Review,
        f"""select {_REVIEW} from reviews.reviews r where shop_id = $1 and {where}
            order by r.review_id desc limit $2""",
        *args,
    )


async def list_member_reviews(
    tx: ReadTx, member_id: UUID, after: UUID | None, limit: int
) -> list[Review]:
    """A member's reviews, newest first."""
    return await tx.all(
        Review,
        f"""select {_REVIEW} from reviews.reviews r
            where shop_id = $1 and member_id = $2 and ($3::uuid is null or review_id < $3)
            order by review_id desc limit $4""",
        tx.shop_id,
        member_id,
        after,
        limit,
    )


class ReviewedLine(msgspec.Struct, frozen=True):
    """A line that has its review."""

    order_id: UUID
    line_no: int


async def list_reviewed_lines(
    tx: ReadTx, member_id: UUID, since: datetime
) -> list[tuple[UUID, int]]:
    """The lines, of orders completed since then, that a member has reviewed."""
    rows = await tx.all(
        ReviewedLine,
        """select order_id, line_no from reviews.reviews
           where shop_id = $1 and member_id = $2 and completed_at >= $3 and piece_no = 0""",
        tx.shop_id,
        member_id,
        since,
    )
    return [(row.order_id, row.line_no) for row in rows]


async def list_voted(tx: ReadTx, member_id: UUID, review_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these a member found helpful."""
    rows = await tx.connection.fetch(
        """select review_id from reviews.votes
           where shop_id = $1 and member_id = $2 and review_id = any ($3::uuid[])""",
        tx.shop_id,
        member_id,
        list(review_ids),
    )
    return {row["review_id"] for row in rows}


class FigureRow(msgspec.Struct, frozen=True):
    """A product's figures as they are kept."""

    product_id: UUID
    star_counts: list[int]
    with_pictures: int


async def get_figures(tx: ReadTx, product_id: UUID) -> ReviewFigures:
    """What is said of a product, all together."""
    row = await tx.maybe(
        FigureRow,
        """select product_id, array[star_1, star_2, star_3, star_4, star_5] as star_counts,
             with_pictures
           from reviews.figures where shop_id = $1 and product_id = $2""",
        tx.shop_id,
        product_id,
    )
    row = row or FigureRow(product_id, [0] * 5, 0)
    return ReviewFigures(
        product_id,
        sum(row.star_counts),
        rules.average_tenths(row.star_counts),
        row.star_counts,
        row.with_pictures,
    )


class StateCount(msgspec.Struct, frozen=True):
    """How many parts stand where."""

    state: ReviewState
    posts: int


async def count_states(tx: ReadTx) -> dict[ReviewState, int]:
    """How many parts of reviews stand in each state."""
    rows = await tx.all(
        StateCount,
        "select state, count(*) as posts from reviews.posts where shop_id = $1 group by state",
        tx.shop_id,
    )
    return dict.fromkeys(ReviewState, 0) | {row.state: row.posts for row in rows}


class StoryEntry(msgspec.Struct, frozen=True):
    """What happened to a review."""

    at: datetime
    part: ReviewPart | None
    event: str
    actor: str
    text: str


async def list_story(tx: ReadTx, review_id: UUID) -> list[StoryEntry]:
    """All that happened to a review, oldest first."""
    return await tx.all(
        StoryEntry,
        """select at, part, event, actor, text from reviews.story
           where shop_id = $1 and review_id = $2 order by entry_id""",
        tx.shop_id,
        review_id,
    )


async def list_reusable(tx: ReadTx, after: UUID | None, limit: int) -> list[ReusableReview]:
    """Reviews offered as content, newest first."""
    return await tx.all(
        ReusableReview,
        """select r.review_id, r.product_id, r.stars, p.text, r.is_anonymous, r.reuse_allowed_at,
             r.reuse_text_version
           from reviews.reviews r join reviews.posts p using (shop_id, review_id)
           where r.shop_id = $1 and r.reusable_at is not null and p.part = 'first'
             and ($2::uuid is null or r.review_id < $2)
           order by r.review_id desc limit $3""",
        tx.shop_id,
        after,
        limit,
    )
