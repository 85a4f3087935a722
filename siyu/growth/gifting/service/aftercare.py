"""After a share was accepted: its receiver has it, asks the shop about it, or the shop gives its
money back to the giver. What is said here the giver does not see.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderStatus
from siyu.commerce.reviews import service as reviews
from siyu.commerce.reviews.contracts import ReviewableLine
from siyu.growth.gifting import queries, rules
from siyu.growth.gifting.contracts import (
    MAX_MESSAGE,
    Author,
    Gift,
    GiftNotFound,
    GiftReceived,
    Message,
    NotArrived,
    ReturnRefused,
    Share,
    ShareState,
    TooManyMessages,
)
from siyu.growth.gifting.service.accepting import get_received
from siyu.growth.gifting.service.returning import (
    GIFT_LINE,
    ask_refund,
    note_returned,
    take_foreign_refunds,
)
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.auth import MemberIdentity, StaffIdentity
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import BadInput
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id

MAX_MESSAGES = 50
"""What a receiver may write about one share."""

# --- received ---------------------------------------------------------------------------------


async def confirm_received(tx: Tx, member: MemberIdentity, share_id: UUID) -> Share:
    """The receiver has it; once the last of a gift's pieces has arrived, so has its order. Harmless
    when said twice.

    Raises GiftNotFound (also for another's), NotArrived before it has left.
    """
    gift = await queries.lock_gift(tx, (await get_received(tx, member, share_id)).gift_id)
    share = await get_received(tx, member, share_id)
    assert gift is not None and share.consignment_id is not None, "it was accepted"
    if share.received_at is not None:
        return share
    if not await fulfilment.has_left(tx, share.consignment_id):
        raise NotArrived
    now = clock.now()
    await _note_received(tx, gift, [share], now)
    shares = await queries.list_shares(tx, gift.gift_id)
    order = await ordering.lock_order(tx, gift.order_id)
    if rules.is_all_received(shares) and order.status is OrderStatus.SHIPPED:
        await ordering.confirm_receipt(tx, gift.order_id, member, by_receivers=True)
    return msgspec.structs.replace(share, received_at=now)


async def receive_by_order(tx: Tx, order_id: UUID, at: datetime) -> None:
    """A gift's order has ended, by its days or by staff: what has left has arrived."""
    gift = await queries.lock_gift_of_order(tx, order_id)
    if gift is None:
        return
    open_shares = [
        one
        for one in await queries.list_shares(tx, gift.gift_id)
        if one.state is ShareState.ACCEPTED and one.received_at is None
    ]
    left = [
        one
        for one in open_shares
        if one.consignment_id and await fulfilment.has_left(tx, one.consignment_id)
    ]
    await _note_received(tx, gift, left, at)


async def _note_received(tx: Tx, gift: Gift, shares: Sequence[Share], at: datetime) -> None:
    for share in shares:
        assert share.receiver_no is not None, "it was accepted"
        await tx.run(
            """update gifting.shares set received_at = $4
               where shop_id = $1 and gift_id = $2 and share_no = $3 and received_at is null""",
            tx.shop_id,
            gift.gift_id,
            share.share_no,
            at,
        )
        received = GiftReceived(
            gift_id=gift.gift_id,
            share_no=share.share_no,
            person_no=share.receiver_no,
            product_no=gift.product_no,
        )
        emit(tx, received)
        await _admit_review(tx, gift, share, at)


async def _admit_review(tx: Tx, gift: Gift, share: Share, at: datetime) -> None:
    """Who received it may review it: as what was really sent."""
    assert share.receiver_id is not None, "it was accepted"
    sku_id = share.sent_sku_id or gift.sku_id
    sent = (await catalog.load_for_show(tx, [sku_id])).get(sku_id)
    piece = ReviewableLine(
        order_id=gift.order_id,
        line_no=GIFT_LINE,
        piece_no=share.share_no,
        sku_id=sku_id,
        product_id=sent.product_id if sent else gift.product_id,
        product_no=sent.product_no if sent else gift.product_no,
        title=sent.title if sent and share.sent_sku_id else share.sent_title or gift.title,
        option_values=sent.option_values if sent else gift.option_values,
        image_url=sent.image_url if sent else gift.image_url,
        quantity=1,
        received_at=at,
    )
    await reviews.admit_piece(tx, share.receiver_id, piece)


# --- the money of an accepted piece -----------------------------------------------------------


async def return_share(
    tx: Tx, staff: StaffIdentity, gift_id: UUID, share_no: int, *, reason: str, restock: bool
) -> Share:
    """Give the giver back what an accepted piece cost: it cannot be sent, arrived broken, or came
    back. A piece that has not left stays here; `restock`: one that had left is on hand again.

    Raises GiftNotFound, ReturnRefused unless it is accepted and not given back yet, and what
    `ordering.refund` does.
    """
    gift = await queries.lock_gift(tx, gift_id)
    if gift is None:
        raise GiftNotFound
    await ordering.lock_order(tx, gift.order_id)
    await take_foreign_refunds(tx, gift)
    shares = {one.share_no: one for one in await queries.list_shares(tx, gift_id)}
    share = shares.get(share_no)
    if share is None or share.consignment_id is None or share.returned_id is not None:
        raise ReturnRefused
    refund_id = new_id()
    await queries.insert_return(tx, share, refund_id, reason)
    stays = await fulfilment.withdraw(tx, share.consignment_id)
    await ask_refund(tx, refund_id)
    await note_returned(tx, gift, share)
    audit(
        tx,
        staff,
        "gifting.share_returned",
        ("gift", gift_id),
        after={"share_no": share_no, "reason": reason, "restock": restock},
    )
    # What ordering puts back is the order's own SKU, and only what had not left; last, for it locks
    # the rows that everybody wants.
    is_ours = share.sent_sku_id is not None if stays else restock
    if is_ours:
        sku_id = share.sent_sku_id or gift.sku_id
        await inventory.take_back(tx, refund_id, gift.order_id, {sku_id: 1}, staff)
    return msgspec.structs.replace(share, returned_id=refund_id)


# --- questions --------------------------------------------------------------------------------


async def ask_shop(tx: Tx, member: MemberIdentity, share_id: UUID, text: str) -> Share:
    """Tell the shop what is wrong with a received gift, or ask about it. Raises GiftNotFound (also
    for another's), TooManyMessages.
    """
    share = await get_received(tx, member, share_id)
    await _say(tx, share, Author.RECEIVER, None, text)
    return share


async def answer_receiver(
    tx: Tx, staff: StaffIdentity, gift_id: UUID, share_no: int, text: str
) -> None:
    """Answer the receiver of a share. Raises GiftNotFound, TooManyMessages."""
    shares = {one.share_no: one for one in await queries.list_shares(tx, gift_id)}
    share = shares.get(share_no)
    if share is None or share.receiver_id is None:
        raise GiftNotFound
    await _say(tx, share, Author.SHOP, staff, text)


async def _say(tx: Tx, share: Share, author: Author, actor: Actor | None, text: str) -> None:
    content = rules.clean_blessing(text, MAX_MESSAGE)
    if not content:
        raise BadInput(field="text", why="empty")
    said = await tx.run(
        """insert into gifting.messages (shop_id, message_id, gift_id, share_no, author, said_by,
             content, said_at)
           select $1, $2, $3, $4, $5, $6, $7, $8
           where (select count(*) from gifting.messages
                  where shop_id = $1 and gift_id = $3 and share_no = $4 and author = $5) < $9""",
        tx.shop_id,
        new_id(),
        share.gift_id,
        share.share_no,
        author,
        actor.actor_name if actor else None,
        content,
        clock.now(),
        MAX_MESSAGES,
    )
    if not said:
        raise TooManyMessages(limit=MAX_MESSAGES)


async def list_messages(tx: ReadTx, gift_id: UUID, share_no: int | None = None) -> list[Message]:
    """What receivers and the shop said about a gift, or about one share of it, oldest first."""
    return await tx.all(
        Message,
        """select share_no, author, said_by, content, said_at from gifting.messages
           where shop_id = $1 and gift_id = $2 and ($3::int is null or share_no = $3)
           order by message_id""",
        tx.shop_id,
        gift_id,
        share_no,
    )


# --- what a member should know ----------------------------------------------------------------


class Notices(msgspec.Struct, frozen=True):
    """What waits for a member: gifts given that nobody took and that end soon; gifts opened and not
    accepted; parcels of gifts that arrived, or left two days ago, and are not confirmed; and money
    that came back in the last two days. Gifts by number, `unaccepted` by the key of their link,
    `arrived` by their share.
    """

    ending: list[UUID]
    unaccepted: list[str]
    arrived: list[UUID]
    refunded: list[UUID]


ENDS_SOON = timedelta(hours=6)
TOLD_FOR = timedelta(hours=48)


async def load_notices(tx: ReadTx, member_id: UUID) -> Notices:
    """What a member should be reminded of now: at most 20 of each, the most urgent first."""
    now = clock.now()
    accepted = await _list_unconfirmed(tx, member_id)
    arrived = await fulfilment.list_arrived(tx, list(accepted), now - TOLD_FOR)
    found = await tx.one(
        _Found,
        """with mine as (
             select gift_id, accept_before from gifting.gifts g
             where shop_id = $1 and giver_id = $2 and accept_before > $3 and accept_before <= $4
               and exists (select from gifting.shares s
                 where s.shop_id = $1 and s.gift_id = g.gift_id and s.state = 'waiting')
             order by accept_before limit 20),
           seen as (
             select link_key, accept_before
             from gifting.visits v join gifting.gifts g using (shop_id, gift_id)
             where shop_id = $1 and member_id = $2 and accept_before > $3
               and exists (select from gifting.shares s
                 where s.shop_id = $1 and s.gift_id = g.gift_id and s.state = 'waiting')
               and not exists (select from gifting.shares s
                 where s.shop_id = $1 and s.gift_id = g.gift_id and s.receiver_id = $2)
             order by accept_before limit 20),
           back as (
             select distinct gift_id
             from gifting.shares s join gifting.gifts g using (shop_id, gift_id)
             where shop_id = $1 and giver_id = $2 and s.state = 'refunded' and s.ended_at > $5
             limit 20)
           select coalesce((select array_agg(gift_id order by accept_before) from mine), '{}')
               as ending,
             coalesce((select array_agg(link_key order by accept_before) from seen), '{}')
               as unaccepted,
             coalesce((select array_agg(gift_id) from back), '{}') as refunded""",
        tx.shop_id,
        member_id,
        now,
        now + ENDS_SOON,
        now - TOLD_FOR,
    )
    shares = [accepted[consignment_id] for consignment_id in arrived][:20]
    return Notices(found.ending, found.unaccepted, shares, found.refunded)


class _Found(msgspec.Struct, frozen=True):
    ending: list[UUID]
    unaccepted: list[str]
    refunded: list[UUID]


class _Unconfirmed(msgspec.Struct, frozen=True):
    consignment_id: UUID
    share_id: UUID


async def _list_unconfirmed(tx: ReadTx, member_id: UUID) -> dict[UUID, UUID]:
    """Shares of a member that are not confirmed, by consignment; the latest 100."""
    rows = await tx.all(
        _Unconfirmed,
        """select consignment_id, share_id from gifting.shares
           where shop_id = $1 and receiver_id = $2 and received_at is null
             and returned_id is null and consignment_id is not null
           order by accepted_at desc, share_id desc limit 100""",
        tx.shop_id,
        member_id,
    )
    return {row.consignment_id: row.share_id for row in rows}
