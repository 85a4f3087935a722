"""WeChat's channels: the clients of `wechat/*`, their errors as answers."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.outreach.contracts import (
    Answer,
    Parcel,
    Refused,
    Sent,
    Unclear,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    RefusalReason as Reason,
)
from siyu.people.outreach.rules import reasons
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.mini_program.contracts import MiniProgramCredentials
from siyu.wechat.official_account import service as official_account
from siyu.wechat.official_account.contracts import OfficialAccountCredentials
from siyu.wechat.transport.contracts import AppPage, Retry, WeChatError
from siyu.wechat.wecom import service as wecom

MASS_MOST = 10_000
"""People of one WeCom task (wecom §7)."""

Sender = Callable[[Parcel], Awaitable[Answer]]
_OFF = Refused("not_set", Reason.CHANNEL_OFF)


def _answer_of(error: WeChatError) -> Answer:
    if error.retry is Retry.UNKNOWN:
        return Unclear(error.code)
    return reasons.answer_of(error.code, may_repeat=error.retry is Retry.RETRY)


async def sender_of(shop_id: ShopId, channel: Channel) -> Sender:
    """The one who sends single messages on a channel of the shop, with its keys."""
    async with reading(shop_id) as tx:
        app = await shops.mini_program_credentials(tx)
        account = await official_account.get_credentials(tx)
    if channel is Channel.SUBSCRIPTION:
        return partial(_subscription, shop_id, app)
    if channel is Channel.NOTICE:
        return partial(_notice, shop_id, app, account)
    assert channel is Channel.CARE
    return partial(_care, shop_id, app, account)


async def _subscription(shop_id: ShopId, app: MiniProgramCredentials, parcel: Parcel) -> Answer:
    said = parcel.rendered
    try:
        return Sent(
            await mini_program.send_subscription(
                shop_id,
                app,
                openid=parcel.address,
                template_id=said.outside_id,
                data=said.fields,
                page=said.page.lstrip("/"),
            )
        )
    except WeChatError as error:
        return _answer_of(error)


async def _notice(
    shop_id: ShopId,
    app: MiniProgramCredentials,
    account: OfficialAccountCredentials | None,
    parcel: Parcel,
) -> Answer:
    if account is None:
        return _OFF
    said = parcel.rendered
    page = AppPage(appid=app.appid, page=said.page.lstrip("/")) if said.page else None
    try:
        return Sent(
            await official_account.send_notice(
                shop_id,
                account,
                openid=parcel.address,
                template_id=said.outside_id,
                data=said.fields,
                own_no=parcel.number.hex,
                app_page=page,
            )
        )
    except WeChatError as error:
        return _answer_of(error)


async def _care(
    shop_id: ShopId,
    app: MiniProgramCredentials,
    account: OfficialAccountCredentials | None,
    parcel: Parcel,
) -> Answer:
    # Through the app they wrote to: its id stands before the person's.
    app_id, _, openid = parcel.address.partition(":")
    try:
        if app_id == app.appid:
            await mini_program.send_care(shop_id, app, openid=openid, text=parcel.rendered.text)
        elif account is not None:
            await official_account.send_care(
                shop_id, account, openid=openid, text=parcel.rendered.text
            )
        else:
            return _OFF
    except WeChatError as error:
        return _answer_of(error)
    return Sent()


async def send_mass(shop_id: ShopId, parcels: Sequence[Parcel]) -> list[Answer]:
    """Ask staff to send: one WeCom task for all who are told the same words."""
    async with reading(shop_id) as tx:
        corp = await wecom.get_credentials(tx)
    if corp is None:
        return [_OFF for _ in parcels]
    answers: dict[int, Answer] = {}
    by_words: dict[str, list[int]] = {}
    for place, parcel in enumerate(parcels):
        by_words.setdefault(parcel.rendered.text, []).append(place)
    for text, places in by_words.items():
        for start in range(0, len(places), MASS_MOST):
            chunk = places[start : start + MASS_MOST]
            try:
                task = await wecom.send_mass(
                    shop_id,
                    corp,
                    external_userids=[parcels[place].address for place in chunk],
                    text=text,
                )
            except WeChatError as error:
                answers.update(dict.fromkeys(chunk, _answer_of(error)))
                continue
            failed = set(task.fail_list)
            for place in chunk:
                is_out = parcels[place].address in failed
                answers[place] = (
                    reasons.answer_of("84061", may_repeat=False) if is_out else Sent(task.msgid)
                )
    return [answers[place] for place in range(len(parcels))]
