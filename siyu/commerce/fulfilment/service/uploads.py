"""WeChat is told of the shipping and lets the money go.

Three steps: what is to be told stands in the row (`wanted`), a call is begun (committed: from now
its outcome is not known), and what WeChat said is written down. `pursue` and `look_over` speak with
WeChat: never inside a transaction.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import queries, rules
from siyu.commerce.fulfilment.contracts import (
    MoneyReleased,
    UploadNotFound,
    UploadState,
)
from siyu.commerce.fulfilment.rules import Told
from siyu.commerce.fulfilment.service import consigning, upload_store
from siyu.commerce.fulfilment.service.upload_store import Management, Upload, Watched
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import Delivery, Order, OrderStatus
from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.mini_program.contracts import (
    Logistics,
    ManagedTrade,
    MiniProgramCredentials,
    ShippedParcel,
    ShippingNotice,
    WeChatError,
)

log = logging.getLogger(__name__)

MESSAGE_PATH = "commerce/ordering/orders"
"""The page WeChat's own messages about shipping open."""
_MANAGEMENT_LASTS = timedelta(hours=6)
_TOP_UP_DESC = "会员储值"


async def follow(tx: Tx, order_id: UUID, order_no: str, purpose: str, *, at_once: bool) -> None:
    """Follow the money of a payment that was just made, when it was paid inside WeChat.

    at_once: nothing is to be sent (virtual goods, a top-up), so WeChat is told now.
    """
    paid = await payments.get_paid(tx, order_id)
    if paid is None or paid.channel is not Channel.JSAPI or not paid.provider_number:
        return
    now = clock.now()
    assert paid.payer is not None, "who pays inside WeChat is known"
    await upload_store.insert_upload(
        tx,
        Upload(
            payment_id=paid.payment_id,
            order_id=order_id,
            order_no=order_no,
            purpose=purpose,
            state=UploadState.DUE if at_once else UploadState.WAITING,
            app=paid.app,
            number=paid.provider_number,
            payer=paid.payer,
            amount_fen=paid.amount_fen,
            paid_at=paid.paid_at,
            state_since=now,
            is_split=False,
            wanted=int(at_once),
            told=0,
            tries=0,
            calls=0,
            is_unclear=False,
            uploaded_at=None,
            receipt_at=None,
            reminded_at=None,
            problem=None,
            problem_text="",
            next_call_at=now if at_once else None,
        ),
    )


async def note_refunded(tx: Tx, order_id: UUID) -> None:
    """All of an order's money went back: nothing is held any more."""
    known = await upload_store.get_of_order(tx, order_id)
    if known is not None:
        await upload_store.move_state(tx, known.payment_id, UploadState.REFUNDED, clock.now())


async def retry(tx: Tx, actor: Actor, payment_id: UUID) -> None:
    """Have WeChat told, or asked, once more at once. Raises UploadNotFound when nothing is held, or
    nothing is to be told yet.
    """
    known = await upload_store.lock_upload(tx, payment_id)
    if known is None or known.state not in (UploadState.DUE, UploadState.TICKET):
        raise UploadNotFound
    now = clock.now()
    await upload_store.move_upload(
        tx,
        payment_id,
        UploadState.DUE,
        now,
        told=known.told,
        is_unclear=known.is_unclear,
        problem=known.problem,
        problem_text=known.problem_text,
        next_call_at=now,
    )
    audit(tx, actor, "fulfilment.upload_retried", ("payment", payment_id))


async def pursue(shop_id: ShopId, payment_id: UUID) -> None:
    """What is due for a payment: tell WeChat how it was shipped, or remind the buyer."""
    async with reading(shop_id) as tx:
        upload = await upload_store.get_upload(tx, payment_id)
        credentials = await shops.mini_program_credentials(tx)
    if upload is None or upload.next_call_at is None:
        return
    if upload.app != credentials.appid:
        await _stop(shop_id, upload, "FORMER_APP", "paid in an app the shop no longer uses")
        return
    if upload.state is not UploadState.DUE:
        await _remind(shop_id, credentials, upload)
        return
    try:
        is_managed = await _is_managed(shop_id, credentials)
        if is_managed and upload.is_unclear and await _asked(shop_id, credentials, upload):
            return
    except WeChatError as error:
        await _record(shop_id, upload, Told(None, problem=error.code, is_clear=False), error)
        return
    if not is_managed:
        async with transaction(shop_id) as tx:
            await upload_store.move_state(tx, payment_id, UploadState.FREE, clock.now())
        return
    await _tell(shop_id, credentials, upload)


