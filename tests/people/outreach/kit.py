"""People with accounts and consents, templates and campaigns, for the tests of outreach."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import CaseDecided, Step
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.people.consents import rules as consent_texts
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel as ConsentChannel
from siyu.people.consents.contracts import Purpose
from siyu.people.experiments.contracts import Arm, ExperimentDraft, Surface
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform
from siyu.people.outreach import queries, service
from siyu.people.outreach.contracts import (
    AttentionPolicy as Policy,
)
from siyu.people.outreach.contracts import (
    Form,
    TemplateDraft,
    Topic,
    Variable,
)
from siyu.people.outreach.contracts import (
    MessageAudience as Audience,
)
from siyu.people.outreach.contracts import (
    MessageCampaignDraft as CampaignDraft,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)

ME = System()
APP = "wx-outreach-tests"
INBOX = Form(channel=Channel.INBOX, title="新品", text="{what}上新", page="/pages/home/home")
SMS = Form(channel=Channel.SMS, text="【茶馆】{what}上新，拒收请回复R")
NEVER_QUIET = Policy(quiet_from=0, quiet_to=0)


replace = msgspec.structs.replace
SUBSCRIPTION_LONG = Form(
    channel=Channel.SUBSCRIPTION,
    outside_id="tmpl-1",
    fields={"thing1": "很长" * 10 + "{what}"},
)


def draft(key: str = "spring", **more: object) -> TemplateDraft:
    """A template for the inbox, with one variable."""
    given: dict[str, object] = {
        "key": key, "name": key, "topic": Topic.OFFERS, "forms": [INBOX],
        "variables": [Variable(name="what", sample="春茶")],
    }  # fmt: skip
    return TemplateDraft(**given | more)


def any_experiment() -> ExperimentDraft:
    """The first experiment of a shop makes its salt."""
    arms = [Arm(key=key, name=key, weight_bps=5_000) for key in "ab"]
    return ExperimentDraft(
        key="any", name="any", surface=Surface.FREE, arms=arms, baseline_micro=40_000
    )


async def people(tx: Tx, count: int, *, agree: bool = True, start: int = 0) -> list[int]:
    """Persons with an account, a log-in and, if they agree, a consent to marketing."""
    numbers = []
    for n in range(start, start + count):
        made = await members.record_login(
            tx, app_id=APP, subject=f"o-{n}", union_id=None, platform=Platform.MINI_PROGRAM
        )
        numbers.append(made.member.person_no)
        if agree:
            await consent(tx, made.member.person_no)
    return numbers


async def member_of(tx: Tx, person_no: int) -> UUID:
    """The account of a person."""
    found: UUID = await tx.value(
        "select member_id from members.members where shop_id = $1 and person_no = $2",
        *(tx.shop_id, person_no),
    )
    return found


async def consent(tx: Tx, person_no: int, granted: bool = True) -> None:
    """Say yes or no to marketing."""
    version = consent_texts.text_in_force(Purpose.MARKETING).version
    await consents.decide(
        tx, person_no, Purpose.MARKETING, text_version=version, granted=granted,
        channel=ConsentChannel.H5, language="zh-CN",
    )  # fmt: skip


async def template(
    tx: Tx, key: str = "spring", topic: Topic = Topic.OFFERS, forms: Sequence[Form] = (INBOX,)
) -> UUID:
    """A template in force. The way through the signatures has tests of its own."""
    made = await service.save_template(tx, ME, draft(key, topic=topic, forms=list(forms)))
    await sign(tx, made.template_id)
    return made.template_id


async def sign(tx: Tx, template_id: UUID) -> None:
    """Three signatures of three people."""
    case = await service.ask_approval(tx, Somebody("a"), template_id)
    for name, step in (("b", Step.EDITOR), ("c", Step.LEGAL)):
        case = await approvals.sign(
            tx, Somebody(name), case.case_id, step, True, case.content_hash, "好"
        )
    await service.take_decision(tx, CaseDecided(case.case_id, case.kind, case.state))


class Somebody:
    """A colleague."""

    def __init__(self, name: str) -> None:
        self.actor, self.actor_name = f"staff:{name}", name


async def policy(tx: Tx, **more: object) -> Policy:
    """A policy in force that is never quiet."""
    made = Policy(**{"quiet_from": 0, "quiet_to": 0, **more})
    await service.save_settings(tx, ME, made)
    return made


async def campaign(
    shop: ShopId,
    template_id: UUID,
    persons: Sequence[int] = (),
    priority: int = 5,
    at: datetime | None = None,
) -> UUID:
    """A started campaign to these persons, or to everybody."""
    audience = Audience(kind="persons", persons=list(persons)) if persons else Audience(kind="all")
    async with transaction(shop) as tx:
        wanted = CampaignDraft(
            name="春茶", template_id=template_id, variables={"what": "明前龙井"},
            audience=audience, priority=priority,
        )  # fmt: skip
        made = await service.save_campaign(tx, ME, wanted)
        await service.start_campaign(tx, ME, made.campaign_id, at)
        return made.campaign_id


async def counts(shop: ShopId, campaign_id: UUID) -> dict[str, int]:
    """Messages of a campaign: "state" or "state:reason" → how many."""
    found: Counter[str] = Counter()
    async with transaction(shop) as tx:
        for one in await queries.count_messages(tx, campaign_id):
            found[f"{one.state}:{one.reason}" if one.reason else one.state.value] += one.messages
    return dict(found)
