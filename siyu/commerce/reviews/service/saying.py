"""What authors do: say something, change it, add to it, lend it, vote; and be forgotten."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.service import ReceivedLine
from siyu.commerce.reviews import queries, rules
from siyu.commerce.reviews.contracts import (
    REUSE_TEXT_VERSION,
    AdditionDraft,
    AlreadyAdded,
    AlreadyReviewed,
    NotReceived,
    OwnReview,
    Post,
    Review,
    ReviewableLine,
    ReviewApproved,
    ReviewDraft,
    ReviewNotFound,
    ReviewPart,
    ReviewReuseChanged,
    ReviewState,
    ReviewSubmitted,
    TimeOver,
    WordsNeeded,
)
from siyu.commerce.reviews.rules import NOTHING, Counted
from siyu.commerce.reviews.service import piece_store
from siyu.commerce.reviews.service.pictures import (
    ForgottenPicture,
    forget_member_pictures,
    place_pictures,
)
from siyu.commerce.reviews.service.settings import load_settings
from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.people.members import service as members

BY_RULE = "siyu"
"""Who decided where no person did: nothing stopped the words."""


async def list_waiting(tx: ReadTx, member_id: UUID) -> list[ReviewableLine]:
    """What a member has received and may still review, newest first, at most 1,000."""
    settings, now = await load_settings(tx), clock.now()
    since = now - timedelta(days=settings.review_days)
    done = await queries.list_reviewed_lines(tx, member_id, since)
    bought = await ordering.list_received_lines(tx, member_id, since, but=done)
    given = await piece_store.list_waiting_pieces(tx, member_id, since)
    waiting = [_reviewable(line) for line in bought] + list(given)
    return sorted(waiting, key=lambda one: one.received_at, reverse=True)[:1000]


def _reviewable(line: ReceivedLine) -> ReviewableLine:
    fields = msgspec.structs.asdict(line)
    return ReviewableLine(piece_no=0, received_at=fields.pop("completed_at"), **fields)


async def _received(
    tx: ReadTx, member_id: UUID, order_id: UUID, line_no: int, piece_no: int
) -> ReviewableLine | None:
    if piece_no:
        return await piece_store.get_piece(tx, member_id, order_id, line_no, piece_no)
    line = await ordering.get_received_line(tx, member_id, order_id, line_no)
    return _reviewable(line) if line else None


async def submit_review(
    tx: Tx,
    member: MemberIdentity,
    order_id: UUID,
    line_no: int,
    draft: ReviewDraft,
    piece_no: int = 0,
) -> UUID:
    """Say something of a line, or of a gift's piece, that was received; the new review's id.

    Raises NotReceived, TimeOver, AlreadyReviewed, PictureNotFound.
    """
    line = await _received(tx, member.member_id, order_id, line_no, piece_no)
    if line is None:
        raise NotReceived
    settings, now = await load_settings(tx), clock.now()
    until = rules.review_until(settings, line.received_at)
    if now >= until:
        raise TimeOver(until=until)
    review_id = new_id()
    author = await members.get_member(tx, member.member_id)
    if not await queries.insert_review(tx, review_id, author, line, draft, now):
        existing = await queries.get_review_of_line(tx, order_id, line_no, piece_no)
        raise AlreadyReviewed(review_id=str(existing))
    await _say(
        tx, member, await lock_review(tx, review_id), ReviewPart.FIRST, draft, now, "submitted"
    )
    if draft.allow_reuse:
        await queries.insert_story(tx, review_id, "reuse_allowed", member.actor_name, now)
    return review_id


async def edit_review(tx: Tx, member: MemberIdentity, review_id: UUID, draft: ReviewDraft) -> None:
    """Say it anew, within the shop's hours; the earlier words stay in the story.

    `allow_reuse` of the draft is not looked at: consent has its own verb.
    Raises ReviewNotFound, TimeOver, PictureNotFound.
    """
    review = await lock_review(tx, review_id, member)
    settings, now = await load_settings(tx), clock.now()
    until = rules.edit_until(settings, review.submitted_at)
    if now >= until:
        raise TimeOver(until=until)
    await queries.move_review(
        tx,
        review_id,
        {
            "stars": draft.stars,
            "service_stars": draft.service_stars,
            "logistics_stars": draft.logistics_stars,
            "is_anonymous": draft.is_anonymous,
        },
    )
    await _say(tx, member, review, ReviewPart.FIRST, draft, now, "edited")


async def add_to_review(
    tx: Tx, member: MemberIdentity, review_id: UUID, draft: AdditionDraft
) -> None:
    """Add something later (追评), once.

    Raises ReviewNotFound, TimeOver, AlreadyAdded, WordsNeeded, PictureNotFound.
    """
    review = await lock_review(tx, review_id, member)
    settings, now = await load_settings(tx), clock.now()
    until = rules.addition_until(settings, review.completed_at)
    if now >= until:
        raise TimeOver(until=until)
    if ReviewPart.MORE in (await queries.list_posts(tx, [review_id]))[review_id]:
        raise AlreadyAdded
    if not rules.clean_text(draft.text):
        raise WordsNeeded
    await _say(tx, member, review, ReviewPart.MORE, draft, now, "added")


async def _say(
    tx: Tx, member: MemberIdentity, review: Review, part: ReviewPart,
    draft: ReviewDraft | AdditionDraft, now: datetime, event: str,
) -> None:  # fmt: skip
    """Write a part's words and pictures, and show it where nothing stops it."""
    before = (await queries.list_posts(tx, [review.review_id]))[review.review_id].get(part)
    settings, text = await load_settings(tx), rules.clean_text(draft.text)
    hits = rules.find_words(text, settings.words)
    state = rules.first_state(settings, hits, bool(draft.picture_ids))
    is_free = state is ReviewState.APPROVED
    post = Post(
        review_id=review.review_id,
        part=part,
        state=state,
        text=text,
        hits=hits,
        reason=None,
        said_at=before.said_at if before else now,
        edited_at=now if before else None,
        decided_at=now if is_free else None,
        decided_by=BY_RULE if is_free else None,
    )
    await queries.set_post(tx, post)
    await place_pictures(tx, member.member_id, review.review_id, part, draft.picture_ids)
    await queries.insert_story(
        tx, review.review_id, event, member.actor_name, now, part=part,
        text=before.text if before else "",
    )  # fmt: skip
    stars = draft.stars if isinstance(draft, ReviewDraft) else review.stars
    told = (review.review_id, member.person_no, review.product_no, stars, part)
    emit(tx, ReviewSubmitted(*told))
    if is_free:
        emit(tx, ReviewApproved(*told))
    if isinstance(draft, ReviewDraft):
        after = Counted(is_free, draft.stars, bool(draft.picture_ids))
        await show(tx, review, after, picture_count=len(draft.picture_ids))