async def _tell(shop_id: ShopId, credentials: MiniProgramCredentials, upload: Upload) -> None:
    async with transaction(shop_id) as tx:
        begun = await upload_store.lock_upload(tx, upload.payment_id)
        if begun is None or begun.state is not UploadState.DUE or begun.calls != upload.calls:
            return
        notice = await _describe(tx, begun)
        if notice is None:
            await upload_store.move_upload(
                tx, begun.payment_id, UploadState.WAITING, clock.now(), told=begun.told
            )
            return
        again_at = rules.claimed_until(clock.now())
        await upload_store.move_begun(
            tx, begun.payment_id, notice.upload_time, notice.is_split, again_at
        )
    begun = msgspec.structs.replace(begun, calls=begun.calls + 1, is_unclear=True)
    error = None
    told: Told | None
    try:
        await mini_program.upload_shipping(shop_id, credentials, notice)
        state = UploadState.TOLD if notice.is_all_delivered else UploadState.PARTLY
        told = Told(state, has_it=True)
    except WeChatError as refused:
        error = refused
        problem = mini_program.shipping_problem(refused)
        told = rules.judge_problem(problem, refused.code, is_all=notice.is_all_delivered)
    if told is None:
        told = await _adopt(shop_id, credentials, begun, error)
    await _record(shop_id, begun, told, error)


async def _adopt(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    upload: Upload,
    error: WeChatError | None,
) -> Told:
    """WeChat takes no upload for where the order stands: its own state is the truth."""
    code = error.code if error else ""
    try:
        trade = await mini_program.get_trade(shop_id, credentials, upload.number)
    except WeChatError as unanswered:
        return Told(None, problem=unanswered.code)
    state = rules.state_at_wechat(trade.order_state)
    return Told(state or UploadState.TICKET, has_it=state is not None, problem=code)


async def _asked(shop_id: ShopId, credentials: MiniProgramCredentials, upload: Upload) -> bool:
    """Whether an upload whose outcome was not known has arrived; then it is written down."""
    trade = await mini_program.get_trade(shop_id, credentials, upload.number)
    async with reading(shop_id) as tx:
        notice = await _describe(tx, upload)
    state = rules.state_at_wechat(trade.order_state)
    if state is None or notice is None:
        return False
    if state is UploadState.TOLD and not (
        notice.is_all_delivered and rules.knows_all(trade, notice.parcels)
    ):
        return False
    await _record(shop_id, upload, Told(state, has_it=True), None)
    return True


async def _record(shop_id: ShopId, asked: Upload, told: Told, error: WeChatError | None) -> None:
    """Write down what WeChat said; what has changed meanwhile is told next."""
    async with transaction(shop_id) as tx:
        # Orders come before uploads everywhere; a settlement completes its order.
        if told.state in (UploadState.RECEIVED, UploadState.SETTLED):
            await _receive(tx, asked)
        now_known = await upload_store.lock_upload(tx, asked.payment_id)
        if now_known is None or now_known.calls != asked.calls:
            return
        now = clock.now()
        is_newer = now_known.wanted > asked.wanted
        if told.state is None:
            await _record_failure(tx, now_known, told, error, is_newer)
            return
        state = UploadState.DUE if is_newer and told.has_it else told.state
        await upload_store.move_upload(
            tx,
            asked.payment_id,
            state,
            now,
            told=asked.wanted if told.has_it else asked.told,
            problem=told.problem,
            problem_text=error.message if error and told.problem else "",
            next_call_at=now if state is UploadState.DUE else _reminder_at(now_known, state),
        )
        if state is UploadState.SETTLED:
            _tell_released(tx, now_known)
        if state is UploadState.TICKET:
            log.error(
                "shipping refused by wechat",
                extra={"alarm": "upload_ticket", "order_id": str(asked.order_id),
                       "wechat_code": told.problem},
            )  # fmt: skip


