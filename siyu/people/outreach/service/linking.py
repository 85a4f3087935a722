"""Who a follower or a customer of the staff is: WeChat tells the id that all accounts of an owner
share, and by it the person is found among the members. Nobody becomes a member by following: who
is unknown today is found when they get an account."""

from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.people.members import service as members
from siyu.wechat.official_account import service as official_account
from siyu.wechat.official_account.contracts import OfficialAccountCredentials
from siyu.wechat.transport.contracts import (
    Followed,
    MessageReceived,
    Retry,
    SubscriptionAnswered,
    WeChatError,
)
from siyu.wechat.wecom import service as wecom
from siyu.wechat.wecom.contracts import ContactAdded


async def meet_follower(shop_id: ShopId, account: OfficialAccountCredentials, news: object) -> None:
    """Link the openid of who follows, writes or agrees. Opens its own transactions and asks
    WeChat; raises WeChatError when asking again may help."""
    if not isinstance(news, Followed | MessageReceived | SubscriptionAnswered):
        return
    async with reading(shop_id) as tx:
        known = await members.person_of_app(tx, account.appid, news.openid)
    if known is not None:
        return
    try:
        user = await official_account.get_user(shop_id, account, news.openid)
    except WeChatError as error:
        if error.retry is Retry.NEVER:
            return
        raise
    if user.unionid:
        async with transaction(shop_id) as tx:
            await members.link_app(tx, account.appid, user.openid, user.unionid)


async def meet_contact(shop_id: ShopId, news: object) -> None:
    """Link the external_userid of a new customer. Opens its own transactions and asks WeCom;
    raises WeChatError when asking again may help."""
    if not isinstance(news, ContactAdded):
        return
    async with reading(shop_id) as tx:
        corp = await wecom.get_credentials(tx)
        known = await members.person_of_contact(tx, news.external_userid)
    if corp is None or known is not None:
        return
    try:
        contact = await wecom.get_contact(shop_id, corp, news.external_userid)
    except WeChatError as error:
        if error.retry is Retry.NEVER:
            return
        raise
    if not contact.unionid:
        return
    async with transaction(shop_id) as tx:
        await members.link_contact(tx, news.external_userid, contact.unionid)
