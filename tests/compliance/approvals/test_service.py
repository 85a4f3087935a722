"""Sign-offs over the exact content, overrides, and violation points."""

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from siyu.compliance.approvals import service
from siyu.compliance.approvals.contracts import (
    Case,
    CaseKind,
    CaseState,
    ExportLimit,
    NotSigned,
    NotYourStep,
    OtherPersonNeeded,
    Path,
    Step,
)
from siyu.compliance.approvals.rules import EXPORT_ALONE_MAX
from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import (
    BadPolicy,
    Draft,
    Feature,
    FeaturePaused,
    RuleBroken,
    Scene,
)
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from tests.merchant.lanes import HASH

TEXT = {"title": "春茶上市", "text": "明前龙井到店"}


class Someone(msgspec.Struct, frozen=True):
    actor: str
    actor_name: str


ANN, BEN, CAI = (Someone(f"staff:{n}", n) for n in ("ann", "ben", "cai"))


async def opened(tx: Tx, path: Path = Path.NORMAL) -> Case:
    return await service.open_case(
        tx, ANN, CaseKind.TEMPLATE, title="春茶", content=TEXT, path=path
    )


async def sign(tx: Tx, case: Case, who: Someone, step: Step, approved: bool = True) -> Case:
    return await service.sign(tx, who, case.case_id, step, approved, case.content_hash, "")


async def test_the_chain_ends_with_legal_and_holds_for_this_content_alone(tx: Tx) -> None:
    case = await opened(tx)
    assert case.next_step is Step.EDITOR and [s.step for s in case.signoffs] == [Step.AUTHOR]
    with pytest.raises(NotSigned):
        await service.must_be_signed(tx, CaseKind.TEMPLATE, TEXT)
    await sign(tx, case, BEN, Step.EDITOR)
    done = await sign(tx, case, CAI, Step.LEGAL)
    assert done.state is CaseState.APPROVED and done.next_step is None
    await service.must_be_signed(tx, CaseKind.TEMPLATE, TEXT)
    for other in ({**TEXT, "text": "明前龙井到店。"}, {"title": "春茶上市"}):
        with pytest.raises(NotSigned):
            await service.must_be_signed(tx, CaseKind.TEMPLATE, other)
    with pytest.raises(NotSigned):
        await service.must_be_signed(tx, CaseKind.CAMPAIGN, TEXT)


async def test_steps_come_in_order_over_the_content_that_was_read(tx: Tx) -> None:
    case = await opened(tx)
    with pytest.raises(NotYourStep):
        await sign(tx, case, CAI, Step.LEGAL)
    with pytest.raises(NotYourStep):
        await service.sign(tx, BEN, case.case_id, Step.EDITOR, True, "0" * 64, "")
    assert len((await service.get_case(tx, case.case_id)).signoffs) == 1


async def test_nobody_signs_after_themselves_and_strictly_nobody_twice(tx: Tx) -> None:
    case = await opened(tx)
    with pytest.raises(OtherPersonNeeded):
        await sign(tx, case, ANN, Step.EDITOR)
    await sign(tx, case, BEN, Step.EDITOR)
    for who in (ANN, BEN):
        with pytest.raises(OtherPersonNeeded):
            await sign(tx, case, who, Step.LEGAL)
    strict = await opened(tx, Path.STRICT)
    await sign(tx, strict, BEN, Step.EDITOR)
    with pytest.raises(OtherPersonNeeded):
        await sign(tx, strict, BEN, Step.LEGAL)
    assert (await sign(tx, strict, CAI, Step.LEGAL)).state is CaseState.APPROVED


async def test_a_refusal_ends_the_chain(tx: Tx) -> None:
    case = await opened(tx)
    refused = await sign(tx, case, BEN, Step.EDITOR, approved=False)
    assert refused.state is CaseState.REFUSED and refused.next_step is None
    with pytest.raises(NotYourStep):
        await sign(tx, case, CAI, Step.LEGAL)


