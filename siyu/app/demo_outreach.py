"""Messages of the demo shop: signed templates, a campaign that is over and what it changed, one in
the middle, one that is a draft, and people who want to be left alone."""

import random
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from siyu.app import demo_history
from siyu.commerce.ordering.service.import_history import import_files
from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import CaseDecided, Step
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.consents import rules as texts
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel as ConsentChannel
from siyu.people.consents.contracts import Purpose
from siyu.people.experiments import service as experiments
from siyu.people.members import service as members
from siyu.people.outreach import service
from siyu.people.outreach.contracts import (
    AttentionPolicy,
    Form,
    MessageAudience,
    MessageCampaignDraft,
    MessageChannel,
    TemplateDraft,
    Topic,
    Variable,
)
from siyu.people.outreach.rules.templates import SMS_END

_AUTHOR = System(actor="demo:author", actor_name="内容 小林")
_EDITOR = System(actor="demo:editor", actor_name="主编 老周")
_LEGAL = System(actor="demo:legal", actor_name="法务 陈律")
_AGREE_OF_TEN = 7
_HELD_OUT_BPS = 2_000
_COME_BACK = 0.15
_DAYS_AGO = timedelta(days=9)
_PAGE = "/pages/home/home"
TEMPLATES = (
    TemplateDraft(
        key="new_tea",
        name="新茶上市",
        topic=Topic.NEWS,
        forms=[
            Form(
                channel=MessageChannel.INBOX,
                title="新茶上市",
                text="{tea}到店了，{note}。",
                page=_PAGE,
            )
        ],
        variables=[
            Variable(name="tea", sample="明前龙井"),
            Variable(name="note", sample="欢迎品鉴"),
        ],
    ),
    TemplateDraft(
        key="member_day",
        name="会员日",
        topic=Topic.OFFERS,
        forms=[
            Form(
                channel=MessageChannel.SMS,
                text="【山房茶咖】{day}会员日，全场{off}折。" + SMS_END,
            ),
            Form(
                channel=MessageChannel.INBOX,
                title="会员日",
                text="{day}会员日，全场{off}折。",
                page=_PAGE,
            ),
        ],
        variables=[Variable(name="day", sample="28 日"), Variable(name="off", sample="9")],
    ),
)


