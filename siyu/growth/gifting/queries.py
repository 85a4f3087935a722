"""The SQL of gifts, shares and their refunds.

What the shop decides is in service/terms.py; who looked and what came of it in service/figures.py.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.growth.gifting.contracts import (
    EndedBy,
    Gift,
    GiftRefund,
    GiftRefundState,
    Share,
    ShareState,
)
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id


class DueGift(msgspec.Struct, frozen=True):
    """A gift of some shop with work to do."""

    shop_id: int
    gift_id: UUID


class GiftCounts(msgspec.Struct, frozen=True):
    """How many shares of a gift stand where; `back` ended without a receiver."""

    gift_id: UUID
    waiting: int
    accepted: int
    back: int
    refunded: int


_GIFT = """gift_id, link_key, order_id, order_no, giver_id, giver_no, kind, standing, product_id,
  product_no, sku_id, title, option_values, image_url, unit_fen, total_fen, share_count, blessing,
  theme, kit, voice_id, scene, placed_at, paid_at, accept_before"""
_SHARE = """gift_id, share_no, share_id, state, receiver_id, receiver_no, is_new_customer,
  accepted_at, ended_at, ended_by, refund_id, consignment_id, sent_sku_id, sent_title,
  received_at, returned_id"""
_REFUND = "refund_id, gift_id, state, quantity, amount_fen, ended_by, due_at, trouble, reason"


# --- gifts ------------------------------------------------------------------------------------


async def insert_gift(tx: Tx, gift: Gift) -> None:
    """Keep a gift whose order was just placed."""
    await tx.run(
        f"""insert into gifting.gifts (shop_id, {_GIFT})
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
              $19, $20, $21, $22, $23, $24, $25, $26)""",
        tx.shop_id,
        *msgspec.structs.astuple(gift),
    )


async def get_gift(tx: ReadTx, gift_id: UUID) -> Gift | None:
    """A gift by its number."""
    return await tx.maybe(
        Gift,
        f"select {_GIFT} from gifting.gifts where shop_id = $1 and gift_id = $2",
        tx.shop_id,
        gift_id,
    )


async def get_gift_by_key(tx: ReadTx, link_key: str) -> Gift | None:
    """The gift that a link opens."""
    return await tx.maybe(
        Gift,
        f"select {_GIFT} from gifting.gifts where shop_id = $1 and link_key = $2",
        tx.shop_id,
        link_key,
    )


async def lock_gift(tx: Tx, gift_id: UUID) -> Gift | None:
    """A gift, held until the end of the transaction; its shares move only under this lock."""
    return await tx.maybe(
        Gift,
        f"""select {_GIFT} from gifting.gifts where shop_id = $1 and gift_id = $2
            for no key update""",
        tx.shop_id,
        gift_id,
    )


async def lock_gift_by_key(tx: Tx, link_key: str) -> Gift | None:
    """The same, by its link."""
    return await tx.maybe(
        Gift,
        f"""select {_GIFT} from gifting.gifts where shop_id = $1 and link_key = $2
            for no key update""",
        tx.shop_id,
        link_key,
    )


async def lock_gift_of_order(tx: Tx, order_id: UUID) -> Gift | None:
    """The gift that an order is, if it is one."""
    return await tx.maybe(
        Gift,
        f"""select {_GIFT} from gifting.gifts where shop_id = $1 and order_id = $2
            for no key update""",
        tx.shop_id,
        order_id,
    )


async def list_given(tx: ReadTx, giver_id: UUID, after: UUID | None, limit: int) -> list[Gift]:
    """What a member gave, newest first."""
    return await tx.all(
        Gift,
        f"""select {_GIFT} from gifting.gifts
            where shop_id = $1 and giver_id = $2 and ($3::uuid is null or gift_id < $3)
            order by gift_id desc limit $4""",
        tx.shop_id,
        giver_id,
        after,
        limit,
    )


async def list_gifts_of(tx: ReadTx, gift_ids: Sequence[UUID]) -> dict[UUID, Gift]:
    """Gifts by number; unknown ones are missing."""
    found = await tx.all(
        Gift,
        f"select {_GIFT} from gifting.gifts where shop_id = $1 and gift_id = any($2::uuid[])",
        tx.shop_id,
        list(gift_ids),
    )
    return {gift.gift_id: gift for gift in found}


async def move_paid(tx: Tx, gift: Gift, paid_at: datetime, within_seconds: int) -> Gift:
    """A gift is paid and may be accepted for so long: counted from the payment, or from the
    database's own now should the payment's clock be ahead of it. Its shares wait from now on.
    """
    return await tx.one(
        Gift,
        f"""with opened as (
              update gifting.gifts set standing = 'paid', paid_at = $3,
                accept_before = least($3, clock_timestamp() + $4) + make_interval(secs => $5)
              where shop_id = $1 and gift_id = $2 and standing <> 'paid' returning *),
            made as (
              insert into gifting.shares (shop_id, gift_id, share_no, share_id, state)
              select $1, $2, place, share_id, 'waiting'
              from unnest($6::uuid[]) with ordinality as s (share_id, place))
            select {_GIFT} from opened""",
        tx.shop_id,
        gift.gift_id,
        paid_at,
        clock.shift(),
        within_seconds,
        [new_id() for _ in range(gift.share_count)],
    )


async def move_closed(tx: Tx, gift_id: UUID) -> None:
    """An unpaid gift ended; one that was paid meanwhile is left alone."""
    await tx.run(
        """update gifting.gifts set standing = 'closed'
           where shop_id = $1 and gift_id = $2 and standing = 'unpaid'""",
        tx.shop_id,
        gift_id,
    )


# --- shares -----------------------------------------------------------------------------------


async def list_shares(tx: ReadTx, gift_id: UUID) -> list[Share]:
    """The shares of a gift, by number."""
    return await tx.all(
        Share,
        f"""select {_SHARE} from gifting.shares where shop_id = $1 and gift_id = $2
            order by share_no""",
        tx.shop_id,
        gift_id,
    )


async def count_shares(tx: ReadTx, gift_ids: Sequence[UUID]) -> dict[UUID, GiftCounts]:
    """Where the shares of many gifts stand; gifts without any are missing."""
    found = await tx.all(
        GiftCounts,
        """select gift_id, count(*) filter (where state = 'waiting') as waiting,
             count(*) filter (where state = 'accepted') as accepted,
             count(*) filter (where refund_id is not null) as back,
             count(*) filter (where state = 'refunded') as refunded
           from gifting.shares where shop_id = $1 and gift_id = any($2::uuid[]) group by 1""",
        tx.shop_id,
        list(gift_ids),
    )
    return {row.gift_id: row for row in found}


async def move_accepted(
    tx: Tx, gift_id: UUID, receiver_id: UUID, receiver_no: int, *, is_new_customer: bool
) -> Share | None:
    """Give the first waiting share to a receiver, if it is still time by the database's clock and
    they have none: one guarded update, None for those who lose.
    """
    return await tx.maybe(
        Share,
        f"""update gifting.shares s set state = 'accepted', receiver_id = $3, receiver_no = $4,
              is_new_customer = $5, accepted_at = clock_timestamp() + $6
            where s.shop_id = $1 and s.gift_id = $2 and s.state = 'waiting'
              and s.share_no = (
                select min(w.share_no) from gifting.shares w
                where w.shop_id = $1 and w.gift_id = $2 and w.state = 'waiting')
              and exists (
                select from gifting.gifts g where g.shop_id = $1 and g.gift_id = $2
                  and g.accept_before > clock_timestamp() + $6)
              and not exists (
                select from gifting.shares o
                where o.shop_id = $1 and o.gift_id = $2 and o.receiver_id = $3)
            returning {_SHARE}""",
        tx.shop_id,
        gift_id,
        receiver_id,
        receiver_no,
        is_new_customer,
        clock.shift(),
    )


async def set_consignment(tx: Tx, share: Share, consignment_id: UUID) -> None:
    """Note where the parcel of an accepted share is looked after."""
    await tx.run(
        """update gifting.shares set consignment_id = $4
           where shop_id = $1 and gift_id = $2 and share_no = $3""",
        tx.shop_id,
        share.gift_id,
        share.share_no,
        consignment_id,
    )


async def set_sent(tx: Tx, share: Share, sku_id: UUID, title: str) -> None:
    """Note what goes instead of the original."""
    await tx.run(
        """update gifting.shares set sent_sku_id = $4, sent_title = $5
           where shop_id = $1 and gift_id = $2 and share_no = $3""",
        tx.shop_id,
        share.gift_id,
        share.share_no,
        sku_id,
        title,
    )


async def move_expired(tx: Tx, gift_id: UUID, refund_id: UUID, ended_by: EndedBy) -> list[int]:
    """Take back what waits, and note the refund it makes due; the numbers of the shares, none for
    those who lose.

    By time only once the day is over by the database's clock: the same guarded update that
    `move_accepted` is, so that a share is one or the other.
    """
    taken: list[int] = await tx.value(
        """with late as (
             select from gifting.gifts where shop_id = $1 and gift_id = $2
               and ($4 <> 'time' or accept_before <= clock_timestamp() + $5)),
           counted as (
             select count(*)::int as quantity from gifting.shares
             where shop_id = $1 and gift_id = $2 and state = 'waiting'
               and exists (select from late)),
           noted as (
             insert into gifting.refunds (shop_id, refund_id, gift_id, state, quantity, ended_by,
               due_at)
             select $1, $3, $2, 'due', quantity, $4, clock_timestamp() + $5
             from counted where quantity > 0 returning refund_id),
           taken as (
             update gifting.shares set state = 'expired', refund_id = $3, ended_by = $4,
               ended_at = clock_timestamp() + $5
             where shop_id = $1 and gift_id = $2 and state = 'waiting'
               and exists (select from noted)
             returning share_no)
           select coalesce(array_agg(share_no order by share_no), '{}')::int[] from taken""",
        tx.shop_id,
        gift_id,
        refund_id,
        ended_by,
        clock.shift(),
    )
    return taken


async def insert_return(tx: Tx, share: Share, refund_id: UUID, reason: str) -> None:
    """Note that the money of an accepted share goes back, before it is asked for."""
    await tx.run(
        """with noted as (
             insert into gifting.refunds (shop_id, refund_id, gift_id, state, quantity, ended_by,
               due_at, reason)
             values ($1, $4, $2, 'due', 1, 'staff', clock_timestamp() + $5, $6))
           update gifting.shares set returned_id = $4
           where shop_id = $1 and gift_id = $2 and share_no = $3""",
        tx.shop_id,
        share.gift_id,
        share.share_no,
        refund_id,
        clock.shift(),
        reason,
    )


async def move_back_by_staff(tx: Tx, gift_id: UUID, refund_id: UUID, quantity: int) -> int:
    """Staff gave money back under a number of their own: so many waiting shares, the last first,
    can be accepted no more. How many there were; none when told twice.
    """
    moved: int = await tx.value(
        """with chosen as (
             select share_no from gifting.shares
             where shop_id = $1 and gift_id = $2 and state = 'waiting' and not exists (
               select from gifting.refunds where shop_id = $1 and refund_id = $3)
             order by share_no desc limit $4),
           noted as (
             insert into gifting.refunds (shop_id, refund_id, gift_id, state, quantity, ended_by,
               due_at)
             select $1, $3, $2, 'asked', count(*), 'staff', clock_timestamp() + $5
             from chosen having count(*) > 0 returning refund_id),
           taken as (
             update gifting.shares s set state = 'refund_pending', refund_id = $3,
               ended_by = 'staff', ended_at = clock_timestamp() + $5
             from chosen c where s.shop_id = $1 and s.gift_id = $2 and s.share_no = c.share_no
               and exists (select from noted)
             returning s.share_no)
           select count(*) from taken""",
        tx.shop_id,
        gift_id,
        refund_id,
        quantity,
        clock.shift(),
    )
    return moved


async def insert_foreign_return(
    tx: Tx, gift_id: UUID, refund_id: UUID, share_nos: Sequence[int], reason: str
) -> None:
    """Accepted shares whose money staff gave back under a number of their own, which may have taken
    waiting ones, too; none: nothing.
    """
    await tx.run(
        """with noted as (
             insert into gifting.refunds as r (shop_id, refund_id, gift_id, state, quantity,
               ended_by, due_at, reason)
             select $1, $3, $2, 'asked', cardinality($4::int[]), 'staff', clock_timestamp() + $6,
               left($5, 80)
             where cardinality($4::int[]) > 0
             on conflict (shop_id, refund_id) do update
               set quantity = r.quantity + excluded.quantity)
           update gifting.shares set returned_id = $3
           where shop_id = $1 and gift_id = $2 and share_no = any ($4::int[])""",
        tx.shop_id,
        gift_id,
        refund_id,
        list(share_nos),
        reason,
        clock.shift(),
    )


async def list_late(tx: ReadTx, limit: int) -> list[DueGift]:
    """Gifts of all shops of which something waits though their day is over."""
    return await tx.all(
        DueGift,
        """select distinct shop_id, gift_id
           from gifting.shares s join gifting.gifts g using (shop_id, gift_id)
           where s.state = 'waiting' and g.accept_before <= clock_timestamp() + $1 limit $2""",
        clock.shift(),
        limit,
    )


async def list_received(
    tx: ReadTx, receiver_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Share]:
    """What a member accepted, newest first; `after` is (accepted_at, share_id) of the last seen."""
    at, share_id = after or (None, None)
    return await tx.all(
        Share,
        f"""select {_SHARE} from gifting.shares
            where shop_id = $1 and receiver_id = $2
              and ($3::timestamptz is null or (accepted_at, share_id) < ($3, $4::uuid))
            order by accepted_at desc, share_id desc limit $5""",
        tx.shop_id,
        receiver_id,
        at,
        share_id,
        limit,
    )


async def get_share(tx: ReadTx, share_id: UUID) -> Share | None:
    """A share by its number."""
    return await tx.maybe(
        Share,
        f"select {_SHARE} from gifting.shares where shop_id = $1 and share_id = $2",
        tx.shop_id,
        share_id,
    )


# --- refunds ----------------------------------------------------------------------------------


class DueRefund(msgspec.Struct, frozen=True):
    """A refund of some shop that is to be asked for."""

    shop_id: int
    refund_id: UUID


async def list_due_refunds(tx: ReadTx, limit: int) -> list[DueRefund]:
    """Refunds of all shops that are to be asked for now."""
    return await tx.all(
        DueRefund,
        """select shop_id, refund_id from gifting.refunds
           where state = 'due' and due_at <= clock_timestamp() + $1 order by due_at limit $2""",
        clock.shift(),
        limit,
    )


async def get_refund(tx: ReadTx, refund_id: UUID) -> GiftRefund | None:
    """A refund by its number."""
    return await tx.maybe(
        GiftRefund,
        f"select {_REFUND} from gifting.refunds where shop_id = $1 and refund_id = $2",
        tx.shop_id,
        refund_id,
    )


async def list_refunds(tx: ReadTx, gift_ids: Sequence[UUID]) -> list[GiftRefund]:
    """The refunds of some gifts, oldest first."""
    return await tx.all(
        GiftRefund,
        f"""select {_REFUND} from gifting.refunds
            where shop_id = $1 and gift_id = any($2::uuid[]) order by refund_id""",
        tx.shop_id,
        list(gift_ids),
    )


async def move_refund(
    tx: Tx, refund_id: UUID, state: GiftRefundState, share_state: ShareState, amount_fen: int
) -> None:
    """A refund has come further, and its shares with it."""
    await tx.run(
        """with shares as (
             update gifting.shares set state = $4 where shop_id = $1 and refund_id = $2)
           update gifting.refunds set state = $3, amount_fen = $5, trouble = null
           where shop_id = $1 and refund_id = $2""",
        tx.shop_id,
        refund_id,
        state,
        share_state,
        amount_fen,
    )


async def set_trouble(
    tx: Tx, refund_id: UUID, trouble: str, due_at: datetime | None = None
) -> None:
    """Why a refund is not there yet, and when it is asked for next."""
    await tx.run(
        """update gifting.refunds set trouble = $3, due_at = coalesce($4, due_at)
           where shop_id = $1 and refund_id = $2 and state <> 'done'""",
        tx.shop_id,
        refund_id,
        trouble,
        due_at,
    )


async def move_refund_number(tx: Tx, refund_id: UUID, number: UUID, trouble: str) -> None:
    """A refund that ended unpaid for good is owed under a new number, once staff say so; its shares
    go with it.
    """
    await tx.run(
        """update gifting.refunds set refund_id = $3, state = 'due', due_at = null, trouble = $4
           where shop_id = $1 and refund_id = $2 and state = 'asked'""",
        tx.shop_id,
        refund_id,
        number,
        trouble,
    )
