"""Trying a template on one person, before or after it was signed."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    PersonNotReachable,
    ReachOutcome,
    TemplateNotFound,
)
from siyu.people.outreach.rules import templates
from siyu.people.outreach.service import plan_store, planning
from siyu.people.outreach.service.plan_store import Kept
from siyu.people.outreach.service.settings import frame_of, get_settings

LASTS = timedelta(hours=1)


async def send_test(
    tx: Tx,
    actor: Actor,
    template_id: UUID,
    person_no: int,
    variables: Mapping[str, str],
    channel: Channel | None = None,
) -> ReachOutcome:
    """Send the newest version to one person now, on one channel or as the template says.

    Consent, blocks and grants count as ever and the rulebook is asked; caps, quiet hours, hold-out
    and signatures do not. Audited. Raises TemplateNotFound, BadVariables, PersonNotReachable.
    """
    row = await queries.get_template(tx, template_id)
    if row is None:
        raise TemplateNotFound
    templates.check_values(row.variables, variables, await shops.get_time_zone(tx))
    number = await members.number_of(tx, person_no)
    if number is None:
        raise PersonNotReachable
    now = clock.now()
    frame, _ = await frame_of(tx, row.topic, (await get_settings(tx)).policy, now)
    frame = msgspec.structs.replace(frame, is_capped=False)
    forms = [form for form in row.forms if channel in (None, form.channel)] or row.forms
    open_ = await planning.open_ways(tx, forms)
    asked = await planning.ask(tx, row.topic, [number], open_, [new_id()])
    kept = Kept(
        None, template_id, row.version, 9, now, now + LASTS, variables=variables, is_test=True
    )
    ways = planning.ways_of(open_, {}, forms[0])
    [made] = await plan_store.insert_planned(tx, asked, ways, frame, kept)
    audit(
        tx,
        actor,
        "outreach.test_sent",
        ("message_template", template_id),
        after={"person_no": number, "version": row.version, "state": made.state},
    )
    return ReachOutcome(made.message_id, made.state, made.channel, made.reason)
