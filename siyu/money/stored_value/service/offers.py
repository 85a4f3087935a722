"""The gate and what stands behind it: licence, settings, offers. All changes are audited."""

from datetime import date

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.kernel.money import MAX_FEN
from siyu.money.stored_value import rules
from siyu.money.stored_value.contracts import (
    BadLicence,
    Licence,
    LicenceKind,
    NotLicensed,
    OfferId,
    OfferNotFound,
    OfferTaken,
    StoredValueSettings,
    TopUpOffer,
)
from siyu.money.stored_value.service import shop_store
from siyu.money.stored_value.service.wallets import today


async def get_settings(tx: ReadTx) -> StoredValueSettings:
    """The shop's rules."""
    return await shop_store.get_settings(tx)


async def set_settings(tx: Tx, actor: Actor, settings: StoredValueSettings) -> StoredValueSettings:
    """Change the shop's rules, from now on. Raises BadStoredValueSetting."""
    rules.check_settings(settings)
    before = await shop_store.get_settings(tx)
    await shop_store.upsert_settings(tx, settings)
    audit(
        tx,
        actor,
        "stored_value.settings_changed",
        ("shop", tx.shop_id),
        before=msgspec.structs.asdict(before),
        after=msgspec.structs.asdict(settings),
    )
    return settings


async def get_licence(tx: ReadTx) -> Licence | None:
    """The licence that was not withdrawn."""
    return await shop_store.get_licence(tx)


async def is_open(tx: ReadTx) -> bool:
    """Whether members may pay in today (mission 53)."""
    return rules.is_in_force(await shop_store.get_licence(tx), await today(tx))


async def check_open(tx: ReadTx) -> None:
    """Raise NotLicensed unless members may pay in today."""
    if not await is_open(tx):
        raise NotLicensed


async def accept_licence(
    tx: Tx,
    actor: Actor,
    *,
    kind: LicenceKind,
    number: str,
    issuer: str,
    valid_from_on: date,
    valid_until_on: date | None,
    accepted: bool,
) -> Licence:
    """Record what allows the shop to take money beforehand; staff answer for it with their name.
    It takes the place of the one before. accepted: they have said that it is true. Raises
    BadLicence."""
    if not accepted:
        raise BadLicence(field="accepted")
    number, issuer = number.strip(), issuer.strip()
    rules.check_licence(number, issuer, valid_from_on, valid_until_on, await today(tx))
    licence = Licence(
        licence_id=new_id(),
        kind=kind,
        number=number,
        issuer=issuer,
        valid_from_on=valid_from_on,
        valid_until_on=valid_until_on,
        accepted_by=actor.actor_name,
        accepted_at=clock.now(),
        withdrawn_at=None,
    )
    await shop_store.move_licence_out(tx)
    await shop_store.insert_licence(tx, licence)
    audit(
        tx,
        actor,
        "stored_value.licence_accepted",
        ("shop", tx.shop_id),
        after={"kind": kind, "number": number, "issuer": issuer},
    )
    return licence


async def withdraw_licence(tx: Tx, actor: Actor) -> None:
    """Close the gate: nobody can pay in any more; what is in the wallets stays and may be spent
    or refunded. Raises NotLicensed."""
    if not await shop_store.move_licence_out(tx):
        raise NotLicensed
    audit(tx, actor, "stored_value.licence_withdrawn", ("shop", tx.shop_id))


async def list_offers(tx: ReadTx) -> list[TopUpOffer]:
    """The offers, the smallest first."""
    return await shop_store.list_offers(tx)


async def add_offer(
    tx: Tx, actor: Actor, *, amount_fen: int, bonus_fen: int, override_reason: str | None = None
) -> TopUpOffer:
    """Offer a bonus for an amount. Above the guard it needs a reason, which the trail keeps
    (mission 53). Raises NotLicensed, BonusTooHigh, OfferTaken."""
    assert 0 < amount_fen <= MAX_FEN and 0 <= bonus_fen <= MAX_FEN
    await check_open(tx)
    settings = await shop_store.get_settings(tx)
    overridden = rules.check_offer(amount_fen, bonus_fen, settings, override_reason)
    offer = TopUpOffer(
        offer_id=OfferId(new_id()),
        amount_fen=amount_fen,
        bonus_fen=bonus_fen,
        override_reason=override_reason if overridden else None,
        created_at=clock.now(),
        retired_at=None,
    )
    if not await shop_store.insert_offer(tx, offer):
        raise OfferTaken(amount_fen=amount_fen)
    after: dict[str, object] = {"amount_fen": amount_fen, "bonus_fen": bonus_fen}
    if overridden:
        after |= {"override_reason": override_reason, "limit_bps": settings.bonus_limit_bps}
    audit(tx, actor, "stored_value.offer_added", ("offer", offer.offer_id), after=after)
    return offer


async def retire_offer(tx: Tx, actor: Actor, offer_id: OfferId) -> None:
    """Take an offer away; top-ups that were begun with it stay. Raises OfferNotFound."""
    if not await shop_store.move_offer_out(tx, offer_id):
        raise OfferNotFound
    audit(tx, actor, "stored_value.offer_retired", ("offer", offer_id))
