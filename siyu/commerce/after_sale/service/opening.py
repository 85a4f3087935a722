"""What an order allows, and the case that comes of a request."""

from collections.abc import Sequence
from uuid import UUID

from siyu.commerce.after_sale import queries, rules
from siyu.commerce.after_sale.contracts import (
    Case,
    CaseAsked,
    CaseLine,
    CaseOpened,
    CaseSide,
    Kind,
    LineAsked,
    NotEligible,
    Offer,
    Reason,
    State,
)
from siyu.commerce.after_sale.rules import Ground, Piece
from siyu.commerce.after_sale.service.pictures import attach_pictures
from siyu.commerce.after_sale.service.steps import approve_case
from siyu.commerce.after_sale.service.terms import load_terms
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import (
    Delivery,
    Order,
    OrderLine,
    OrderNotFound,
    OrderStatus,
)
from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.auth import MemberIdentity, StaffIdentity
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops


async def load_offer(tx: ReadTx, member: MemberIdentity, order_id: UUID) -> Offer:
    """What a member can ask for about an own order now; of a gift nothing, for somebody else has
    the goods, and what nobody accepts comes back by itself. Raises OrderNotFound.
    """
    order = _own(await ordering.get_order(tx, order_id), member)
    if order.delivery is Delivery.GIFT:
        return Offer(kinds=[], reasons=[], lines=[], shipping_fen=0)
    lines = (await ordering.list_lines(tx, [order_id]))[order_id]
    ground, _ = await _load_ground(tx, order, lines)
    return rules.offer(ground)


async def open_case(tx: Tx, member: MemberIdentity, order_id: UUID, asked: CaseAsked) -> Case:
    """Open a case about an own order, as its buyer wishes.

    Raises OrderNotFound (also for another's order, F081), NotEligible, AlreadySent, AlreadyClaimed,
    AmountOutOfRange, ExchangeRefused, PicturesNeeded, PictureNotFound, TooManyPictures.
    """
    order = _own(await ordering.get_order(tx, order_id), member)
    if asked.reason not in rules.CUSTOMER_REASONS:
        raise NotEligible(why="reason")
    if order.delivery is Delivery.GIFT:
        raise NotEligible(why="gift")
    return await _open(tx, order, asked, CaseSide.CUSTOMER, member)


async def open_by_shop(
    tx: Tx,
    staff: StaffIdentity,
    order_id: UUID,
    lines: Sequence[LineAsked],
    amount_fen: int | None,
    text: str,
) -> Case:
    """Give money back without being asked (goods that cannot be sent, goodwill), at once.

    Raises OrderNotFound, NotEligible, AlreadySent, AlreadyClaimed, AmountOutOfRange, and what
    `ordering.refund` raises.
    """
    order = await ordering.get_order(tx, order_id)
    if order is None:
        raise OrderNotFound
    asked = CaseAsked(
        kind=Kind.REFUND_ONLY,
        reason=Reason.BY_SHOP,
        lines=list(lines),
        amount_fen=amount_fen,
        text=text,
    )
    case = await _open(tx, order, asked, CaseSide.STAFF, staff)
    return await approve_case(tx, staff, case.case_id)


def _own(order: Order | None, member: MemberIdentity) -> Order:
    if order is None or order.member_id != member.member_id:
        raise OrderNotFound
    return order


async def _open(tx: Tx, order: Order, asked: CaseAsked, side: CaseSide, actor: Actor) -> Case:
    lines = (await ordering.list_lines(tx, [order.order_id]))[order.order_id]
    bought = [queries.BoughtLine(one.line_no, one.quantity, one.total_fen) for one in lines]
    await queries.lock_claims(tx, order.order_id, order.shipping_fen, bought)
    ground, skus = await _load_ground(tx, order, lines)
    now = clock.now()
    rules.check_asked(ground, asked)
    taken = await _take_lines(tx, ground, asked, lines, skus)
    left = await queries.get_left_order(tx, order.order_id)
    assert left is not None, "lock_claims has just written it"
    shipping_cap_fen = rules.shipping_cap_fen(ground, asked)
    cap_fen = sum(line.cap_fen for line in taken) + shipping_cap_fen
    is_exchange = asked.kind is Kind.EXCHANGE
    asked_fen = 0 if is_exchange else rules.choose_amount(cap_fen, asked.amount_fen)
    case = Case(
        case_id=new_id(),
        case_no=f"{order.order_no}-{left.cases + 1}",
        order_id=order.order_id,
        order_no=order.order_no,
        member_id=order.member_id,
        person_no=order.person_no,
        kind=asked.kind,
        state=State.REQUESTED,
        reason=asked.reason,
        freight_by=rules.REASONS[asked.reason].freight_by,
        is_unshipped=ground.is_unshipped,
        cap_fen=cap_fen,
        shipping_cap_fen=shipping_cap_fen,
        asked_fen=asked_fen,
        amount_fen=asked_fen,
        refund_id=new_id(),
        restock=None,
        opened_at=now,
        due_at=rules.due_at(State.REQUESTED, ground.terms, now),
        reminded_at=None,
        closed_at=None,
        return_carrier=None,
        return_tracking_no=None,
        exchange_carrier=None,
        exchange_tracking_no=None,
        return_address_sealed=None,
        trouble=None,
    )
    said = queries.entry("open", side, actor.actor_name, now, asked.text)
    await queries.insert_case(tx, case, taken, said)
    await queries.move_claims(tx, case, taken, 1)
    await attach_pictures(tx, case, asked.picture_ids)
    if order.status is OrderStatus.SHIPPED:
        # It must not count as received, and its commissions be paid, while it may come back.
        await ordering.postpone_receipt(tx, order.order_id, now + rules.longest(ground.terms))
    opened = CaseOpened(
        case_id=case.case_id,
        order_id=case.order_id,
        person_no=case.person_no,
        amount_fen=case.asked_fen,
        kind=case.kind,
        reason=case.reason,
    )
    emit(tx, opened)
    return case