async def load(shop_id: ShopId, subscriptions: Mapping[str, str] | None = None) -> None:
    """Once: what the pages of messages show of a shop that has lived for a while.

    subscriptions: the ids of the mini-program's own templates at WeChat, by their titles.
    """
    async with reading(shop_id) as tx:
        if any(one.key == "new_tea" for one in await service.list_templates(tx)):
            return
    people = await _people(shop_id)
    began = clock.day_start(clock.now().date(), "Asia/Shanghai") - _DAYS_AGO + timedelta(hours=10)
    with clock.turned(began):
        async with transaction(shop_id) as tx:
            await agree(tx, [one for one in people if one % 10 < _AGREE_OF_TEN])
            await service.ensure_brought(tx)
            await _subscribable(tx, subscriptions or {})
            ids = [await signed(tx, draft) for draft in TEMPLATES]
            await experiments.set_holdout(tx, _EDITOR, _HELD_OUT_BPS)
        said = {"tea": "明前龙井", "note": "欢迎到店品鉴"}
        over = await _campaign(shop_id, "明前龙井到店", ids[0], said)
        await service.run_campaign(shop_id, over)
    await _come_back(shop_id, people, began)
    with clock.turned(began + timedelta(hours=5)):
        async with transaction(shop_id) as tx:
            for person in people[::3]:
                await service.take_answer(tx, person, clock.now())
            for person in people[5:8]:
                await service.set_choice(tx, person, Topic.OFFERS, "all", False)
            await service.suppress(tx, _EDITOR, people[-1], "sms", "投诉过短信")
    async with transaction(shop_id) as tx:
        await service.save_settings(tx, _EDITOR, AttentionPolicy(day=2, week=5))
    running = await _campaign(
        shop_id, "会员日预告", ids[1], {"day": "28 日", "off": "9"}, priority=7
    )
    await service.plan_campaign(shop_id, running)
    await service.send_batch(shop_id, running, limit=max(1, len(people) // 3))
    async with transaction(shop_id) as tx:
        await service.pause_campaign(tx, _EDITOR, running, "等门店备货")
        draft = _draft("冬日暖茶", ids[0], {"tea": "熟普", "note": "冬日暖身"}, 4)
        await service.save_campaign(tx, _AUTHOR, draft)


async def _people(shop_id: ShopId) -> list[int]:
    async with reading(shop_id) as tx:
        return await members.list_account_numbers(tx, 0, 400)


async def _come_back(shop_id: ShopId, people: Sequence[int], told_at: datetime) -> None:
    """Of those who were told of the tea some come for it, at the till: what the report then finds
    against the hold-out are these orders among all others."""
    dice = random.Random(9)
    async with reading(shop_id) as tx:
        shop = await shops.get_shop(tx)
        held_out = await experiments.held_out_of(tx, people)
    goods = await demo_history.list_items(shop_id)
    if not goods:
        return
    customers = await demo_history.list_customers(shop_id)
    told = [
        one
        for one in people
        if one % 10 < _AGREE_OF_TEN and one not in held_out and one in customers
    ]
    visits = [
        demo_history.Visit(
            who=customers[one],
            at=told_at + timedelta(hours=dice.uniform(2, 80)),
            channel="h5",
            seen=[],
            bought=[(goods[0], dice.choice((1, 1, 2)))],
        )
        for one in told
        if dice.random() < _COME_BACK
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "told.csv"
        demo_history.write_till(file, visits, ZoneInfo(shop.time_zone), "N")
        await import_files(shop.code, [file])


async def agree(tx: Tx, people: Sequence[int]) -> None:
    """These people agree to offers and news, unless they have said no on the phone meanwhile."""
    version = texts.text_in_force(Purpose.MARKETING).version
    for person in people:
        said = await consents.list_decisions(tx, person)
        if any(one.purpose == Purpose.MARKETING for one in said):
            continue
        await consents.decide(
            tx, person, Purpose.MARKETING, text_version=version, granted=True,
            channel=ConsentChannel.MINI_PROGRAM, language="zh-CN",
        )  # fmt: skip


async def _subscribable(tx: Tx, subscriptions: Mapping[str, str]) -> None:
    """Word of a parcel goes to the phone, too, of whoever asks the shop for it."""
    draft = next(one for one in await service.list_library(tx) if one.key == "order_shipped")
    if draft.name in subscriptions:
        own = next(one for one in await service.list_templates(tx) if one.key == draft.key)
        forms = [
            replace(form, outside_id=subscriptions[draft.name])
            if form.channel is MessageChannel.SUBSCRIPTION
            else form
            for form in draft.forms
            if form.channel in (MessageChannel.SUBSCRIPTION, MessageChannel.INBOX)
        ]
        await signed(tx, replace(draft, forms=forms), own.template_id)


async def signed(tx: Tx, draft: TemplateDraft, template_id: UUID | None = None) -> UUID:
    """A template, or a new version of one, that author, editor and legal have signed."""
    made = await service.save_template(tx, _AUTHOR, draft, template_id)
    case = await service.ask_approval(tx, _AUTHOR, made.template_id)
    for who, step in ((_EDITOR, Step.EDITOR), (_LEGAL, Step.LEGAL)):
        case = await approvals.sign(tx, who, case.case_id, step, True, case.content_hash, "")
    await service.take_decision(tx, CaseDecided(case.case_id, case.kind, case.state))
    return made.template_id


def _draft(
    name: str, template_id: UUID, variables: dict[str, str], priority: int
) -> MessageCampaignDraft:
    return MessageCampaignDraft(
        name=name, template_id=template_id, variables=variables, priority=priority,
        audience=MessageAudience(kind="all"),
    )  # fmt: skip


async def _campaign(
    shop_id: ShopId, name: str, template_id: UUID, variables: dict[str, str], priority: int = 5
) -> UUID:
    async with transaction(shop_id) as tx:
        made = await service.save_campaign(
            tx, _AUTHOR, _draft(name, template_id, variables, priority)
        )
        await service.start_campaign(tx, _EDITOR, made.campaign_id)
    return made.campaign_id
