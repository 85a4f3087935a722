"""What staff do: let through, hide with a reason, answer, offer as content."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.reviews import queries, rules
from siyu.commerce.reviews.contracts import (
    DecisionRefused,
    NoConsent,
    Post,
    Review,
    ReviewApproved,
    ReviewHidden,
    ReviewNotFound,
    ReviewPart,
    ReviewReuseChanged,
    ReviewState,
    WordsNeeded,
)
from siyu.commerce.reviews.rules import Counted
from siyu.commerce.reviews.service.saying import lock_review, plain, show
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.events import emit


async def approve_part(
    tx: Tx, actor: Actor, review_id: UUID, part: ReviewPart, seen_at: datetime
) -> None:
    """Let a part through, as it was read: said or edited at `seen_at`.

    Raises ReviewNotFound, DecisionRefused.
    """
    review = await _decide(tx, actor, review_id, part, seen_at, ReviewState.APPROVED, None)
    assert review.person_no is not None, "an erased part is never decided"
    emit(
        tx,
        ReviewApproved(review_id, review.person_no, review.product_no, review.stars, part),
    )


async def hide_part(
    tx: Tx, actor: Actor, review_id: UUID, part: ReviewPart, seen_at: datetime, reason: str
) -> None:
    """Hide a part, shown or waiting; its author reads the reason. With the first part goes all.

    Raises ReviewNotFound, DecisionRefused, WordsNeeded.
    """
    said = rules.clean_text(reason)
    if not said:
        raise WordsNeeded
    review = await _decide(tx, actor, review_id, part, seen_at, ReviewState.HIDDEN, said)
    assert review.person_no is not None, "an erased part is never decided"
    emit(
        tx,
        ReviewHidden(review_id, review.person_no, review.product_no, review.stars, part),
    )


async def _decide(
    tx: Tx, actor: Actor, review_id: UUID, part: ReviewPart, seen_at: datetime,
    state: ReviewState, reason: str | None,
) -> Review:  # fmt: skip
    review = await lock_review(tx, review_id)
    post = (await queries.list_posts(tx, [review_id]))[review_id].get(part)
    if post is None:
        raise ReviewNotFound
    if post.state in (state, ReviewState.ERASED) or (post.edited_at or post.said_at) != seen_at:
        raise DecisionRefused(state=post.state)
    now = clock.now()
    decided = msgspec.structs.replace(
        post, state=state, reason=reason, decided_at=now, decided_by=actor.actor_name
    )
    await queries.set_post(tx, decided)
    await queries.insert_story(
        tx, review_id, state.value, actor.actor_name, now, part=part, text=reason or ""
    )
    _note(tx, actor, review, post, decided)
    if part is ReviewPart.FIRST:
        after = Counted(state is ReviewState.APPROVED, review.stars, review.picture_count > 0)
        await show(tx, review, after)
    return review


def _note(tx: Tx, actor: Actor, review: Review, post: Post, decided: Post) -> None:
    audit(
        tx,
        actor,
        f"reviews.{decided.state.value}",
        subject=("review", review.review_id),
        before=plain(review) | {"part": post.part.value, "state": post.state.value},
        after={"state": decided.state.value, "reason": decided.reason},
    )


async def answer_review(tx: Tx, actor: Actor, review_id: UUID, text: str) -> None:
    """Answer a review in the shop's name, or answer anew; the answer before stays in the story.

    Raises ReviewNotFound, WordsNeeded.
    """
    said = rules.clean_text(text)
    if not said:
        raise WordsNeeded
    review, now = await lock_review(tx, review_id), clock.now()
    changes = {"answer": said, "answered_at": now, "answered_by": actor.actor_name}
    await queries.move_review(tx, review_id, changes)
    await queries.insert_story(
        tx, review_id, "answered", actor.actor_name, now, text=review.answer or ""
    )
    audit(tx, actor, "reviews.answered", subject=("review", review_id), before=plain(review))


async def offer_review(tx: Tx, actor: Actor, review_id: UUID, on: bool) -> None:
    """Offer a review as content, or no longer. Raises ReviewNotFound, NoConsent."""
    review = await lock_review(tx, review_id)
    if (review.reusable_at is not None) is on:
        return
    if on and (review.reuse_allowed_at is None or not review.is_shown):
        raise NoConsent
    now = clock.now()
    await queries.move_review(tx, review_id, {"reusable_at": now if on else None})
    event = "reuse_marked" if on else "reuse_unmarked"
    await queries.insert_story(tx, review_id, event, actor.actor_name, now)
    audit(
        tx,
        actor,
        "reviews.reuse_changed",
        subject=("review", review_id),
        before={"is_reusable": not on},
        after={"is_reusable": on},
    )
    emit(tx, ReviewReuseChanged(review_id, review.product_no, on))
