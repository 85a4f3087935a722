"""What a customer is asked to agree to, and what they said."""

from typing import Annotated, Any

import msgspec
from litestar import Request

from siyu.kernel.auth import MemberIdentity, ShopIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, SHOP, get, post
from siyu.kernel.i18n import Language, language_of
from siyu.people.consents import service
from siyu.people.consents.contracts import Channel, Consent, Origin, Purpose


class DecisionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the person said to which words."""

    purpose: Purpose
    text_version: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    granted: bool


class ConsentList(msgspec.Struct, frozen=True):
    """One entry per purpose."""

    items: list[Consent]


def _channel(request: Request[Any, Any, Any]) -> Channel:
    """Where the person was asked: inside WeChat the client sets a referer that no page can change.

    Source: 小程序 wx.request, "referer 不可设置，固定为 https://servicewechat.com/{appid}/…".
    """
    inside = request.headers.get("referer", "").startswith("https://servicewechat.com/")
    return Channel.MINI_PROGRAM if inside else Channel.H5


def _language(request: Request[Any, Any, Any]) -> Language:
    return language_of(request.headers.get("accept-language"))


@get("/consents", access=SHOP)
async def list_consents(
    request: Request[Any, Any, Any], shop: ShopIdentity, member: MemberIdentity | None
) -> ConsentList:
    """The words in force; with a member token also what the member said."""
    if member is None:
        return ConsentList(await service.list_texts(shop.shop_id, _language(request)))
    async with reading(member.shop_id) as tx:
        return ConsentList(await service.list_consents(tx, member.person_no, _language(request)))


@post("/consents", access=MEMBER)
async def decide_consent(
    data: DecisionBody, member: MemberIdentity, request: Request[Any, Any, Any]
) -> ConsentList:
    """Agree to a purpose, refuse, or withdraw."""
    language = _language(request)
    async with transaction(member.shop_id) as tx:
        await service.decide(
            tx,
            member.person_no,
            data.purpose,
            text_version=data.text_version,
            granted=data.granted,
            channel=_channel(request),
            language=language,
            origin=Origin(
                request.client.host if request.client else None, request.headers.get("user-agent")
            ),
        )
        return ConsentList(await service.list_consents(tx, member.person_no, language))


routes = [list_consents, decide_consent]
