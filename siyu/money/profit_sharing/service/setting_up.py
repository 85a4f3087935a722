"""What a shop shares with whom: settings, rules, promoters. Every change leaves a line."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Feature
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.money.profit_sharing import rules
from siyu.money.profit_sharing.contracts import (
    Promoter,
    PromoterRefused,
    PromoterUnknown,
    RatioTooHigh,
    ReceiverState,
    ReceiverUnknown,
    Rule,
    RuleDraft,
    RuleTaken,
    RuleUnknown,
    Settings,
    Way,
)
from siyu.money.profit_sharing.service import partner_store
from siyu.people.members import service as members

_USABLE = (ReceiverState.ADDING, ReceiverState.ACTIVE)


async def set_settings(tx: Tx, actor: Actor, settings: Settings) -> Settings:
    """Write what may be shared. Raises RatioTooHigh when rules in force would exceed it (F035),
    BadRule when one would come due after the freeze."""
    before = await partner_store.lock_settings(tx)
    active = await partner_store.list_rules(tx, only_active=True)
    _check_ratio(active, settings)
    for rule in active:
        rules.check_rule(_draft(rule), settings)
    await partner_store.update_settings(tx, settings)
    audit(
        tx,
        actor,
        "profit_sharing.settings_changed",
        ("shop", tx.shop_id),
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(settings),
    )
    return settings


async def add_rule(tx: Tx, actor: Actor, draft: RuleDraft) -> Rule:
    """Put a rule in force for orders paid from now on.

    Raises BadRule, ReceiverUnknown, RuleTaken, and RatioTooHigh when together with the others it
    could share more than the contract allows (F035).
    """
    settings = await partner_store.lock_settings(tx)
    rules.check_rule(draft, settings)
    if draft.receiver_id is not None:
        receiver = await partner_store.get_receiver(tx, draft.receiver_id)
        if receiver is None or receiver.state not in _USABLE:
            raise ReceiverUnknown
    active = await partner_store.list_rules(tx, only_active=True)
    _check_ratio([*active, draft], settings)
    rule = Rule(
        rule_id=new_id(), is_active=True, created_at=clock.now(), **msgspec.structs.asdict(draft)
    )
    if not await partner_store.insert_rule(tx, rule):
        raise RuleTaken
    audit(
        tx,
        actor,
        "profit_sharing.rule_added",
        ("split_rule", rule.rule_id),
        after=msgspec.to_builtins(draft),
    )
    return rule


async def stop_rule(tx: Tx, actor: Actor, rule_id: UUID) -> Rule:
    """Take a rule out of force; orders it was frozen into keep it. Raises RuleUnknown."""
    await partner_store.lock_settings(tx)
    rule = await partner_store.stop_rule(tx, rule_id)
    if rule is None:
        raise RuleUnknown
    audit(tx, actor, "profit_sharing.rule_stopped", ("split_rule", rule_id))
    return rule


async def set_promoter(tx: Tx, actor: Actor, member_id: UUID, parent_id: UUID | None) -> Promoter:
    """Make a member a promoter, brought by `parent_id` or by nobody; orders paid before keep the
    relation they were paid with (F040).

    Raises MemberNotFound, and PromoterRefused: a parent must be of level 1, and who has brought
    others cannot have one; FeaturePaused while violation points pause distribution (F098).
    """
    await rulebook.must_be_open(tx, Feature.DISTRIBUTION)
    await partner_store.lock_settings(tx)
    await members.get_member(tx, member_id)
    before = await partner_store.get_promoter(tx, member_id)
    promoter = Promoter(
        member_id=member_id,
        level=1 if parent_id is None else 2,
        parent_id=parent_id,
        created_at=before.created_at if before else clock.now(),
    )
    if parent_id == member_id or not await partner_store.set_promoter(tx, promoter):
        raise PromoterRefused
    audit(
        tx,
        actor,
        "profit_sharing.promoter_set",
        ("member", member_id),
        before={"parent_id": str(before.parent_id)} if before else None,
        after={"parent_id": str(parent_id)},
    )
    return promoter


async def remove_promoter(tx: Tx, actor: Actor, member_id: UUID) -> None:
    """A member promotes no more; what was earned stays. Raises PromoterUnknown, PromoterRefused
    while others were brought by them."""
    await partner_store.lock_settings(tx)
    if await partner_store.get_promoter(tx, member_id) is None:
        raise PromoterUnknown
    if not await partner_store.delete_promoter(tx, member_id):
        raise PromoterRefused
    audit(tx, actor, "profit_sharing.promoter_removed", ("member", member_id))


def _draft(rule: Rule) -> RuleDraft:
    return RuleDraft(**{name: getattr(rule, name) for name in RuleDraft.__struct_fields__})


def _check_ratio(listed: Sequence[Rule | RuleDraft], settings: Settings) -> None:
    for way, max_bps in ((Way.SPLIT, settings.max_ratio_bps), (None, 10_000 - settings.fee_bps)):
        sum_bps = rules.highest_bps(listed, way)
        if sum_bps > max_bps:
            raise RatioTooHigh(sum_bps=sum_bps, max_bps=max_bps)
