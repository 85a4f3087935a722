"""Outreach in the shop: my messages, what I let the shop send me, leaving."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.auth import MemberIdentity, ShopIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, SHOP, Page, decode_cursor, get, post
from siyu.kernel.ids import ShopId
from siyu.people.outreach import service
from siyu.people.outreach.contracts import InboxItem, LinkInvalid, Topic
from siyu.people.outreach.contracts import MessageChannel as Channel

Moment = Literal["order_placed", "gift_sent", "after_sale_opened"]
_TOPIC_AT: dict[str, Topic] = {
    "order_placed": Topic.ORDER,
    "gift_sent": Topic.GIFT,
    "after_sale_opened": Topic.AFTER_SALE,
}
POPUP_MOST = 3
"""WeChat asks for at most three templates at a time (mini-program §3)."""


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class ReadBody(_Body, frozen=True, kw_only=True):
    """Which messages were opened; null: all are marked as read."""

    message_ids: Annotated[list[UUID], Meta(max_length=100)] | None = None


class ChoiceBody(_Body, frozen=True, kw_only=True):
    """What is switched: a topic on all channels, or a channel for all topics; neither: all."""

    topic: Topic | None = None
    channel: Channel | None = None
    is_allowed: bool


class AnswerOne(_Body, frozen=True, kw_only=True):
    """What was said to WeChat's question about one template."""

    template_id: Annotated[str, Meta(min_length=1, max_length=64)]
    answer: Literal["accept", "reject", "ban", "filter"]


class AnswersBody(_Body, frozen=True, kw_only=True):
    """What was said to WeChat's question."""

    answers: Annotated[list[AnswerOne], Meta(min_length=1, max_length=POPUP_MOST)]


class TokenBody(_Body, frozen=True, kw_only=True):
    """What stands in the link."""

    token: Annotated[str, Meta(min_length=20, max_length=600)]


class Unread(msgspec.Struct, frozen=True):
    """Messages not opened yet; 100 stands for more."""

    unread: int


class Choices(msgspec.Struct, frozen=True):
    """What the shop may send, by topic and by channel."""

    items: list[service.MessageChoice]


class AskFor(msgspec.Struct, frozen=True):
    """A template of WeChat to ask consent for, and what it is about."""

    template_id: str
    title: str


class AskForList(msgspec.Struct, frozen=True):
    """What to ask for at a moment, at most three."""

    items: list[AskFor]


class Counted(msgspec.Struct, frozen=True):
    """How many of the answers let the shop send a message; 0: WeChat itself tells."""

    counted: int


@get("/messages", access=MEMBER)
async def list_my_messages(
    member: MemberIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=50)] = 20,
) -> Page[InboxItem]:
    """My messages, the newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(member.shop_id) as tx:
        rows = await service.list_inbox(
            tx, member.person_no, after[0] if after else None, limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.message_id])


@get("/messages/unread", access=MEMBER)
async def count_my_unread(member: MemberIdentity) -> Unread:
    """How many of my messages I have not opened."""
    async with reading(member.shop_id) as tx:
        return Unread(await service.count_unread(tx, member.person_no))


@post("/messages/read", access=MEMBER, status_code=200)
async def read_my_messages(data: ReadBody, member: MemberIdentity) -> Unread:
    """Mark messages as read."""
    async with transaction(member.shop_id) as tx:
        await service.read_messages(tx, member.person_no, data.message_ids)
        return Unread(await service.count_unread(tx, member.person_no))


@get("/messages/choices", access=MEMBER)
async def list_my_choices(member: MemberIdentity) -> Choices:
    """What I let the shop send me."""
    async with reading(member.shop_id) as tx:
        return Choices(await service.list_choices(tx, member.person_no))


@post("/messages/choices", access=MEMBER, status_code=200)
async def set_my_choice(data: ChoiceBody, member: MemberIdentity) -> Choices:
    """Switch a topic or a channel; in force at once."""
    async with transaction(member.shop_id) as tx:
        await service.set_choice(
            tx, member.person_no, data.topic or "all", data.channel or "all", data.is_allowed
        )
        return Choices(await service.list_choices(tx, member.person_no))


@post("/messages/unsubscribe", access=MEMBER, status_code=200)
async def unsubscribe_me(member: MemberIdentity) -> Choices:
    """No more advertising; the consent to it is withdrawn."""
    async with transaction(member.shop_id) as tx:
        await service.unsubscribe(tx, member.person_no, service.advertising(), Channel.INBOX)
        return Choices(await service.list_choices(tx, member.person_no))


@post("/messages/unsubscribe/link", access=SHOP, status_code=204)
async def unsubscribe_by_link(data: TokenBody, shop: ShopIdentity) -> None:
    """No more advertising, from a link, without log-in; twice is fine. 422 for a foreign link."""
    shop_id, person_no = service.person_of_token(data.token)
    if shop_id != shop.shop_id:
        raise LinkInvalid
    async with transaction(ShopId(shop_id)) as tx:
        await service.unsubscribe(tx, person_no, service.advertising(), "link")


@get("/messages/templates", access=SHOP)
async def list_subscriptions_to_ask(shop: ShopIdentity, moment: Moment) -> AskForList:
    """Which of WeChat's templates to ask consent for at a moment; to be loaded before the tap."""
    async with reading(shop.shop_id) as tx:
        templates = await service.list_subscriptions(tx, _TOPIC_AT[moment], POPUP_MOST)
    return AskForList([AskFor(one.outside_id, one.name) for one in templates])


@post("/messages/subscriptions", access=MEMBER, status_code=200)
async def tell_subscriptions(data: AnswersBody, member: MemberIdentity) -> Counted:
    """What I said to WeChat's question. Counts where WeChat itself does not tell the shop."""
    async with transaction(member.shop_id) as tx:
        accepted = [one.template_id for one in data.answers if one.answer == "accept"]
        return Counted(await service.take_popup(tx, member.person_no, accepted))


routes = [
    list_my_messages, count_my_unread, read_my_messages, list_my_choices, set_my_choice,
    unsubscribe_me, unsubscribe_by_link, list_subscriptions_to_ask, tell_subscriptions,
]  # fmt: skip
