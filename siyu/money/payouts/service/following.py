"""Payouts at WeChat: the call under the stored number, and what its answers make true.

A new number exists only for a new payout, which the member asks for after this one has failed;
whatever goes wrong on the way, this one is asked about, or asked for again, under its own (F039).
"""

import logging
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, HoldId, Leg
from siyu.money.payouts import queries, rules
from siyu.money.payouts.contracts import PayoutState
from siyu.money.payouts.queries import PayoutRow
from siyu.money.payouts.service import agreements
from siyu.money.payouts.service.requesting import end, lock, moved
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    NewTransfer,
    NotEnough,
    PayCredentials,
    ReportInfo,
    Retry,
    Transfer,
    TransferState,
    WeChatError,
)

log = logging.getLogger(__name__)

FINISHED = "MCHTRANSFER.BILL.FINISHED"
AUTHORIZATION = "MCHTRANSFER.AUTHORIZATION."


async def follow_up(shop_id: ShopId, payout_id: UUID) -> PayoutState:
    """Do what is due for a payout at WeChat: ask for it, ask about it, or take it back; its state
    afterwards. Opens its own transactions and may run twice."""
    async with transaction(shop_id) as tx:
        row = await lock(tx, payout_id)
        if row.state not in rules.AT_WECHAT:
            return row.state
        credentials = await shops.pay_credentials(tx)
        # Whoever looks meanwhile sees that a call may be on its way.
        until = clock.now() + agreements.CALL_LASTS
        row = msgspec.structs.replace(row, calls=row.calls + 1, next_at=until)
        await queries.update_payout(tx, row)
    try:
        if credentials.mchid != row.merchant:
            raise WeChatError(0, "OTHER_MERCHANT", "asked for by another", retry=Retry.UNKNOWN)
        transfer = await _ask(credentials, row)
    except WeChatError as error:
        return await _record_failure(shop_id, row, error)
    async with transaction(shop_id) as tx:
        if transfer is None:
            return await _record_unknown(tx, payout_id)
        return await record(tx, payout_id, transfer)


async def _ask(credentials: PayCredentials, row: PayoutRow) -> Transfer | None:
    """What WeChat knows of the payout afterwards; None: nothing. Raises WeChatError."""
    # Only the answer to a creation holds what the phone needs; repeating it is harmless.
    is_unheard = row.state is PayoutState.WAITING and row.package is None
    if row.state is PayoutState.CREATED or is_unheard:
        try:
            return await pay.create_transfer(credentials, _new_transfer(row))
        except WeChatError as error:
            if error.retry is not Retry.NEVER:
                raise
            # "Refused" may be said of a number that was accepted before: only the query tells.
            known = await pay.query_transfer(credentials, row.number)
            if known is None:
                raise
            return known
    known = await pay.query_transfer(credentials, row.number)
    is_open = known is not None and known.state in (
        TransferState.ACCEPTED,
        TransferState.PROCESSING,
        TransferState.WAIT_USER_CONFIRM,
    )
    if row.state is PayoutState.CANCELLING and is_open:
        try:
            return await pay.cancel_transfer(credentials, row.number)
        except WeChatError as error:
            if error.retry is not Retry.NEVER:
                raise
            return await pay.query_transfer(credentials, row.number)
    return known


def _new_transfer(row: PayoutRow) -> NewTransfer:
    has_name = row.name_sealed is not None and row.net_fen >= rules.NAME_NOT_BELOW_FEN
    return NewTransfer(
        appid=row.app,
        out_bill_no=row.number,
        transfer_scene_id=rules.SCENE,
        openid=row.account,
        transfer_amount=row.net_fen,
        transfer_remark=row.remark,
        transfer_scene_report_infos=[
            ReportInfo(info_type=rules.ROLE_REPORT, info_content=row.role),
            ReportInfo(info_type=rules.REWARD_REPORT, info_content=row.reward),
        ],
        user_name=vault().open(row.name_sealed) if has_name and row.name_sealed else "",
        notify_url=row.notify_url,
        authorization_id=row.authorization_id or "",
    )


async def record(tx: Tx, payout_id: UUID, transfer: Transfer) -> PayoutState:
    """Write down what WeChat says of a payout; any number of reports have the effect of one."""
    row = await lock(tx, payout_id)
    if row.state not in rules.AT_WECHAT:
        return row.state
    if not rules.fits(transfer, row.net_fen, row.account):
        log.error(
            "payout mismatch", extra={"alarm": "payout_mismatch", "payout_id": str(payout_id)}
        )
        return await _later(tx, row, problem="MISMATCH")
    if not row.is_taken:
        row = await _take(tx, row, transfer)
    if transfer.package_info:
        before = (transfer.create_time or clock.now()) + rules.CONFIRM_FOR
        row = msgspec.structs.replace(row, package=transfer.package_info, confirm_before=before)
    state = rules.STATES[transfer.state]
    if state in (PayoutState.PAID, PayoutState.FAILED, PayoutState.CANCELLED):
        return await _finish(tx, row, state, transfer)
    # What we asked WeChat to take back stays so until it says how that went.
    if state in rules.MOVES[row.state]:
        row = moved(row, state)
        await queries.insert_timeline(tx, payout_id, state, {})
    return await _later(tx, row, problem=None)


