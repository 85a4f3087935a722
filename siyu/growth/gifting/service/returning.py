"""Back to the giver: what nobody accepted in time is taken back, and its money asked for until it
is there (F056).
"""

import contextlib
from uuid import UUID

from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockShort
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderRefund, RefundLine, RefundStatus
from siyu.commerce.reviews import service as reviews
from siyu.growth.gifting import queries, rules
from siyu.growth.gifting.contracts import (
    EndedBy,
    Gift,
    GiftExpired,
    GiftRefunded,
    GiftRefundState,
    GiftReturned,
    Share,
    ShareState,
    Standing,
)
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id

_REASONS = {
    EndedBy.TIME: "礼物 24 小时内未领取",
    EndedBy.GIVER: "送礼人取消",
    EndedBy.STAFF: "商家退款",
}
GIFT_LINE = 1
"""The order's line that is given; others come of campaigns."""


async def take_back(tx: Tx, gift: Gift, ended_by: EndedBy) -> int:
    """Take back the waiting shares of a locked gift, by time only once its day is over; how many.

    The refund's number is fixed here, before money is asked for.
    """
    taken = await queries.move_expired(tx, gift.gift_id, new_id(), ended_by)
    if taken:
        expired = GiftExpired(
            gift_id=gift.gift_id,
            person_no=gift.giver_no,
            amount_fen=gift.unit_fen * len(taken),
            product_no=gift.product_no,
            share_count=len(taken),
            ended_by=ended_by,
        )
        emit(tx, expired)
    return len(taken)


async def expire_gift(tx: Tx, gift_id: UUID) -> int:
    """The day is over: how many shares were taken back; none while it is not (F054)."""
    gift = await queries.lock_gift(tx, gift_id)
    assert gift is not None, "gifts are never deleted"
    return await take_back(tx, gift, EndedBy.TIME)


async def ask_refund(tx: Tx, refund_id: UUID) -> None:
    """Ask ordering for the money of shares that ended; harmless when repeated.

    Each share gives back what was paid for it; the last of a gift that nobody accepted brings the
    shipping, too. Staff may have given some of it back before: then the rest. Raises what
    `ordering.refund` does; the shares stay taken back.
    """
    found = await queries.get_refund(tx, refund_id)
    gift = await queries.lock_gift(tx, found.gift_id) if found else None
    refund = await queries.get_refund(tx, refund_id)
    if gift is None or refund is None or refund.state is not GiftRefundState.DUE:
        return
    shares = await queries.list_shares(tx, gift.gift_id)
    bought = (await ordering.list_lines(tx, [gift.order_id]))[gift.order_id]
    left = await ordering.refundable(tx, gift.order_id)
    by_no = {line.line_no: line for line in left.lines}
    parts = rules.share_parts(bought[GIFT_LINE - 1].total_fen, gift.share_count)
    owed = [share for share in shares if refund_id in (share.refund_id, share.returned_id)]
    numbers = [share.share_no for share in owed]
    quantity, amount_fen = rules.refund_of(parts, numbers, by_no.pop(GIFT_LINE, None))
    if any([await _has_left(tx, share) for share in owed]):
        quantity = 0  # its money alone: whether the piece comes back is not the order's to say
    lines = [RefundLine(GIFT_LINE, quantity, amount_fen)] if quantity or amount_fen else []
    shipping_fen = 0
    is_none_sent = bought[GIFT_LINE - 1].sent_quantity == 0
    if is_none_sent and all(share.refund_id or share.returned_id for share in shares):
        shipping_fen = left.shipping_fen
        lines += [
            RefundLine(line.line_no, line.quantity, line.amount_fen)
            for line in by_no.values()
            if line.quantity or line.amount_fen
        ]
    total_fen = sum(line.amount_fen for line in lines) + shipping_fen
    if not lines and not shipping_fen:  # staff were faster with all of it
        await _finish(tx, gift, refund_id, 0, len(numbers))
        return
    asked, pending = GiftRefundState.ASKED, ShareState.REFUND_PENDING
    await queries.move_refund(tx, refund_id, asked, pending, total_fen)
    await ordering.refund(
        tx,
        order_id=gift.order_id,
        refund_id=refund_id,
        lines=lines,
        shipping_fen=shipping_fen,
        reason=refund.reason or _REASONS[refund.ended_by],
        # What was swapped is another SKU than the order's.
        restock=any(line.quantity for line in lines) and not any(one.sent_sku_id for one in owed),
        actor=System(),
    )


async def _has_left(tx: Tx, share: Share) -> bool:
    return share.consignment_id is not None and await fulfilment.has_left(tx, share.consignment_id)


async def put_off_refund(tx: Tx, refund_id: UUID, trouble: str) -> None:
    """It could not be asked for: note why, and ask again in a while."""
    await queries.set_trouble(tx, refund_id, trouble, clock.now() + rules.ASK_AGAIN)


async def ask_again_now(tx: Tx, gift_id: UUID) -> int:
    """Staff do not want to wait for the next try; how many refunds it was."""
    waiting = [
        refund
        for refund in await queries.list_refunds(tx, [gift_id])
        if refund.state is GiftRefundState.DUE
    ]
    for refund in waiting:
        await queries.set_trouble(tx, refund.refund_id, refund.trouble or "", clock.now())
    return len(waiting)


