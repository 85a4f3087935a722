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
    NotSigned,
    NotYourStep,
    OtherPersonNeeded,
    Path,
    Step,
)
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
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId

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