async def _take(tx: Tx, row: PayoutRow, transfer: Transfer) -> PayoutRow:
    """WeChat has taken the money from our balance: what was held is spent."""
    legs = [
        Leg(Book.COMMISSION, row.amount_fen, row.member_id),
        Leg(Book.PAYOUT_DUE, -row.net_fen),
        Leg(Book.TAX_DUE, -row.tax_fen),
    ]
    entry = Entry(f"payout:{row.payout_id}", "payout", legs, ref=row.payout_id)
    await ledger.settle_hold(tx, HoldId(row.hold_id), entry)
    await queries.insert_timeline(
        tx, row.payout_id, "accepted", {"provider_number": transfer.transfer_bill_no}
    )
    if row.state is PayoutState.CREATED:
        row = moved(row, PayoutState.ACCEPTED)
    return msgspec.structs.replace(
        row,
        is_taken=True,
        provider_number=transfer.transfer_bill_no,
    )


async def _finish(tx: Tx, row: PayoutRow, state: PayoutState, transfer: Transfer) -> PayoutState:
    """The end, as WeChat tells it: paid, or the money is back."""
    if state is PayoutState.PAID:
        kind, legs = "payout_paid", [Leg(Book.PAYOUT_DUE, row.net_fen),
                                     Leg(Book.WECHAT, -row.net_fen)]  # fmt: skip
    else:
        kind, legs = (
            "payout_failed",
            [
                Leg(Book.PAYOUT_DUE, row.net_fen),
                Leg(Book.TAX_DUE, row.tax_fen),
                Leg(Book.COMMISSION, -row.amount_fen, row.member_id),
            ],
        )
    entry = Entry(f"{kind}:{row.payout_id}", kind, legs, ref=row.payout_id)
    await ledger.post(tx, entry)
    reason = transfer.fail_reason[:100] or None
    await end(tx, row, state, reason)
    await queries.insert_timeline(tx, row.payout_id, state, {"reason": reason or ""})
    return state


async def _record_failure(shop_id: ShopId, row: PayoutRow, error: WeChatError) -> PayoutState:
    """The call brought nothing: a refusal for good ends the payout, anything else waits."""
    log.warning(
        "payout call failed",
        extra={"payout_id": str(row.payout_id), "wechat_code": error.code},
    )
    async with transaction(shop_id) as tx:
        fresh = await lock(tx, row.payout_id)
        if fresh.state not in rules.AT_WECHAT:
            return fresh.state
        is_final = error.retry is Retry.NEVER and not isinstance(error, NotEnough)
        # Only of a payout WeChat has just said it does not know may that be believed.
        if is_final and fresh.state is PayoutState.CREATED and row.state is PayoutState.CREATED:
            await ledger.void_hold(tx, HoldId(fresh.hold_id))
            await end(tx, fresh, PayoutState.FAILED, error.code[:100])
            detail = {"code": error.code, "message": error.message}
            await queries.insert_timeline(tx, row.payout_id, "refused", detail)
            return PayoutState.FAILED
        if isinstance(error, NotEnough):
            log.error("payouts wait for money", extra={"alarm": "payout_not_enough"})
        return await _later(tx, fresh, problem=f"{error.code}: {error.message}"[:300])


async def _record_unknown(tx: Tx, payout_id: UUID) -> PayoutState:
    """WeChat never heard of it. One that was to be taken back before it got there is over: no call
    can be on its way any more, for each is waited for."""
    row = await lock(tx, payout_id)
    if row.state is PayoutState.CANCELLING and not row.is_taken:
        await ledger.void_hold(tx, HoldId(row.hold_id))
        await end(tx, row, PayoutState.CANCELLED, None)
        await queries.insert_timeline(tx, payout_id, PayoutState.CANCELLED, {})
        return PayoutState.CANCELLED
    return await _later(tx, row, problem="FORGOTTEN") if row.next_at else row.state


async def _later(tx: Tx, row: PayoutRow, *, problem: str | None) -> PayoutState:
    next_at = rules.ask_again_at(row.state, row.calls, clock.now())
    row = msgspec.structs.replace(row, problem=problem, next_at=next_at)
    await queries.update_payout(tx, row)
    return row.state


async def record_notification(shop_id: ShopId, raw: bytes) -> None:
    """Apply a stored notification; it was verified when it came in. Safe to repeat.

    A number nobody here gave out is left alone. Raises SealBroken and NotificationMalformed.
    """
    async with reading(shop_id) as read:
        credentials = await shops.pay_credentials(read)
    notification = pay.open_notification(credentials, raw)
    async with transaction(shop_id) as tx:
        if notification.event_type == FINISHED:
            transfer = pay.read_transfer(notification)
            payout_id = await queries.get_id_of_number(tx, transfer.out_bill_no)
            if payout_id is None:
                log.error("payout unknown", extra={"alarm": "payout_unknown"})
                return
            await record(tx, payout_id, transfer)
        elif notification.event_type.startswith(AUTHORIZATION):
            await agreements.record(tx, pay.read_authorization(notification))