async def show(tx: Tx, review: Review, after: Counted, **changes: object) -> None:
    """Let a locked review count as `after` from now on. Comes last: everybody wants the figures.

    A review that is no longer shown is no longer offered as content.
    """
    changes["is_shown"] = after.is_shown
    if review.reusable_at and not after.is_shown:
        changes["reusable_at"] = None
        emit(tx, ReviewReuseChanged(review.review_id, review.product_no, False))
    await queries.move_review(tx, review.review_id, changes)
    moves = rules.figure_moves(counted(review), after)
    if moves:
        await queries.move_figures(tx, review.product_id, moves)


def counted(review: Review) -> Counted:
    """What the figures count of a review now."""
    return Counted(review.is_shown, review.stars, review.picture_count > 0)


async def lock_review(tx: Tx, review_id: UUID, member: MemberIdentity | None = None) -> Review:
    """A review, locked; an own one where a member is named. Raises ReviewNotFound."""
    review = await queries.lock_review(tx, review_id)
    if review is None or (member and review.member_id != member.member_id):
        raise ReviewNotFound
    return review


async def allow_reuse(tx: Tx, member: MemberIdentity, review_id: UUID, allowed: bool) -> None:
    """Give or take back the consent to use an own review as content. Raises ReviewNotFound.

    Taken back, it is no longer offered from this moment on.
    """
    review = await lock_review(tx, review_id, member)
    if (review.reuse_allowed_at is not None) is allowed:
        return
    now = clock.now()
    changes: dict[str, object] = {
        "reuse_allowed_at": now if allowed else None,
        "reuse_text_version": REUSE_TEXT_VERSION if allowed else None,
        "reuse_withdrawn_at": None if allowed else now,
        "reusable_at": None,
    }
    await queries.move_review(tx, review_id, changes)
    event = "reuse_allowed" if allowed else "reuse_withdrawn"
    await queries.insert_story(tx, review_id, event, member.actor_name, now)
    if review.reusable_at:
        emit(tx, ReviewReuseChanged(review_id, review.product_no, False))


async def vote(tx: Tx, member: MemberIdentity, review_id: UUID, helpful: bool) -> Review:
    """Find a shown review helpful, or no longer; once per member, whatever is sent how often.

    Raises ReviewNotFound, OwnReview.
    """
    review = await queries.get_review(tx, review_id)
    if review is None or not review.is_shown:
        raise ReviewNotFound
    if review.member_id == member.member_id:
        raise OwnReview
    if helpful:
        await queries.insert_vote(tx, review_id, member.member_id, clock.now())
    else:
        await queries.delete_vote(tx, review_id, member.member_id)
    return await queries.get_review(tx, review_id) or review


async def forget_member(tx: Tx, member_id: UUID) -> Sequence[ForgottenPicture]:
    """Erase what a member said, showed and voted; the files of the pictures answered go next.

    That a line was reviewed, when, and with how many stars stays, without a way to the person;
    it is no longer shown or counted. Answers and decisions of the shop stay.
    """
    await queries.delete_votes_of(tx, member_id)
    gone = await forget_member_pictures(tx, member_id)
    while found := await queries.list_member_reviews(tx, member_id, None, 100):
        for review_id in sorted(one.review_id for one in found):
            review = await lock_review(tx, review_id)
            await queries.move_words_away(tx, review_id)
            await queries.insert_story(tx, review_id, "erased", BY_RULE, clock.now())
            await show(
                tx, review, NOTHING, member_id=queries.NOBODY, person_no=None, author="",
                is_anonymous=True, picture_count=0, reuse_allowed_at=None,
                reuse_text_version=None, reusable_at=None,
            )  # fmt: skip
    return gone


def plain(review: Review) -> dict[str, object]:
    """A review as the trail keeps it: no words of its author."""
    return {"product_no": review.product_no, "stars": msgspec.to_builtins(review.stars)}