async def _load_ground(
    tx: ReadTx, order: Order, lines: Sequence[OrderLine]
) -> tuple[Ground, dict[UUID, SkuForSale]]:
    """What a request about an order is judged by, and its SKUs as they are sold today."""
    refundable = await ordering.refundable(tx, order.order_id)
    back = {line.line_no: line for line in refundable.lines}
    free = {line.line_no: line for line in await queries.list_left(tx, order.order_id)}
    left = await queries.get_left_order(tx, order.order_id)
    skus = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, [o.sku_id for o in lines])}
    terms = await load_terms(tx)
    excluded = set(terms.not_returnable)
    pieces = []
    for line in lines:
        mine, theirs = free.get(line.line_no), back.get(line.line_no)
        unclaimed = (mine.quantity, mine.amount_fen) if mine else (line.quantity, line.total_fen)
        unpaid = (theirs.quantity, theirs.amount_fen) if theirs else (0, 0)
        left_quantity, amount_fen = min(unclaimed[0], unpaid[0]), min(unclaimed[1], unpaid[1])
        # A parcel is on its way, and the rest waits: what has left cannot be cancelled any more.
        sent = min(line.sent_quantity, left_quantity) if order.status is OrderStatus.PAID else 0
        pieces.append(
            Piece(
                line_no=line.line_no,
                kind=skus[line.sku_id].kind if line.sku_id in skus else ProductKind.PHYSICAL,
                is_excluded=line.product_id in excluded,
                quantity=left_quantity - sent,
                amount_fen=amount_fen * (left_quantity - sent) // (left_quantity or 1),
                sent=sent,
            )
        )
    shipping_fen = min(left.shipping_fen if left else order.shipping_fen, refundable.shipping_fen)
    if any(piece.sent for piece in pieces):
        shipping_fen = 0  # a first parcel has been delivered for it
    zone = (await shops.get_shop(tx)).time_zone
    received_at = order.completed_at
    ground = Ground(
        status=order.status,
        received_on=clock.business_day(received_at, zone) if received_at else None,
        today=clock.business_day(clock.now(), zone),
        terms=terms,
        pieces=pieces,
        shipping_fen=shipping_fen,
    )
    return ground, skus


async def _take_lines(
    tx: ReadTx,
    ground: Ground,
    asked: CaseAsked,
    lines: Sequence[OrderLine],
    skus: dict[UUID, SkuForSale],
) -> list[CaseLine]:
    """The pieces a case is about, with what they can give back and what replaces them."""
    by_no = {line.line_no: line for line in lines}
    targets = [one.exchange_sku_id for one in asked.lines if one.exchange_sku_id]
    wanted = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, targets)}
    taken = []
    for one, piece in zip(asked.lines, rules.pick(ground.pieces, asked), strict=True):
        line = by_no[one.line_no]
        replacement = None
        if asked.kind is Kind.EXCHANGE:
            replacement = one.exchange_sku_id or line.sku_id
        if replacement is not None and replacement != line.sku_id:
            rules.check_replacement(skus.get(line.sku_id), wanted.get(replacement))
        taken.append(
            CaseLine(
                line_no=line.line_no,
                sku_id=line.sku_id,
                product_id=line.product_id,
                title=line.title,
                option_values=line.option_values,
                image_url=line.image_url,
                quantity=one.quantity,
                cap_fen=rules.cap_fen(piece, one.quantity),
                exchange_sku_id=replacement,
            )
        )
    return taken
