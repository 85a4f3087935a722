"""SQL of what a shop shares with whom: settings, rules, promoters, receivers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.money.profit_sharing.contracts import (
    Promoter,
    ReceiverKind,
    ReceiverState,
    Relation,
    Rule,
    Settings,
)
from siyu.money.profit_sharing.queries import Due


class ReceiverRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of profit_sharing.receivers."""

    receiver_id: UUID
    kind: ReceiverKind
    account: str
    merchant: str
    app: str
    member_id: UUID | None
    owner_id: UUID
    name_sealed: bytes | None
    relation: Relation
    custom_relation: str | None
    state: ReceiverState
    reason: str | None
    created_at: datetime


# --- settings, rules, promoters -------------------------------------------------------------------

_SETTINGS = """select max_ratio_bps, fee_bps, floor_fen, freeze_days, alarm_days
  from profit_sharing.settings where shop_id = $1"""


async def get_settings(tx: ReadTx) -> Settings:
    """What the shop may share."""
    return await tx.maybe(Settings, _SETTINGS, tx.shop_id) or Settings()


async def lock_settings(tx: Tx) -> Settings:
    """The same, locked: whoever writes rules or promoters comes one after the other."""
    first = Settings()
    await tx.run(
        """insert into profit_sharing.settings (shop_id, max_ratio_bps, fee_bps, floor_fen,
             freeze_days, alarm_days, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7) on conflict (shop_id) do nothing""",
        tx.shop_id,
        *msgspec.structs.astuple(first),
        clock.now(),
    )
    return await tx.one(Settings, f"{_SETTINGS} for no key update", tx.shop_id)


async def update_settings(tx: Tx, settings: Settings) -> None:
    """Write what the shop may share."""
    await tx.run(
        """update profit_sharing.settings set max_ratio_bps = $2, fee_bps = $3, floor_fen = $4,
             freeze_days = $5, alarm_days = $6, updated_at = $7 where shop_id = $1""",
        tx.shop_id,
        *msgspec.structs.astuple(settings),
        clock.now(),
    )


_RULE = """select rule_id, title, scope, share_bps, way, trigger, after_days, product_id, level,
  receiver_id, is_active, created_at from profit_sharing.rules"""


async def list_rules(tx: ReadTx, *, only_active: bool) -> list[Rule]:
    """The rules, the oldest first."""
    return await tx.all(
        Rule,
        f"{_RULE} where shop_id = $1 and (is_active or not $2) order by rule_id",
        tx.shop_id,
        only_active,
    )


async def insert_rule(tx: Tx, rule: Rule) -> bool:
    """Store a rule; False when another in force says the same."""
    return bool(
        await tx.run(
            """insert into profit_sharing.rules (shop_id, rule_id, title, scope, share_bps, way,
                 trigger, after_days, product_id, level, receiver_id, is_active, created_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
               on conflict do nothing""",
            tx.shop_id,
            *msgspec.structs.astuple(rule),
        )
    )


async def stop_rule(tx: Tx, rule_id: UUID) -> Rule | None:
    """Stop a rule; None when there is none."""
    return await tx.maybe(
        Rule,
        """update profit_sharing.rules set is_active = false where shop_id = $1 and rule_id = $2
           returning rule_id, title, scope, share_bps, way, trigger, after_days, product_id, level,
             receiver_id, is_active, created_at""",
        tx.shop_id,
        rule_id,
    )


_PROMOTER = "select member_id, level, parent_id, created_at from profit_sharing.promoters"


async def get_promoter(tx: ReadTx, member_id: UUID) -> Promoter | None:
    """A promoter."""
    return await tx.maybe(
        Promoter, f"{_PROMOTER} where shop_id = $1 and member_id = $2", tx.shop_id, member_id
    )


async def list_promoters(
    tx: ReadTx, after: tuple[datetime, UUID] | None, limit: int
) -> list[Promoter]:
    """Promoters, the newest first."""
    created_at, member_id = after or (None, None)
    return await tx.all(
        Promoter,
        f"""{_PROMOTER} where shop_id = $1
            and ($2::timestamptz is null or (created_at, member_id) < ($2, $3::uuid))
            order by created_at desc, member_id desc limit $4""",
        tx.shop_id,
        created_at,
        member_id,
        limit,
    )


async def set_promoter(tx: Tx, promoter: Promoter) -> bool:
    """Store or move a promoter; False when the parent is not of level 1, or the promoter brought
    others and so cannot be of level 2."""
    return bool(
        await tx.run(
            """insert into profit_sharing.promoters as p
                 (shop_id, member_id, level, parent_id, created_at)
               select $1, $2, $3, $4, $5
               where ($4::uuid is null or exists (
                   select from profit_sharing.promoters
                   where shop_id = $1 and member_id = $4 and level = 1))
                 and ($3 = 1 or not exists (
                   select from profit_sharing.promoters where shop_id = $1 and parent_id = $2))
               on conflict (shop_id, member_id) do update
                 set level = excluded.level, parent_id = excluded.parent_id""",
            tx.shop_id,
            promoter.member_id,
            promoter.level,
            promoter.parent_id,
            promoter.created_at,
        )
    )


