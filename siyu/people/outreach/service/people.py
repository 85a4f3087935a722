"""One person: their inbox, their choices, what they answered; what staff see and set."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import Unauthorized
from siyu.kernel.events import emit
from siyu.kernel.i18n import Language
from siyu.merchant.shops import service as shops
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel as ConsentChannel
from siyu.people.consents.contracts import Purpose
from siyu.people.members import service as members
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    OWED,
    Attention,
    Block,
    InboxItem,
    LinkInvalid,
    MessageAnswered,
    PersonNotReachable,
    Topic,
    Unsubscribed,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.rules import templates
from siyu.people.outreach.service import person_store, send_store
from siyu.people.outreach.service.settings import DAY_SECONDS, get_settings

ENTRIES_SHOWN = 100
LINK_LASTS = timedelta(days=180)
ANSWERS_COUNT = timedelta(days=7)
"""What a person says or does within this time answers the messages before it."""
ALL = "all"
STOP_WORDS = frozenset({"R", "T", "TD", "N", "退订", "拒收", "STOP"})
"""What people send back to refuse advertising by SMS; the first is what our messages name."""


# --- inbox ----------------------------------------------------------------------------------------


async def list_inbox(
    tx: ReadTx, person_no: int, before: UUID | None, limit: int
) -> list[InboxItem]:
    """A person's messages, the newest first, in the words they were sent with."""
    zone = await shops.get_time_zone(tx)
    items = []
    for row in await person_store.list_inbox(tx, person_no, before, limit):
        form = next(form for form in row.forms if form.channel is Channel.INBOX)
        said = templates.render(form, row.variables, row.own or row.shared or {}, zone)
        items.append(
            InboxItem(
                row.message_id, row.topic, said.title, said.text, said.page, row.sent_at,
                row.is_read,
            )
        )  # fmt: skip
    return items


async def count_unread(tx: ReadTx, person_no: int) -> int:
    """Unread messages; 100 stands for more."""
    return await person_store.count_unread(tx, person_no)


async def read_messages(tx: Tx, person_no: int, messages: Sequence[UUID] | None) -> int:
    """Mark messages of the inbox as read (None: all), which answers them; how many were unread."""
    now = clock.now()
    read = await person_store.mark_read(tx, person_no, messages, now)
    if messages:
        await _answered(tx, person_no, messages, now)
    return read


async def take_answer(tx: Tx, person_no: int, at: datetime) -> None:
    """The person wrote or came back: what they were sent in the last days is answered."""
    await _answered(tx, person_no, None, at)


async def _answered(tx: Tx, person_no: int, messages: Sequence[UUID] | None, at: datetime) -> None:
    since = at - (LINK_LASTS if messages else ANSWERS_COUNT)
    for one in await send_store.mark_answered(tx, person_no, messages, since, at):
        template = await queries.get_template(tx, one.template_id)
        assert template is not None
        emit(
            tx,
            MessageAnswered(
                person_no=one.person_no,
                channel=one.channel,
                topic=one.topic,
                template=template.key,
                campaign_id=one.campaign_id,
            ),
        )


# --- choices --------------------------------------------------------------------------------------


class MessageChoice(msgspec.Struct, frozen=True):
    """What reaches a person. topic, channel: "all" or one; is_allowed: whether it is sent at all.

    held_by: what the person cannot switch on here: the consent to marketing is missing (`consent`),
    or the shop or a platform has stopped it (`shop`); null: it is their own choice.
    """

    topic: str
    channel: str
    is_allowed: bool
    held_by: Literal["consent", "shop"] | None = None


async def list_choices(tx: ReadTx, person_no: int) -> list[MessageChoice]:
    """For each topic and each channel whether it reaches the person, and what else must be done."""
    blocks = {(one.topic, one.channel): one.origin for one in await list_blocks(tx, person_no)}
    agrees = await consents.allows(tx, person_no, Purpose.MARKETING)
    pairs = [(topic.value, ALL) for topic in Topic] + [(ALL, channel.value) for channel in Channel]
    found = []
    for topic, channel in pairs:
        origins = {blocks[key] for key in ((ALL, ALL), (topic, channel)) if key in blocks}
        held: Literal["consent", "shop"] | None = "shop" if origins - {"person"} else None
        if held is None and topic in advertising() and not agrees:
            held = "consent"
        found.append(MessageChoice(topic, channel, not origins and held is None, held))
    return found


async def set_choice(tx: Tx, person_no: int, topic: str, channel: str, is_allowed: bool) -> None:
    """Keep what a person chose; in force with the next message, at once.

    What staff or a platform blocked a person cannot lift.
    """
    if is_allowed:
        await person_store.delete_block(tx, person_no, topic, channel, ["person"])
        return
    block = Block(person_no, topic, channel, "person", "settings", clock.now())
    if await person_store.insert_block(tx, block):
        emit(tx, Unsubscribed(person_no=person_no, topic=topic, channel=channel))