async def _record_failure(
    tx: Tx, upload: Upload, told: Told, error: WeChatError | None, is_newer: bool
) -> None:
    """Try again later; after two days of it a person must look."""
    tries = 1 if is_newer else upload.tries + 1
    now = clock.now()
    gives_up = tries >= rules.GIVE_UP_AFTER
    await upload_store.move_upload(
        tx,
        upload.payment_id,
        UploadState.TICKET if gives_up else UploadState.DUE,
        now,
        told=upload.told,
        tries=tries,
        is_unclear=upload.is_unclear and not told.is_clear,
        problem=told.problem,
        problem_text=error.message if error else "",
        next_call_at=None if gives_up else now + rules.pause_after(tries),
    )


def _reminder_at(upload: Upload, state: UploadState) -> datetime | None:
    is_due = upload.receipt_at is not None and upload.reminded_at is None
    return clock.now() if state is UploadState.TOLD and is_due else None


async def _stop(shop_id: ShopId, upload: Upload, code: str, text: str) -> None:
    async with transaction(shop_id) as tx:
        await upload_store.move_upload(
            tx,
            upload.payment_id,
            UploadState.TICKET,
            clock.now(),
            told=upload.told,
            problem=code,
            problem_text=text,
        )


async def _remind(shop_id: ShopId, credentials: MiniProgramCredentials, upload: Upload) -> None:
    """Once, and noted before the call: two reminders are worse than none."""
    async with transaction(shop_id) as tx:
        await upload_store.move_reminded(tx, upload.payment_id, clock.now())
    if upload.state is not UploadState.TOLD or upload.receipt_at is None or upload.reminded_at:
        return
    try:
        await mini_program.notify_receipt(shop_id, credentials, upload.number, upload.receipt_at)
    except WeChatError as error:
        log.info("no reminder", extra={"order_id": str(upload.order_id), "code": error.code})


async def _is_managed(shop_id: ShopId, credentials: MiniProgramCredentials) -> bool:
    """Whether WeChat manages the app; asked anew every six hours. Also says, once, which page its
    messages open. Raises WeChatError.
    """
    async with reading(shop_id) as tx:
        known = await upload_store.get_management(tx, credentials.appid)
    now = clock.now()
    if known is not None and known.checked_at > now - _MANAGEMENT_LASTS:
        return known.is_managed
    is_managed = await mini_program.is_trade_managed(shop_id, credentials)
    path = known.message_path if known else None
    if is_managed and path != MESSAGE_PATH:
        await mini_program.set_message_path(shop_id, credentials, MESSAGE_PATH)
        path = MESSAGE_PATH
    async with transaction(shop_id) as write:
        await upload_store.set_management(
            write, credentials.appid, Management(is_managed, path, now)
        )
    return is_managed


# --- what is told -------------------------------------------------------------------------------


async def _describe(tx: ReadTx, upload: Upload) -> ShippingNotice | None:
    """What WeChat is to know of a payment now; None when nothing has left."""
    moment = rules.next_upload_time(clock.now(), upload.uploaded_at)
    if upload.purpose != "order":
        return _plain(upload, Logistics.VIRTUAL, _TOP_UP_DESC, moment)
    order = await ordering.get_order(tx, upload.order_id)
    assert order is not None, "orders are never deleted"
    parcels = await _parcels(tx, order)
    if not parcels:
        if order.status is not OrderStatus.COMPLETED:
            return None
        lines = (await ordering.list_lines(tx, [order.order_id]))[order.order_id]
        text = rules.describe((line.title, line.quantity) for line in lines)
        at_counter = order.delivery in (Delivery.PICKUP, Delivery.SHIP, Delivery.GIFT)
        logistics = Logistics.PICKUP if at_counter else Logistics.VIRTUAL
        return _plain(upload, logistics, text, moment)
    is_all = order.status is not OrderStatus.PAID
    return ShippingNotice(
        transaction_id=upload.number,
        payer=upload.payer,
        logistics=Logistics.EXPRESS,
        is_split=upload.is_split or len(parcels) > 1 or not is_all,
        is_all_delivered=is_all,
        parcels=parcels,
        upload_time=moment,
    )