async def delete_promoter(tx: Tx, member_id: UUID) -> bool:
    """Forget a promoter who brought nobody; False otherwise."""
    return bool(
        await tx.run(
            """delete from profit_sharing.promoters p where shop_id = $1 and member_id = $2
               and not exists (select from profit_sharing.promoters c
                               where c.shop_id = $1 and c.parent_id = $2)""",
            tx.shop_id,
            member_id,
        )
    )


# --- receivers ------------------------------------------------------------------------------------

_RECEIVER = """select receiver_id, kind, account, merchant, app, member_id, owner_id, name_sealed,
  relation, custom_relation, state, reason, created_at from profit_sharing.receivers"""


async def get_receiver(tx: ReadTx, receiver_id: UUID) -> ReceiverRow | None:
    """A receiver."""
    return await tx.maybe(
        ReceiverRow,
        f"{_RECEIVER} where shop_id = $1 and receiver_id = $2",
        tx.shop_id,
        receiver_id,
    )


async def list_receivers(tx: ReadTx) -> list[ReceiverRow]:
    """All receivers that were not removed, the oldest first."""
    return await tx.all(
        ReceiverRow,
        f"{_RECEIVER} where shop_id = $1 and state <> 'removed' order by receiver_id",
        tx.shop_id,
    )


async def list_receivers_by_id(tx: ReadTx, receiver_ids: Sequence[UUID]) -> list[ReceiverRow]:
    """These receivers."""
    return await tx.all(
        ReceiverRow,
        f"{_RECEIVER} where shop_id = $1 and receiver_id = any($2)",
        tx.shop_id,
        receiver_ids,
    )


async def list_persons(tx: ReadTx, merchant: str, member_ids: Sequence[UUID]) -> list[ReceiverRow]:
    """Receivers of these members under a merchant number."""
    return await tx.all(
        ReceiverRow,
        f"""{_RECEIVER} where shop_id = $1 and merchant = $2 and member_id = any($3)
            and state <> 'removed'""",
        tx.shop_id,
        merchant,
        member_ids,
    )


async def insert_receiver(tx: Tx, row: ReceiverRow) -> bool:
    """Store a receiver; False when the account or member is one already."""
    return bool(
        await tx.run(
            """insert into profit_sharing.receivers (shop_id, receiver_id, kind, account, merchant,
                 app, member_id, owner_id, name_sealed, relation, custom_relation, state, reason,
                 created_at, next_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
               on conflict do nothing""",
            tx.shop_id,
            *msgspec.structs.astuple(row),
        )
    )


async def move_receiver(
    tx: Tx,
    receiver_id: UUID,
    state: ReceiverState,
    *,
    from_states: Sequence[ReceiverState],
    reason: str | None = None,
    name_sealed: bytes | None = None,
    next_at: datetime | None = None,
) -> bool:
    """Move a receiver out of one of `from_states`; False when it stands elsewhere."""
    return bool(
        await tx.run(
            """update profit_sharing.receivers set state = $3, reason = $5, next_at = $7,
                 name_sealed = coalesce($6, name_sealed)
               where shop_id = $1 and receiver_id = $2 and state = any($4)""",
            tx.shop_id,
            receiver_id,
            state,
            list(from_states),
            reason,
            name_sealed,
            next_at,
        )
    )


async def is_receiver_used(tx: ReadTx, receiver_id: UUID) -> bool:
    """Whether a rule in force or an unfinished part names the receiver."""
    found: bool = await tx.value(
        """select exists (select from profit_sharing.rules
             where shop_id = $1 and receiver_id = $2 and is_active)
           or exists (select from profit_sharing.parts
             where shop_id = $1 and receiver_id = $2
               and state in ('planned', 'held', 'refused', 'sent'))""",
        tx.shop_id,
        receiver_id,
    )
    return found


async def take_due_receivers(tx: Tx, now: datetime, next_at: datetime, limit: int) -> list[Due]:
    """Receivers of all shops that WeChat is to be told of.
    `next_at`: when they are due again, should this time fail."""
    return await tx.all(
        Due,
        """with due as (
             select shop_id, receiver_id as found_id, next_at from profit_sharing.receivers
             where next_at <= $1 order by next_at limit $3 for no key update skip locked),
           moved as (
             update profit_sharing.receivers r set next_at = $2 from due
             where r.shop_id = due.shop_id and r.receiver_id = due.found_id)
           select shop_id, found_id from due order by next_at, found_id""",
        now,
        next_at,
        limit,
    )