async def unsubscribe(
    tx: Tx, person_no: int, topics: Collection[str], via: str, language: Language = "zh-CN"
) -> None:
    """No more advertising: the topics are blocked and the consent to marketing is withdrawn.

    via: a channel or `link`. Saying it twice changes nothing.
    """
    for topic in sorted(topics):
        block = Block(person_no, topic, ALL, "person", via, clock.now())
        if await person_store.insert_block(tx, block):
            emit(tx, Unsubscribed(person_no=person_no, topic=topic, channel=via))
    [marketing] = [
        one
        for one in await consents.list_consents(tx, person_no, language)
        if one.purpose is Purpose.MARKETING
    ]
    if marketing.granted:
        await consents.decide(
            tx,
            person_no,
            Purpose.MARKETING,
            text_version=marketing.text_version,
            granted=False,
            channel=ConsentChannel.H5,
            language=language,
        )


def advertising() -> list[str]:
    """The topics somebody who unsubscribes means."""
    return sorted(set(Topic) - OWED)


def unsubscribe_token(shop_id: int, person_no: int) -> str:
    """What stands in a link to unsubscribe: good for half a year, without log-in."""
    claims: dict[str, object] = {"use": "unsubscribe", "shop": shop_id, "person": person_no}
    return vault().sign_token(claims, int(LINK_LASTS.total_seconds()))


def person_of_token(token: str) -> tuple[int, int]:
    """Shop and person of a link. Raises LinkInvalid."""
    try:
        claims = vault().verify_token(token)
    except Unauthorized:
        raise LinkInvalid from None
    shop_id, person_no = claims.get("shop"), claims.get("person")
    if claims.get("use") != "unsubscribe" or not isinstance(shop_id, int):
        raise LinkInvalid
    if not isinstance(person_no, int):
        raise LinkInvalid
    return shop_id, person_no


async def take_sms(tx: Tx, phone: str, text: str) -> bool:
    """A text message that came back from a phone; whether it was a wish to be left alone."""
    person_no = await members.person_of_phone(tx, phone)
    if person_no is None:
        return False
    if text.strip().upper() in STOP_WORDS:
        await unsubscribe(tx, person_no, advertising(), Channel.SMS)
        await person_store.insert_block(
            tx, Block(person_no, ALL, Channel.SMS, "person", "stop word", clock.now())
        )
        return True
    await take_answer(tx, person_no, clock.now())
    return False


# --- staff ----------------------------------------------------------------------------------------


async def list_blocks(tx: ReadTx, person_no: int) -> list[Block]:
    """Where a person is left alone."""
    return await person_store.list_blocks(tx, person_no, None, ENTRIES_SHOWN)


async def list_all_blocks(tx: ReadTx, before: datetime | None, limit: int) -> list[Block]:
    """The suppression list, the newest first."""
    return await person_store.list_blocks(tx, None, before, limit)


async def suppress(tx: Tx, actor: Actor, person_no: int, channel: str, reason: str) -> None:
    """Leave a person alone on a channel or on all. Raises PersonNotReachable."""
    number = await members.number_of(tx, person_no)
    if number is None:
        raise PersonNotReachable
    await person_store.insert_block(tx, Block(number, ALL, channel, "staff", reason, clock.now()))
    audit(tx, actor, "outreach.suppressed", ("person", str(number)),
          after={"channel": channel, "reason": reason})  # fmt: skip


async def lift(tx: Tx, actor: Actor, person_no: int, channel: str, reason: str) -> bool:
    """Take back what staff or a platform blocked; what the person chose stays theirs.

    Raises PersonNotReachable.
    """
    if await members.number_of(tx, person_no) is None:
        raise PersonNotReachable
    gone = await person_store.delete_block(tx, person_no, ALL, channel, ["staff", "platform"])
    if gone:
        audit(tx, actor, "outreach.lifted", ("person", str(person_no)),
              after={"channel": channel, "reason": reason})  # fmt: skip
    return bool(gone)


async def get_attention(tx: ReadTx, person_no: int) -> Attention:
    """How much of a person's attention is taken, by which messages, and what was refused.

    Raises PersonNotReachable.
    """
    if await members.number_of(tx, person_no) is None:
        raise PersonNotReachable
    policy = (await get_settings(tx)).policy
    now = clock.now()
    today = clock.business_day(now, await shops.get_time_zone(tx))
    load = await person_store.get_load(
        tx, person_no, today, now, float(policy.half_life_days * DAY_SECONDS)
    )
    return Attention(
        load.today,
        load.week,
        policy,
        load.tired,
        {
            row.channel.value: row.free
            for row in await person_store.count_grants(tx, person_no, now)
        },
        await person_store.list_ledger(tx, person_no, ENTRIES_SHOWN),
        await person_store.list_refusals(tx, person_no, ENTRIES_SHOWN),
        await list_blocks(tx, person_no),
    )
