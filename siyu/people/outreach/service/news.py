"""What WeChat pushes: consents, open windows, deliveries, people who left."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import service as members
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import Block, Topic
from siyu.people.outreach.contracts import MessageChannel as Channel
from siyu.people.outreach.service import people, person_store, send_store
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.transport.contracts import (
    Followed,
    MessageReceived,
    NoticeSent,
    SubscriptionAnswered,
    SubscriptionSent,
    Unfollowed,
)
from siyu.wechat.wecom import service as wecom
from siyu.wechat.wecom.contracts import ContactAdded, ContactNews, MassState


class Subscription(msgspec.Struct, frozen=True):
    """A template of WeChat, and what its messages are called here."""

    outside_id: str
    name: str


WINDOW, WINDOW_QUOTA = timedelta(hours=48), 5
"""After a message of theirs: five answers within two days (mini-program §7, OA §13)."""
GLANCE, GLANCE_QUOTA = timedelta(minutes=1), 3
"""After following: three messages within a minute (OA §13)."""


async def take_news(tx: Tx, app_id: str, outside_id: str, news: object) -> None:
    """Work off one piece of news about an app's people; it may come twice.

    outside_id: of the push, so that a consent counts once. People without an account are none of
    ours: their consents are lost with nobody to use them for.
    """
    if isinstance(news, NoticeSent):
        if news.status == "success":
            await send_store.mark_delivered(tx, news.msgid, news.at)
        elif news.status == "blocked":
            await _block(tx, app_id, news.openid, "blocked notices", clock.now())
        return
    openid = getattr(news, "openid", None)
    person_no = openid and await members.person_of_app(tx, app_id, openid)
    if not person_no:
        if isinstance(news, Unfollowed):
            await members.forget_app(tx, app_id, news.openid)
        return
    match news:
        case SubscriptionAnswered(template_id=template_id, is_accepted=True, at=at):
            await grant(tx, person_no, Channel.SUBSCRIPTION, template_id, outside_id)
        case SubscriptionAnswered(template_id=template_id, by_popup=False):
            # Switched off in WeChat's own settings: nothing that was agreed to counts any more.
            await send_store.end_grants(tx, person_no, Channel.SUBSCRIPTION, template_id)
        case SubscriptionSent(template_id=template_id, msgid=msgid, error_code=0, at=at):
            if not await send_store.mark_delivered(tx, msgid, at):
                await send_store.settle_unknown(
                    tx, person_no, Channel.SUBSCRIPTION, template_id, msgid, at
                )
        case MessageReceived(at=at):
            await grant(tx, person_no, Channel.CARE, app_id, outside_id, WINDOW_QUOTA, WINDOW, at)
            await people.take_answer(tx, person_no, at)
        case Followed(at=at):
            await _unblock(tx, person_no, Channel.NOTICE, at)
            await grant(tx, person_no, Channel.CARE, app_id, outside_id, GLANCE_QUOTA, GLANCE, at)
        case Unfollowed(at=at):
            # News may come out of order: who has come back since is not left alone.
            if not await send_store.has_grant_since(tx, person_no, Channel.CARE, app_id, at):
                await _block(tx, app_id, str(openid), "unfollowed", at)
                await send_store.end_grants(tx, person_no, Channel.CARE, app_id)


async def take_contact_news(tx: Tx, news: ContactNews) -> None:
    """A customer was added at WeCom, or left: nobody can write to who is no contact any more."""
    person_no = await members.person_of_contact(tx, news.external_userid)
    if person_no is None:
        if not isinstance(news, ContactAdded) and news.by_customer:
            await members.forget_contact(tx, news.external_userid)
        return
    if isinstance(news, ContactAdded):
        await _unblock(tx, person_no, Channel.CONTACT, news.at)
    elif news.by_customer:
        block = Block(person_no, people.ALL, Channel.CONTACT, "platform", "left", news.at)
        await person_store.insert_block(tx, block)


async def take_results(shop_id: ShopId, msgid: str) -> int:
    """Ask WeCom what became of a task; how many messages are decided now. Own transactions."""
    async with reading(shop_id) as tx:
        corp = await wecom.get_credentials(tx)
        waiting = await send_store.list_of_task(tx, msgid)
        found = await members.list_contacts(
            tx, [one.person_no for one in waiting], [], ["external_userid"]
        )
    if corp is None:
        return 0
    messages = {one.person_no: one.message_id for one in waiting}
    by_contact = {one.value: messages[one.person_no] for one in found}
    decided: dict[UUID, str | None] = {}
    for task in await wecom.get_mass_tasks(shop_id, corp, msgid):
        for result in await wecom.get_mass_result(shop_id, corp, msgid, task.userid):
            message_id = by_contact.get(result.external_userid)
            if message_id is not None and result.state is not MassState.UNSENT:
                is_sent = result.state is MassState.SENT
                decided[message_id] = None if is_sent else result.state.name.lower()
    async with transaction(shop_id) as tx:
        return await send_store.mark_results(tx, [*decided], [*decided.values()], clock.now())


async def grant(
    tx: Tx,
    person_no: int,
    channel: Channel,
    scope: str,
    outside_id: str,
    quota: int = 1,
    lasts: timedelta | None = None,
    at: datetime | None = None,
) -> bool:
    """Keep what the platform lets us send a person; False: counted before.

    A new window takes the place of the one that is open: its messages do not add up. at: when the
    person did it (None: now), for a window begins then, however late we hear of it.
    """
    now = at or clock.now()
    if channel is Channel.CARE:
        await send_store.end_grants(tx, person_no, channel, scope)
    # One push may carry several answers: each is an event of its own.
    own = hashlib.sha256(f"{outside_id}:{scope}".encode()).hexdigest()
    return await send_store.insert_grant(
        tx,
        grant_id=new_id(),
        person_no=person_no,
        channel=channel,
        scope=scope,
        quota=quota,
        at=now,
        expires_at=now + lasts if lasts else None,
        outside_id=own,
    )


async def take_popup(tx: Tx, person_no: int, templates: Sequence[str]) -> int:
    """What a person said to WeChat's question, told by their own phone; how many count.

    None while WeChat pushes: what it tells itself nobody can make up.
    """
    wanted = sorted(set(templates)) if await mini_program.get_push(tx) is None else []
    for template_id in wanted:
        await grant(tx, person_no, Channel.SUBSCRIPTION, template_id, new_id().hex)
    return len(wanted)


async def list_subscriptions(tx: ReadTx, topic: Topic, limit: int) -> list[Subscription]:
    """The subscription templates in force about a topic: what to ask consent for."""
    return [
        Subscription(form.outside_id, row.name)
        for row in await queries.list_in_force(tx, topic)
        for form in row.forms
        if form.channel is Channel.SUBSCRIPTION
    ][:limit]


async def _block(tx: Tx, app_id: str, openid: str, reason: str, at: datetime) -> None:
    person_no = await members.person_of_app(tx, app_id, openid)
    if person_no is not None:
        block = Block(person_no, people.ALL, Channel.NOTICE, "platform", reason, at)
        await person_store.insert_block(tx, block)


async def _unblock(tx: Tx, person_no: int, channel: Channel, at: datetime) -> None:
    """The person has come back; what they did after that stays as it is."""
    await person_store.delete_block(tx, person_no, people.ALL, channel, ["platform"], at)
