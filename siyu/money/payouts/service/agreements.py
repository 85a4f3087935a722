"""Agreements: a member lets us pay without confirming each time (免确认收款授权)."""

import logging
from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.config import settings
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.payouts import queries, rules
from siyu.money.payouts.contracts import AgreementOpen, AgreementState, Confirmation
from siyu.money.payouts.queries import AgreementRow
from siyu.people.members import service as members
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    AuthorizationState,
    NewAuthorization,
    PayCredentials,
    Retry,
    TransferAuthorization,
    WeChatError,
)

log = logging.getLogger(__name__)

CALL_LASTS = timedelta(seconds=40)
_STATES = {
    AuthorizationState.WAIT_USER_CONFIRM: AgreementState.WAITING,
    AuthorizationState.TAKING_EFFECT: AgreementState.ACTIVE,
    AuthorizationState.CLOSED: AgreementState.CLOSED,
}
_ASK_AFTER = {
    AgreementState.CREATED: timedelta(seconds=30),
    AgreementState.WAITING: timedelta(minutes=1),
    AgreementState.ACTIVE: timedelta(days=1),
}


class AgreementView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a member's agreement stands; confirmation while the phone has to ask them."""

    agreement_id: UUID
    state: AgreementState
    confirmation: Confirmation | None


async def request_agreement(tx: Tx, member_id: UUID) -> UUID:
    """Store an agreement to ask a member for; `follow_agreement` then tells WeChat.

    Raises AgreementOpen, WeChatNotSet, NoPayer.
    """
    wechat = await shops.get_wechat(tx)
    if not wechat.mchid or not wechat.appid:
        raise WeChatNotSet(setting="appid" if wechat.mchid else "mchid")
    payer = await members.get_payer(tx, member_id, wechat.appid)
    agreement_id, now = new_id(), clock.now()
    row = AgreementRow(
        shop_id=tx.shop_id,
        agreement_id=agreement_id,
        member_id=member_id,
        state=AgreementState.CREATED,
        number=agreement_id.hex,
        merchant=wechat.mchid,
        app=wechat.appid,
        account=payer.subject,
        authorization_id=None,
        package=None,
        created_at=now,
        next_at=now,
    )
    if not await queries.insert_agreement(tx, row):
        raise AgreementOpen
    return agreement_id


async def get_agreement_view(tx: ReadTx, member_id: UUID) -> AgreementView | None:
    """The member's agreement, in force or being asked for; None without one."""
    wechat = await shops.get_wechat(tx)
    row = await queries.find_agreement(tx, wechat.mchid or "", member_id)
    if row is None:
        return None
    confirmation = None
    if row.state is AgreementState.WAITING and row.package:
        confirmation = Confirmation(mchId=row.merchant, appId=row.app, package=row.package)
    return AgreementView(agreement_id=row.agreement_id, state=row.state, confirmation=confirmation)


async def follow_agreement(shop_id: ShopId, agreement_id: UUID) -> None:
    """Ask WeChat for an agreement, or how it stands; safe to repeat, outside of transactions."""
    async with reading(shop_id) as tx:
        row = await queries.get_agreement(tx, agreement_id)
        if row is None or row.state is AgreementState.CLOSED:
            return
        credentials = await shops.pay_credentials(tx)
        shop = await shops.get_shop(tx)
    try:
        found = await _ask(credentials, row, shop.name)
    except WeChatError as error:
        log.warning(
            "agreement call failed",
            extra={"agreement_id": str(agreement_id), "wechat_code": error.code},
        )
        if error.retry is not Retry.NEVER:
            return
        found = None
    async with transaction(shop_id) as write:
        if found is None:
            await queries.move_agreement(write, agreement_id, AgreementState.CLOSED)
        else:
            await _record(write, row, found)


async def _ask(
    credentials: PayCredentials, row: AgreementRow, shop_name: str
) -> TransferAuthorization | None:
    if row.state is not AgreementState.CREATED:
        return await pay.query_authorization(credentials, row.number)
    wanted = NewAuthorization(
        appid=row.app,
        out_authorization_no=row.number,
        openid=row.account,
        transfer_scene_id=rules.SCENE,
        user_display_name=shop_name,
        authorization_notify_url=f"{settings().public_url}/callback/wechat/pay/{row.shop_id}",
    )
    return await pay.request_authorization(credentials, wanted)


async def record(tx: Tx, found: TransferAuthorization) -> None:
    """Write down what WeChat tells of an agreement; numbers that are not ours are left alone."""
    row = await queries.get_agreement_of_number(tx, found.out_authorization_no)
    if row is not None:
        await _record(tx, row, found)


async def _record(tx: Tx, row: AgreementRow, found: TransferAuthorization) -> None:
    state = _STATES[found.state]
    after = _ASK_AFTER.get(state)
    await queries.move_agreement(
        tx,
        row.agreement_id,
        state,
        authorization_id=found.authorization_id or None,
        package=found.package_info or row.package if state is AgreementState.WAITING else None,
        next_at=None if after is None else clock.now() + after,
    )