async def test_signatures_and_contents_are_never_changed(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        await opened(tx)
    for change in (
        "update approvals.signoffs set approved = false", "delete from approvals.signoffs",
        "update approvals.cases set content = '{}'", "delete from approvals.cases",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(shop) as tx:
                await tx.run(change)


async def test_an_override_lets_exactly_the_signed_content_pass_for_thirty_days(tx: Tx) -> None:
    draft = Draft(Scene.MESSAGE, {"text": "有事打 13812345678"})
    with pytest.raises(RuleBroken) as refused:
        await rulebook.must_pass(tx, draft)
    assert refused.value.details["rules"] == ["202.personal_data"]
    case = await service.ask_override(tx, ANN, draft, "202.personal_data", "店主公开的电话")
    assert case.path is Path.STRICT
    await sign(tx, case, BEN, Step.EDITOR)
    with pytest.raises(RuleBroken):
        await rulebook.must_pass(tx, draft)
    await sign(tx, case, CAI, Step.LEGAL)
    [finding] = await rulebook.must_pass(tx, draft)
    assert finding.override_id is not None
    [one] = await rulebook.list_overrides(tx)
    assert (one.asked_by, one.granted_by, one.used_count) == (ANN.actor, CAI.actor, 1)
    with pytest.raises(RuleBroken):
        await rulebook.must_pass(tx, Draft(Scene.MESSAGE, {"text": "有事请打 13812345678"}))
    clock.advance(timedelta(days=31))
    with pytest.raises(RuleBroken):
        await rulebook.must_pass(tx, draft)


async def test_there_is_no_override_for_what_is_not_broken(tx: Tx) -> None:
    with pytest.raises(RuleBroken):
        await service.ask_override(
            tx, ANN, Draft(Scene.MESSAGE, {"text": "春茶上市"}), "200.induced_sharing", "为了活动"
        )


async def note(tx: Tx, points: int, days_ago: int = 0) -> str:
    standing = await rulebook.note_violation(
        tx, ANN, happened_at=clock.now() - timedelta(days=days_ago), source="platform",
        rule_id="200.induced_sharing", points=points, what="诱导分享",
    )  # fmt: skip
    return standing.level


async def test_F098_points_near_the_limit_alert_and_then_pause_risky_features(tx: Tx) -> None:
    assert await note(tx, 59) == "calm"
    assert tx._events == []
    assert await note(tx, 1) == "alert"
    assert [(e.points, e.level) for _, _, e, _ in tx._events] == [(60, "alert")]
    await rulebook.must_be_open(tx, Feature.LOTTERY)
    assert await note(tx, 20) == "paused"
    assert await note(tx, 1) == "paused"
    assert [e.level for _, _, e, _ in tx._events] == ["alert", "paused"], "told once per line"
    with pytest.raises(FeaturePaused):
        await rulebook.must_be_open(tx, Feature.LOTTERY)
    worst = max(await rulebook.list_violations(tx), key=lambda one: one.points)
    await rulebook.move_violation(tx, ANN, worst.violation_id, "appealed", "")
    assert (await rulebook.get_standing(tx)).level == "paused", "an appeal alone changes nothing"
    await rulebook.move_violation(tx, ANN, worst.violation_id, "withdrawn", "申诉成功")
    assert (await rulebook.get_standing(tx)).points == 22
    await rulebook.must_be_open(tx, Feature.LOTTERY)


async def test_F098_points_count_for_a_year_and_by_the_shops_policy(tx: Tx) -> None:
    assert await note(tx, 90, days_ago=366) == "calm"
    policy = msgspec.structs.replace(
        rulebook.DEFAULT_POLICY, alert_points=5, pause_points=10, features=[Feature.SHARING]
    )
    await rulebook.save_policy(tx, ANN, policy)
    assert await note(tx, 10) == "paused"
    await rulebook.must_be_open(tx, Feature.LOTTERY)
    with pytest.raises(FeaturePaused):
        await rulebook.must_be_open(tx, Feature.SHARING)
    with pytest.raises(BadPolicy):
        await rulebook.save_policy(tx, ANN, msgspec.structs.replace(policy, alert_points=11))


# --- exports (F084) -------------------------------------------------------------------------------


async def colleagues(shop: ShopId, count: int, first: int = 0) -> None:
    """So many people of the shop who may sign."""
    for no in range(first, first + count):
        async with system_transaction(shop) as tx:
            await staff.add_staff(
                tx, System(), login_name=f"boss-{shop}-{no}", name="小王", password_hash=HASH,
                role=Role.OWNER,
            )  # fmt: skip


async def ask(shop: ShopId, rows: int, who: Someone = ANN, level: str = "vip") -> Case | None:
    async with transaction(shop) as tx:
        return await service.ask_export(
            tx, who, what="members", asked={"level": level}, rows=rows, reason="年度回访"
        )


async def sign_second(shop: ShopId, case: Case, who: Someone, approved: bool = True) -> Case:
    async with transaction(shop) as tx:
        return await sign(tx, case, who, Step.SECOND, approved)


async def test_F084_many_rows_wait_for_a_second_person_and_leave_once(shop: ShopId) -> None:
    await colleagues(shop, 2)
    assert await ask(shop, EXPORT_ALONE_MAX) is None, "what one person may"
    case = await ask(shop, 5_000)
    assert case is not None and (case.path, case.next_step) == (Path.SECOND, Step.SECOND)
    assert case.content == {
        "what": "members", "asked": {"level": "vip"}, "rows": 5_000, "reason": "年度回访",
    }  # fmt: skip
    again = await ask(shop, 5_000)
    assert again is not None and again.case_id == case.case_id, "one wish, one case"
    with pytest.raises(OtherPersonNeeded):
        await sign_second(shop, case, ANN)
    assert (await sign_second(shop, case, BEN)).state is CaseState.APPROVED
    for rows, who, level in ((5_600, ANN, "vip"), (5_000, CAI, "vip"), (5_000, ANN, "normal")):
        other = await ask(shop, rows, who, level)
        assert other is not None and other.case_id != case.case_id, "not what was signed"
    async with transaction(shop) as tx:
        everybody = await service.ask_export(
            tx, ANN, what="members", asked={}, rows=5_000, reason="全部"
        )
    assert everybody is not None and everybody.case_id != case.case_id, "wider than what was signed"
    assert await ask(shop, 5_400) is None, "a few more since then are no news"
    later = await ask(shop, 5_000)
    assert later is not None, "a signature lets it out once"
    async with reading(shop) as tx:
        trail = await tx.connection.fetch(
            "select detail from kernel.audit where action = 'approvals.exported' order by audit_id"
        )
    assert [line["detail"]["after"]["rows"] for line in trail] == [EXPORT_ALONE_MAX, 5_400]
    assert trail[1]["detail"]["after"]["case_id"] == str(case.case_id)


async def test_F084_a_signature_is_over_after_a_day_and_a_refusal_ends_it(shop: ShopId) -> None:
    await colleagues(shop, 2)
    case = await ask(shop, 5_000)
    assert case is not None
    await sign_second(shop, case, BEN)
    clock.advance(timedelta(hours=25))
    later = await ask(shop, 5_000)
    assert later is not None and later.case_id != case.case_id
    await sign_second(shop, later, BEN, approved=False)
    anew = await ask(shop, 5_000)
    assert anew is not None and anew.case_id not in (case.case_id, later.case_id)


async def test_F084_a_shop_sets_how_many_rows_one_person_may_take(shop: ShopId) -> None:
    await colleagues(shop, 2)
    for rows in (0, 1_500):
        async with transaction(shop) as tx:
            await service.set_export_limit(tx, ANN, ExportLimit(rows))
        assert await ask(shop, rows) is None
        assert await ask(shop, rows + 1) is not None, "one row more waits"
    async with reading(shop) as tx:
        trail = await tx.connection.fetch(
            """select detail from kernel.audit where action = 'approvals.export_limit_set'
               order by audit_id"""
        )
    told = [(line["detail"]["before"]["rows"], line["detail"]["after"]["rows"]) for line in trail]
    assert told == [(EXPORT_ALONE_MAX, 0), (0, 1_500)], "who loosened it stands in the trail"


async def test_an_owner_without_anybody_who_could_sign_answers_alone(shop: ShopId) -> None:
    await colleagues(shop, 1)
    assert await ask(shop, 5_000) is None
    await colleagues(shop, 1, 7)
    assert await ask(shop, 5_000) is not None
