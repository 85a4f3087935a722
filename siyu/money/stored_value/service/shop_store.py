"""The SQL of what a shop and its staff decide: settings, licences, offers, adjustments."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.db import ReadTx, Tx
from siyu.money.stored_value.contracts import (
    Adjustment,
    AdjustmentState,
    Licence,
    StoredValueSettings,
    TopUpOffer,
)

# --- settings, licences, offers -------------------------------------------------------------------


async def get_settings(tx: ReadTx) -> StoredValueSettings:
    """The shop's rules."""
    found = await tx.maybe(
        StoredValueSettings,
        """select card_kind, limit_fen, spend_order, bonus_limit_bps, bonus_months, grace_days,
             adjust_limit_fen
           from stored_value.settings where shop_id = $1""",
        tx.shop_id,
    )
    return found or StoredValueSettings()


async def upsert_settings(tx: Tx, settings: StoredValueSettings) -> None:
    """Write the shop's rules."""
    await tx.run(
        """insert into stored_value.settings (shop_id, card_kind, limit_fen, spend_order,
             bonus_limit_bps, bonus_months, grace_days, adjust_limit_fen, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (shop_id) do update set card_kind = excluded.card_kind,
             limit_fen = excluded.limit_fen, spend_order = excluded.spend_order,
             bonus_limit_bps = excluded.bonus_limit_bps, bonus_months = excluded.bonus_months,
             grace_days = excluded.grace_days, adjust_limit_fen = excluded.adjust_limit_fen,
             updated_at = excluded.updated_at""",
        tx.shop_id,
        *msgspec.structs.astuple(settings),
        clock.now(),
    )


async def get_licence(tx: ReadTx) -> Licence | None:
    """The licence that was not withdrawn; it may not be valid yet, or any more."""
    return await tx.maybe(
        Licence,
        """select licence_id, kind, number, issuer, valid_from_on, valid_until_on, accepted_by,
             accepted_at, withdrawn_at
           from stored_value.licences where shop_id = $1 and withdrawn_at is null""",
        tx.shop_id,
    )


async def move_licence_out(tx: Tx) -> int:
    """Withdraw the licence in force; how many there were."""
    return await tx.run(
        """update stored_value.licences set withdrawn_at = $2
           where shop_id = $1 and withdrawn_at is null""",
        tx.shop_id,
        clock.now(),
    )


async def insert_licence(tx: Tx, licence: Licence) -> None:
    """Store a licence."""
    await tx.run(
        """insert into stored_value.licences (shop_id, licence_id, kind, number, issuer,
             valid_from_on, valid_until_on, accepted_by, accepted_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        tx.shop_id,
        *msgspec.structs.astuple(licence)[:8],
    )


_OFFER = """select offer_id, amount_fen, bonus_fen, override_reason, created_at, retired_at
from stored_value.offers"""


async def list_offers(tx: ReadTx) -> list[TopUpOffer]:
    """Offers that are not retired, the smallest first."""
    return await tx.all(
        TopUpOffer,
        f"{_OFFER} where shop_id = $1 and retired_at is null order by amount_fen",
        tx.shop_id,
    )


async def get_offer(tx: ReadTx, offer_id: UUID) -> TopUpOffer | None:
    """An offer that is not retired."""
    return await tx.maybe(
        TopUpOffer,
        f"{_OFFER} where shop_id = $1 and offer_id = $2 and retired_at is null",
        tx.shop_id,
        offer_id,
    )


async def insert_offer(tx: Tx, offer: TopUpOffer) -> bool:
    """Store an offer; False when there is an active one of this amount."""
    made = await tx.run(
        """insert into stored_value.offers
             (shop_id, offer_id, amount_fen, bonus_fen, override_reason, created_at)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (shop_id, amount_fen) where retired_at is null do nothing""",
        tx.shop_id,
        offer.offer_id,
        offer.amount_fen,
        offer.bonus_fen,
        offer.override_reason,
        offer.created_at,
    )
    return bool(made)


async def move_offer_out(tx: Tx, offer_id: UUID) -> bool:
    """Retire an offer; False when there is none, or it is retired."""
    moved = await tx.run(
        """update stored_value.offers set retired_at = $3
           where shop_id = $1 and offer_id = $2 and retired_at is null""",
        tx.shop_id,
        offer_id,
        clock.now(),
    )
    return bool(moved)


# --- adjustments ----------------------------------------------------------------------------------

_ADJUSTMENT = """select adjustment_id, member_id, side, delta_fen, reason, state, asked_by,
  asked_by_name, asked_at, decided_by, decided_by_name, decided_at
from stored_value.adjustments"""


async def lock_asking(tx: Tx, asked_by: str) -> None:
    """Let one request of a member of staff at a time count what they have adjusted."""
    await tx.run("select pg_advisory_xact_lock($1, hashtext($2))", tx.shop_id, asked_by)


async def get_adjusted_since(tx: ReadTx, asked_by: str, since: datetime) -> int:
    """How much a member of staff has adjusted since then by themselves, both directions added."""
    found: int = await tx.value(
        """select coalesce(sum(abs(delta_fen)), 0)::bigint from stored_value.adjustments
           where shop_id = $1 and asked_by = $2 and asked_at >= $3
             and state = 'done' and decided_by is null""",
        tx.shop_id,
        asked_by,
        since,
    )
    return found


async def insert_adjustment(tx: Tx, adjustment: Adjustment) -> None:
    """Store what staff want to adjust."""
    await tx.run(
        """insert into stored_value.adjustments (shop_id, adjustment_id, member_id, side, delta_fen,
             reason, state, asked_by, asked_by_name, asked_at, decided_by, decided_by_name,
             decided_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)""",
        tx.shop_id,
        *msgspec.structs.astuple(adjustment),
    )


async def lock_adjustment(tx: Tx, adjustment_id: UUID) -> Adjustment | None:
    """An adjustment, locked."""
    return await tx.maybe(
        Adjustment,
        f"{_ADJUSTMENT} where shop_id = $1 and adjustment_id = $2 for no key update",
        tx.shop_id,
        adjustment_id,
    )


async def move_adjustment(
    tx: Tx, adjustment_id: UUID, state: AdjustmentState, actor: Actor
) -> Adjustment:
    """Write down what a second person decided."""
    return await tx.one(
        Adjustment,
        """update stored_value.adjustments
           set state = $3, decided_by = $4, decided_by_name = $5, decided_at = $6
           where shop_id = $1 and adjustment_id = $2
           returning adjustment_id, member_id, side, delta_fen, reason, state, asked_by,
             asked_by_name, asked_at, decided_by, decided_by_name, decided_at""",
        tx.shop_id,
        adjustment_id,
        state,
        actor.actor,
        actor.actor_name,
        clock.now(),
    )


async def list_adjustments(
    tx: ReadTx, member_id: UUID | None, *, waiting: bool, before_id: UUID | None, limit: int
) -> list[Adjustment]:
    """Adjustments, the newest first: of one member or of all; only those that wait, or any."""
    return await tx.all(
        Adjustment,
        f"""{_ADJUSTMENT} where shop_id = $1 and ($2::uuid is null or member_id = $2)
              and (not $3 or state = 'waiting') and ($4::uuid is null or adjustment_id < $4)
            order by adjustment_id desc limit $5""",
        tx.shop_id,
        member_id,
        waiting,
        before_id,
        limit,
    )
