"""A million people planned for one campaign, and messages sent against the local WeChat."""

import asyncio
import socket
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from siyu.app import processes
from siyu.app.bench_ground import Effort, Figures, Ground, ground
from siyu.app.demo_outreach import agree, signed
from siyu.kernel import clock, config
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.people.consents import rules as texts
from siyu.people.consents.contracts import Purpose
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform
from siyu.people.outreach import service
from siyu.people.outreach.contracts import (
    AttentionPolicy,
    Form,
    MessageAudience,
    MessageCampaignDraft,
    MessageChannel,
    TemplateDraft,
    Topic,
)
from siyu.sandbox.client import SandboxClient
from siyu.wechat.mini_program import service as mini_program

PEOPLE, PLAN_SECONDS = 1_000_000, 60
RECEIVERS, ROUNDS = 400, 8
SENDS_A_SECOND = 500
_TEMPLATE, _APP = "bench-template", "wxbenchoutreach1"
_FILL = 100_000
_SAID = {
    "amount": "¥12.00",
    "character_string": "A1",
    "date": "2026-11-23",
    "number": "1",
    "phrase": "已发货",
    "time": "2026-11-23 10:00",
}


class OutreachFigures(Figures, frozen=True):
    """rate: people planned a second, of whom seven in ten agreed and a fifth hold a consent to a
    subscription message; limit: what a million in sixty seconds need.

    sends_per_second: subscription messages taken by the sandbox, from the claim to the record.
    """

    people: int
    plan_seconds: float
    planned: int
    refused: int
    sends: int
    sends_per_second: float
    sends_limit: int


async def outreach(effort: Effort) -> OutreachFigures:
    """Plan and send; see `OutreachFigures`."""
    people = effort.of(PEOPLE)
    async with ground(connections=8) as place:
        for start in range(0, people, _FILL):
            async with transaction(place.shop_id) as tx:
                await _fill(tx, start + 1, min(start + _FILL, people))
        async with transaction(place.shop_id) as tx:
            await shops.set_wechat(tx, System(), _app(_APP))
        owner = await asyncpg.connect(place.cluster.owner_url(place.database))
        await owner.execute("vacuum analyze")  # what the server does by itself within minutes
        await owner.close()
        campaign_id = await _campaign(place.shop_id, "plan", _TEMPLATE)
        began = clock.monotonic()
        assert await service.plan_campaign(place.shop_id, campaign_id) == people
        seconds = clock.monotonic() - began
        async with transaction(place.shop_id) as tx:
            counts = await service.count_messages(tx, campaign_id)
        planned = sum(one.messages for one in counts if one.reason is None)
        sends, rate = await _send(place, max(20, effort.of(RECEIVERS)))
    return OutreachFigures.of(
        people / seconds,
        PEOPLE / PLAN_SECONDS,
        "people planned per second with those of a million in a minute",
        people=people,
        plan_seconds=round(seconds, 1),
        planned=planned,
        refused=people - planned,
        sends=sends,
        sends_per_second=round(rate, 1),
        sends_limit=SENDS_A_SECOND,
    )


def _app(appid: str, secret: str | None = None) -> WeChatChange:
    """A mini-program without payments."""
    return WeChatChange(
        environment=Environment.SANDBOX, appid=appid, app_secret=secret,
        mchid=None, certificate_serial=None, public_key_id=None, public_key_pem=None,
    )  # fmt: skip


async def _fill(tx: Tx, first: int, last: int) -> None:
    """People with an account; seven of ten agreed, a fifth hold a consent of WeChat's."""
    now = clock.now()
    await tx.run(
        """insert into members.persons (shop_id, person_no, origin, created_at)
           select $1, n, 'member', $4 from generate_series($2::int, $3::int) n""",
        *(tx.shop_id, first, last, now),
    )
    await tx.run(
        """insert into members.members (shop_id, member_id, person_no, nickname, nickname_key,
             joined_at)
           select $1, md5(n::text)::uuid, n, '茶友', '茶友', $4
           from generate_series($2::int, $3::int) n""",
        *(tx.shop_id, first, last, now),
    )
    await tx.run(
        """insert into members.logins (shop_id, app_id, subject, member_id, created_at)
           select $1, $5, 'o' || n, md5(n::text)::uuid, $4
           from generate_series($2::int, $3::int) n""",
        *(tx.shop_id, first, last, now, _APP),
    )
    await tx.run(
        """insert into members.person_counters (shop_id, last_no) values ($1, $2)
           on conflict (shop_id) do update set last_no = excluded.last_no""",
        *(tx.shop_id, last),
    )
    version = texts.text_in_force(Purpose.MARKETING).version
    await tx.run(
        """with d as (
             insert into consents.decisions (shop_id, decision_id, person_no, purpose,
               text_version, granted, decided_at, channel, language)
             select $1, md5('d' || n)::uuid, n, 'marketing', $5, true, $4, 'h5', 'zh-CN'
             from generate_series($2::int, $3::int) n where n % 10 < 7)
           insert into consents.states (shop_id, person_no, purpose, text_version, granted,
             decided_at, decision_id)
           select $1, n, 'marketing', $5, true, $4, md5('d' || n)::uuid
           from generate_series($2::int, $3::int) n where n % 10 < 7""",
        *(tx.shop_id, first, last, now, version),
    )
    await tx.run(
        """insert into outreach.grants (shop_id, grant_id, person_no, channel, scope, quota,
             granted_at)
           select $1, md5('g' || n)::uuid, n, 'subscription', $5, 1, $4
           from generate_series($2::int, $3::int) n where n % 5 = 0""",
        *(tx.shop_id, first, last, now, _TEMPLATE),
    )