async def take_foreign_refunds(tx: Tx, gift: Gift) -> None:
    """Staff may give back a gift's pieces without asking us: as many waiting shares as they took
    can be accepted no more, so that no piece is both refunded and received. Were fewer waiting,
    accepted ones are given back: those that have not left, the latest first, as fulfilment chooses.
    """
    if gift.standing is not Standing.PAID:
        return  # it looks again when it opens
    known = {one.refund_id for one in await queries.list_refunds(tx, [gift.gift_id])}
    for refund in await ordering.list_refunds(tx, gift.order_id):
        pieces = sum(line.quantity for line in refund.lines if line.line_no == GIFT_LINE)
        if refund.refund_id in known or refund.status is RefundStatus.CLOSED or not pieces:
            continue
        moved = await queries.move_back_by_staff(tx, gift.gift_id, refund.refund_id, pieces)
        moved += await _return_accepted(tx, gift, refund, pieces - moved)
        if moved and refund.status is RefundStatus.REFUNDED:
            await _finish(tx, gift, refund.refund_id, refund.amount_fen, moved)


async def _return_accepted(tx: Tx, gift: Gift, refund: OrderRefund, pieces: int) -> int:
    """Mark so many accepted shares as given back by a refund of the order desk; how many."""
    accepted = [
        (not await _has_left(tx, one), one.accepted_at, one)
        for one in await queries.list_shares(tx, gift.gift_id)
        if one.consignment_id is not None and one.returned_id is None
    ]
    accepted.sort(key=lambda one: one[:2], reverse=True)
    chosen = [(stays, share) for stays, _, share in accepted[:pieces]]
    numbers = [share.share_no for _, share in chosen]
    await queries.insert_foreign_return(tx, gift.gift_id, refund.refund_id, numbers, refund.reason)
    for stays, share in chosen:
        await note_returned(tx, gift, share)
        assert share.consignment_id is not None, "it was chosen for having one"
        if stays:
            await fulfilment.withdraw(tx, share.consignment_id)
    swapped = [share for stays, share in chosen if stays and share.sent_sku_id is not None]
    for share in swapped if refund.is_restocked else []:
        await _put_back_swapped(tx, gift, share)
    return len(chosen)


async def _put_back_swapped(tx: Tx, gift: Gift, share: Share) -> None:
    """Ordering put the order's own SKU on hand; what is here is the one that was to go instead."""
    assert share.sent_sku_id is not None, "it was swapped"
    source = new_id()
    with contextlib.suppress(StockShort):  # sold again already: staff see it on the shelf
        await inventory.reserve(tx, source, {gift.sku_id: 1})
        await inventory.consume(tx, source)
    await inventory.take_back(tx, source, gift.order_id, {share.sent_sku_id: 1}, System())


async def note_returned(tx: Tx, gift: Gift, share: Share) -> None:
    """An accepted piece's money goes back: nobody reviews it any more."""
    returned = GiftReturned(
        gift_id=gift.gift_id,
        share_no=share.share_no,
        person_no=gift.giver_no,
        amount_fen=gift.unit_fen,
        product_no=gift.product_no,
    )
    emit(tx, returned)
    await reviews.withdraw_piece(tx, gift.order_id, GIFT_LINE, share.share_no)


async def note_refund_started(tx: Tx, order_id: UUID) -> None:
    """Money of an order is promised back: if it is a gift, see whether others did that."""
    gift = await queries.lock_gift_of_order(tx, order_id)
    if gift is not None:
        await take_foreign_refunds(tx, gift)


async def finish_refund(tx: Tx, order_id: UUID, refund_id: UUID, refunded_fen: int) -> None:
    """The giver has the money. Harmless when told twice, and of orders that are no gifts."""
    gift = await queries.lock_gift_of_order(tx, order_id)
    if gift is None:
        return
    await take_foreign_refunds(tx, gift)
    refund = await queries.get_refund(tx, refund_id)
    if refund is not None and refund.state is not GiftRefundState.DONE:
        await _finish(tx, gift, refund_id, refunded_fen, refund.quantity)


async def _finish(tx: Tx, gift: Gift, refund_id: UUID, amount_fen: int, count: int) -> None:
    done, refunded = GiftRefundState.DONE, ShareState.REFUNDED
    await queries.move_refund(tx, refund_id, done, refunded, amount_fen)
    told = GiftRefunded(
        gift_id=gift.gift_id,
        person_no=gift.giver_no,
        amount_fen=amount_fen,
        product_no=gift.product_no,
        share_count=count,
    )
    emit(tx, told)


async def renew_refund(tx: Tx, order_id: UUID, refund_id: UUID) -> None:
    """Finance gave a refund up that WeChat could not pay (payments ask by themselves until then).

    The money is owed all the same and the shares stay refund_pending, but people have decided, so
    people say when it is asked for again: under a new number, for the old one is spent (F056).
    """
    gift = await queries.lock_gift_of_order(tx, order_id)
    if gift is not None:
        await queries.move_refund_number(tx, refund_id, new_id(), "closed")


async def note_trouble(tx: Tx, refund_id: UUID, problem: str) -> None:
    """WeChat does not go on by itself; payments pursue it under the same number (F030)."""
    await queries.set_trouble(tx, refund_id, problem[:60])
