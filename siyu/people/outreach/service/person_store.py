"""SQL about one person: their ledger of attention, blocks and inbox."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.outreach.contracts import (
    Block,
    Form,
    LedgerEntry,
    Refusal,
    Topic,
    Variable,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)


class InboxRow(msgspec.Struct, frozen=True):
    """A message of the inbox with the words it was sent with."""

    message_id: UUID
    topic: Topic
    forms: list[Form]
    variables: list[Variable]
    own: dict[str, str] | None
    shared: dict[str, str] | None
    sent_at: datetime
    is_read: bool


# --- one person ---------------------------------------------------------------------------------


async def list_ledger(tx: ReadTx, person_no: int, limit: int) -> list[LedgerEntry]:
    """The newest rows of a person's ledger."""
    return await tx.all(
        LedgerEntry,
        """select l.at, l.move, l.channel, l.on_day, l.is_capped, l.reason, l.message_id,
             t.key as template_key, t.name as template_name, c.name as campaign_name
           from outreach.ledger l
           join outreach.messages m on m.shop_id = l.shop_id and m.message_id = l.message_id
           join outreach.templates t on t.shop_id = m.shop_id and t.template_id = m.template_id
           left join outreach.campaigns c on c.shop_id = m.shop_id
             and c.campaign_id = m.campaign_id
           where l.shop_id = $1 and l.person_no = $2
           order by l.at desc, l.message_id desc, l.move limit $3""",
        *(tx.shop_id, person_no, limit),
    )


async def list_refusals(tx: ReadTx, person_no: int, limit: int) -> list[Refusal]:
    """The newest messages that a person did not get, and why, and when that was decided: at the
    call, or with the plan, whose moment the number tells; never an hour that is still to come."""
    return await tx.all(
        Refusal,
        """select coalesce(m.called_at, least(m.due_at, to_timestamp(
               ('x' || translate(left(m.message_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0
             ))) as at, m.message_id, m.reason, m.code, m.channel,
             t.key as template_key, t.name as template_name, c.name as campaign_name
           from outreach.messages m
           join outreach.templates t on t.shop_id = m.shop_id and t.template_id = m.template_id
           left join outreach.campaigns c on c.shop_id = m.shop_id
             and c.campaign_id = m.campaign_id
           where m.shop_id = $1 and m.person_no = $2 and m.reason is not null
           order by m.message_id desc limit $3""",
        *(tx.shop_id, person_no, limit),
    )


class LoadRow(msgspec.Struct, frozen=True):
    """Places taken today and in seven days; tired: in thousandths."""

    today: int
    week: int
    tired: int


async def get_load(
    tx: ReadTx, person_no: int, today: date, at: datetime, half_life_seconds: float
) -> LoadRow:
    """How much of a person's attention is taken: the sums that planning goes by."""
    return await tx.one(
        LoadRow,
        """select coalesce(sum(n) filter (where on_day = $3), 0) as today,
             coalesce(sum(n) filter (where on_day > $3::date - 7), 0) as week,
             coalesce(round(1000 * sum(weight * power(0.5,
               extract(epoch from $4::timestamptz - weighs_at) / $5))), 0)::int as tired
           from outreach.ledger, lateral (select
             case move when 'reserved' then 1 when 'released' then -1 else 0 end as n,
             case move when 'spent' then 1 when 'answered' then -1 else 0 end as weight) as m
           where shop_id = $1 and person_no = $2 and is_capped
             and at > $4::timestamptz - interval '90 days'""",
        *(tx.shop_id, person_no, today, at, half_life_seconds),
    )


class GrantSum(msgspec.Struct, frozen=True):
    """Messages that the platform still lets us send."""

    channel: Channel
    free: int


async def count_grants(tx: ReadTx, person_no: int, at: datetime) -> list[GrantSum]:
    """What the platform still lets us send a person, by channel."""
    return await tx.all(
        GrantSum,
        """select channel, sum(quota - used)::int as free from outreach.grants
           where shop_id = $1 and person_no = $2 and used < quota
             and (expires_at is null or expires_at > $3) group by channel order by channel""",
        *(tx.shop_id, person_no, at),
    )


# --- blocks -------------------------------------------------------------------------------------

_BLOCK = "person_no, topic, channel, origin, reason, at from outreach.blocks"


async def list_blocks(
    tx: ReadTx, person_no: int | None, before: datetime | None, limit: int
) -> list[Block]:
    """Blocks, the newest first; of one person when one is named."""
    return await tx.all(
        Block,
        f"""select {_BLOCK} where shop_id = $1 and ($2::bigint is null or person_no = $2)
              and ($3::timestamptz is null or at < $3)
            order by at desc, person_no limit $4""",
        *(tx.shop_id, person_no, before, limit),
    )


async def insert_block(tx: Tx, block: Block) -> bool:
    """Leave somebody alone; False: they were already."""
    return bool(
        await tx.run(
            """insert into outreach.blocks (shop_id, person_no, topic, channel, origin, reason, at)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (shop_id, person_no, topic, channel) do nothing""",
            *(tx.shop_id, block.person_no, block.topic, block.channel, block.origin),
            *(block.reason, block.at),
        )
    )


async def delete_block(
    tx: Tx,
    person_no: int,
    topic: str,
    channel: str,
    origins: Sequence[str],
    until: datetime | None = None,
) -> int:
    """Take a block away, when one of these made it, not after `until`."""
    return await tx.run(
        """delete from outreach.blocks where shop_id = $1 and person_no = $2 and topic = $3
             and channel = $4 and origin = any($5::text[])
             and ($6::timestamptz is null or at <= $6)""",
        *(tx.shop_id, person_no, topic, channel, list(origins), until),
    )


# --- inbox --------------------------------------------------------------------------------------


async def list_inbox(tx: ReadTx, person_no: int, before: UUID | None, limit: int) -> list[InboxRow]:
    """What stands in a person's inbox, the newest first."""
    return await tx.all(
        InboxRow,
        """select m.message_id, m.topic, v.forms, v.variables, m.variables as own,
             c.variables as shared, m.sent_at, m.read_at is not null as is_read
           from outreach.messages m
           join outreach.versions v on v.shop_id = m.shop_id and v.template_id = m.template_id
             and v.version = m.version
           left join outreach.campaigns c on c.shop_id = m.shop_id
             and c.campaign_id = m.campaign_id
           where m.shop_id = $1 and m.person_no = $2 and m.channel = 'inbox' and m.state = 'sent'
             and ($3::uuid is null or m.message_id < $3)
           order by m.message_id desc limit $4""",
        *(tx.shop_id, person_no, before, limit),
    )


async def count_unread(tx: ReadTx, person_no: int) -> int:
    """Messages of the inbox that were not opened yet; 100 stands for more."""
    count: int = await tx.value(
        """select count(*) from (select from outreach.messages where shop_id = $1
             and person_no = $2 and channel = 'inbox' and state = 'sent' and read_at is null
             limit 100) as u""",
        *(tx.shop_id, person_no),
    )
    return count


async def mark_read(tx: Tx, person_no: int, messages: Sequence[UUID] | None, at: datetime) -> int:
    """These messages of the inbox were opened (None: all of them)."""
    return await tx.run(
        """update outreach.messages set read_at = $4
           where shop_id = $1 and person_no = $2 and channel = 'inbox' and state = 'sent'
             and read_at is null and ($3::uuid[] is null or message_id = any($3::uuid[]))""",
        *(tx.shop_id, person_no, None if messages is None else list(messages), at),
    )