async def _campaign(
    shop_id: ShopId,
    key: str,
    template_id: str,
    persons: Sequence[int] = (),
    fields: Sequence[str] = ("thing1",),
) -> UUID:
    """A started campaign: a subscription message, else the inbox."""
    forms = [
        Form(
            channel=MessageChannel.SUBSCRIPTION,
            outside_id=template_id,
            fields={one: _SAID.get(one.rstrip("0123456789"), "春茶") for one in fields},
        ),
        Form(channel=MessageChannel.INBOX, title="春茶", text="春茶上新"),
    ]
    async with transaction(shop_id) as tx:
        draft = TemplateDraft(key=key, name=key, topic=Topic.OFFERS, forms=forms)
        made = await signed(tx, draft)
        never_quiet = AttentionPolicy(quiet_from=0, quiet_to=0, day=50, week=200, tired_at=100)
        await service.save_settings(tx, System(), never_quiet)
        audience = (
            MessageAudience(kind="persons", persons=list(persons))
            if persons
            else MessageAudience(kind="all")
        )
        wanted = MessageCampaignDraft(name=key, template_id=made, audience=audience)
        campaign = await service.save_campaign(tx, System(), wanted)
        await service.start_campaign(tx, System(), campaign.campaign_id)
    return campaign.campaign_id


async def _send(place: Ground, receivers: int) -> tuple[int, float]:
    """Campaigns to people of the sandbox who agreed to each: messages, and how many a second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, url = config.settings().data_dir, f"http://127.0.0.1:{port}"
    own = {"data_dir": str(folder), "sandbox_port": str(port), "sandbox_url": url}
    children = processes.Processes(
        folder / "logs", {f"SIYU_{name.upper()}": value for name, value in own.items()}
    )
    before = config.settings()
    config.use(msgspec.structs.replace(before, sandbox_url=url))
    children.start("sandbox", "sandbox")
    try:
        await processes.wait_for(f"{url}/_sandbox/health")
        async with SandboxClient(url) as sandbox:
            return await _send_all(place.shop_id, sandbox, receivers)
    finally:
        await children.stop()
        config.use(before)


async def _send_all(shop_id: ShopId, sandbox: SandboxClient, receivers: int) -> tuple[int, float]:
    given = await sandbox.credentials()
    appid = given["appid"]
    async with transaction(shop_id) as tx:
        await shops.set_wechat(tx, System(), _app(appid, given["secret"]))
    keys = await shops.mini_program_keys(shop_id)
    [template, *_] = await mini_program.list_templates(shop_id, keys)
    persons = []
    for n in range(receivers):
        person_id = await sandbox.add_person(f"客{n}", f"139{n:08}")
        login = await mini_program.code2session(keys, await sandbox.login_code(person_id, appid))
        async with transaction(shop_id) as tx:
            made = await members.record_login(
                tx, appid, login.openid, union_id=None, platform=Platform.MINI_PROGRAM
            )
            person_no = made.member.person_no
            await agree(tx, [person_no])
            for _ in range(ROUNDS):
                outside_id = template.template_id
                await service.grant(
                    tx, person_no, MessageChannel.SUBSCRIPTION, outside_id, new_id().hex
                )
        for _ in range(ROUNDS):
            await sandbox.answer_subscription(person_id, appid, [template.template_id])
        persons.append(person_no)
    campaigns = [
        await _campaign(shop_id, f"send{n}", template.template_id, persons, template.fields)
        for n in range(ROUNDS)
    ]
    for campaign_id in campaigns:
        await service.plan_campaign(shop_id, campaign_id)
    began = clock.monotonic()
    await asyncio.gather(*(service.run_campaign(shop_id, one) for one in campaigns))
    seconds = clock.monotonic() - began
    sent = 0
    async with transaction(shop_id) as tx:
        for campaign_id in campaigns:
            for one in await service.count_messages(tx, campaign_id):
                assert one.channel is MessageChannel.SUBSCRIPTION and one.reason is None, one
                sent += one.messages
    return sent, sent / seconds