def _plain(upload: Upload, logistics: Logistics, text: str, moment: datetime) -> ShippingNotice:
    return ShippingNotice(
        transaction_id=upload.number,
        payer=upload.payer,
        logistics=logistics,
        is_split=False,
        is_all_delivered=True,
        parcels=[ShippedParcel(item_desc=text)],
        upload_time=moment,
    )


async def _parcels(tx: ReadTx, order: Order) -> list[ShippedParcel]:
    """The parcels of an order as WeChat is told of them; receivers masked."""
    consignments = await queries.list_of_orders(tx, [order.order_id])
    by_id = {one.consignment_id: one for one in consignments}
    parcels = await queries.list_parcels_of(tx, list(by_id))
    pieces = await queries.list_pieces(tx, [one.parcel_id for one in parcels])
    named = await consigning.name_lines(tx, [order.order_id])
    told = []
    for parcel in parcels:
        own = [
            piece
            for piece in pieces
            if piece.parcel_id == parcel.parcel_id and piece.order_id == order.order_id
        ]
        told.append(
            ShippedParcel(
                tracking_no=parcel.tracking_no,
                express_company=parcel.carrier_code or rules.OTHER,
                item_desc=rules.describe(
                    (named[order.order_id, piece.line_no].title, piece.quantity) for piece in own
                ),
                receiver_contact=consigning.mask_receiver(by_id[own[0].consignment_id])["phone"],
            )
        )
    return told


# --- what WeChat does by itself -----------------------------------------------------------------


async def look_over(shop_id: ShopId, watched: Watched) -> None:
    """See how the money stands that waits for its buyers: a page of a hundred at a time."""
    async with reading(shop_id) as tx:
        credentials = await shops.mini_program_credentials(tx)
    if credentials.appid != watched.app:
        return
    index: str | None = ""
    while index is not None:
        try:
            trades, index = await mini_program.list_trades(
                shop_id,
                credentials,
                paid_from=watched.paid_from,
                paid_to=watched.paid_to + timedelta(seconds=1),
                last_index=index,
            )
        except WeChatError as error:
            log.warning("trades not listed", extra={"shop_id": shop_id, "code": error.code})
            return
        await _apply(shop_id, watched.app, trades)


async def _apply(shop_id: ShopId, app: str, trades: Sequence[ManagedTrade]) -> None:
    states = {one.transaction_id: rules.state_at_wechat(one.order_state) for one in trades}
    async with reading(shop_id) as tx:
        known = await upload_store.list_numbers(tx, app, list(states))
    for upload in known:
        state = states[upload.number]
        is_news = state is not None and state is not upload.state
        if state is not None and is_news and state is not UploadState.TOLD:
            await _move_on(shop_id, upload, state)


async def _move_on(shop_id: ShopId, upload: Upload, state: UploadState) -> None:
    async with transaction(shop_id) as tx:
        if state in (UploadState.RECEIVED, UploadState.SETTLED):
            await _receive(tx, upload)
        moved = await upload_store.move_state(tx, upload.payment_id, state, clock.now())
        if moved and state is UploadState.SETTLED:
            _tell_released(tx, upload)


async def _receive(tx: Tx, upload: Upload) -> None:
    if upload.purpose == "order":
        await ordering.receive_at_wechat(tx, upload.order_id, System())


def _tell_released(tx: Tx, upload: Upload) -> None:
    released = MoneyReleased(
        payment_id=upload.payment_id,
        order_id=upload.order_id,
        released_fen=upload.amount_fen,
    )
    emit(tx, released)
