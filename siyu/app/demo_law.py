"""Papers of the demo shop: a violation, a text on its way to legal, an export that waits for a
second person, a card that was on the wrong member, a wish to be forgotten."""

from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import CaseKind, Step
from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Draft, Scene
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.people.members import service as members
from siyu.people.members.contracts import IdentifierKind
from siyu.people.privacy import service as privacy
from siyu.people.privacy.contracts import ErasureRefused

_AUTHOR = System(actor="demo:author", actor_name="内容 小林")
_EDITOR = System(actor="demo:editor", actor_name="主编 老周")
_LEGAL = System(actor="demo:legal", actor_name="法务 陈律")


async def load(shop_id: ShopId) -> None:
    """Once: what the pages of compliance show of a shop that has lived for a while."""
    async with transaction(shop_id) as tx:
        if await rulebook.list_violations(tx):
            return
        for days, points, what in (
            (40, 10, "群里发「转发领茶样」被投诉"),
            (9, 15, "朋友圈推广未标广告"),
        ):
            await rulebook.note_violation(
                tx, _EDITOR, happened_at=clock.now() - timedelta(days=days), source="platform",
                rule_id=None, points=points, what=what,
            )  # fmt: skip
        draft = Draft(Scene.MESSAGE, {"text": "到店品鉴请致电店长 13712345678，名额有限。"})
        waiting = await approvals.ask_override(
            tx, _AUTHOR, draft, "202.personal_data", "店长公开的工作电话，已书面同意"
        )
        text = {"title": "春茶预订", "text": "明前龙井开始预订，三月底发货。"}
        done = await approvals.open_case(
            tx, _AUTHOR, CaseKind.TEMPLATE, title="春茶预订提醒", content=text
        )
        for one, who, step in (
            (waiting, _EDITOR, Step.EDITOR),
            (done, _EDITOR, Step.EDITOR),
            (done, _LEGAL, Step.LEGAL),
        ):
            await approvals.sign(tx, who, one.case_id, step, True, one.content_hash, "")
        everybody = members.PeopleFilter()
        await approvals.ask_export(
            tx, _AUTHOR, what="members", asked=msgspec.to_builtins(everybody),
            rows=await members.count_members(tx, everybody), reason="年度会员回访",
        )  # fmt: skip
        await _mistaken_card(tx)
    for member in await _newest(shop_id):
        try:
            async with transaction(shop_id) as tx:
                await privacy.ask_erasure(tx, _EDITOR, member, "客户来电要求注销")
        except ErasureRefused:
            continue
        async with transaction(shop_id) as tx:
            archive_id = await privacy.ask_archive(tx, _EDITOR, member, "客户来电索取自己的数据")
        await privacy.make_archive(shop_id, archive_id)
        break


async def _mistaken_card(tx: Tx) -> None:
    [member, *_] = await members.list_members(tx, None, None, 1)
    await members.link_by_staff(tx, _EDITOR, member.member_id, IdentifierKind.CARD, "TEA-20260917")
    person = await members.get_identities(tx, member.member_id)
    [ref] = [
        one.ref
        for record in person.records
        for one in record.identifiers
        if one.kind is IdentifierKind.CARD and one.masked.endswith("0917")
    ]
    assert ref is not None
    await members.unlink(
        tx, _EDITOR, member.member_id, IdentifierKind.CARD, ref, "门店录错，卡属于同名顾客"
    )


async def _newest(shop_id: ShopId) -> list[UUID]:
    async with transaction(shop_id) as tx:
        return [one.member_id for one in await members.list_members(tx, None, None, 20)]
