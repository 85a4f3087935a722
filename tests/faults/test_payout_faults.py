"""F039: a payout is paid once, whatever is clicked, lost or killed. By the list's numbers."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Router

from siyu.kernel import clock, jobs
from siyu.kernel.auth import MemberIdentity, member_token
from siyu.kernel.db import transaction
from siyu.kernel.http import build_app
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.payouts import background, http_shop
from siyu.money.payouts import service as payouts
from siyu.money.payouts.contracts import PayoutState
from siyu.money.payouts.service import following
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import Retry, Transfer, TransferState, WeChatError
from siyu.wechat.transport.service import calling
from tests.money.payments.bench import KEY_ID, PUBLIC_KEY, V3_KEY, Pen, callback_app, configure
from tests.money.payouts.till import Till, desk, market, till, wechat_url

__all__ = ["desk", "market", "till", "wechat_url"]


@pytest.fixture(autouse=True)
async def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls wait for an answer no longer than the sandbox's slowest fault takes."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.5)


class _NoHooks:
    async def resolve_shop(self, code: str) -> None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> None:
        return None


async def test_F039_a_double_click_is_one_payout(till: Till) -> None:
    """The same key twice at once, then once more, then with another key."""
    app = build_app([Router("/shop/v1", route_handlers=http_shop.routes)], _NoHooks())
    member = MemberIdentity(till.desk.shop_id, till.member_id, 7)
    headers = {"Authorization": f"Bearer {member_token(member)}"}
    body = {"amount_fen": 5_000}
    wire = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=wire, base_url="https://shop.test") as http:

        async def click(key: str) -> httpx.Response:
            return await http.post(
                "/shop/v1/payouts", json=body, headers=headers | {"Idempotency-Key": key}
            )

        both = await asyncio.gather(click("k1"), click("k1"))
        assert sorted(answer.status_code for answer in both) in ([200, 200], [200, 409])
        again = await click("k1")
        assert again.status_code == 200 and again.headers["Idempotency-Replayed"] == "true"
        other = await click("k2")
        assert (other.status_code, other.json()["error"]["code"]) == (409, "payouts.payout_open")
    assert await till.transfers() == ["transfer"]
    assert await till.commission() == (95_000, 95_000)


async def test_F039_the_answer_is_lost_after_wechat_took_the_money(till: Till) -> None:
    await till.desk.fault("timeout_after_work", "transfer.create", seconds=2, times=3)
    made = await till.ask()
    assert await till.follow(made) is PayoutState.CREATED
    assert (await till.now(made)).problem is not None
    assert await till.transfers() == ["transfer"]
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.WAITING
    assert await till.transfers() == ["transfer"], "asked again, under the same number"


async def test_F039_the_worker_dies_between_call_and_record(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await till.ask()

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(following, "record", die)
        with pytest.raises(KeyboardInterrupt):
            await till.follow(made)
    assert (await till.row(made)).is_taken is False
    assert await till.transfers() == ["transfer"]
    await till.work(seconds=60)
    waiting = await till.now(made)
    assert waiting.state is PayoutState.WAITING
    assert waiting.number == made.number
    assert await till.transfers() == ["transfer"]


async def test_F039_a_refusal_of_a_number_that_was_accepted_is_not_believed(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a repeat ever differ, WeChat calls it a contradiction: the query tells the truth."""
    made = await till.ask()
    await till.desk.fault("timeout_after_work", "transfer.create", seconds=2, times=3)
    await till.follow(made)
    real = following._new_transfer
    monkeypatch.setattr(
        following,
        "_new_transfer",
        lambda row: msgspec.structs.replace(real(row), notify_url="https://new.test/x"),
    )
    await till.work(seconds=60, rounds=1)
    assert (await till.now(made)).state is PayoutState.WAITING
    assert (await till.row(made)).package is None
    monkeypatch.setattr(following, "_new_transfer", real)
    await till.work(seconds=300, rounds=1)
    assert (await till.row(made)).package is not None, "asked for again, under the same number"
    assert await till.transfers() == ["transfer"]


async def test_F039_refused_for_good_is_over_and_the_money_free(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await till.ask()
    monkeypatch.setattr(following.rules, "SCENE", "9999")
    assert await till.follow(made) is PayoutState.FAILED
    failed = await till.now(made)
    assert (failed.fail_reason, failed.state) == ("NO_AUTH", PayoutState.FAILED)
    assert await till.commission() == (100_000, 100_000)
    assert await till.transfers() == []


async def test_F039_without_money_at_wechat_it_waits_and_can_be_taken_back(till: Till) -> None:
    await till.desk.deposit(-500_000)
    made = await till.begin()
    assert (made.state, str(made.problem).split(":")[0]) == (PayoutState.CREATED, "NOT_ENOUGH")
    await till.cancel(made)
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.CANCELLED
    waits = await till.begin()
    await till.desk.deposit(500_000)
    await till.work(seconds=60)
    assert (await till.now(waits)).state is PayoutState.WAITING


async def test_F039_taken_back_while_the_call_was_on_its_way(till: Till) -> None:
    """WeChat took it, we heard nothing, the member cancels: it is found, and taken back there."""
    await till.desk.fault("timeout_after_work", "transfer.create", seconds=2, times=3)
    made = await till.begin()
    assert made.state is PayoutState.CREATED
    await till.cancel(made)
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.CANCELLED
    assert await till.transfers() == ["transfer", "transfer_back"]
    assert await till.commission() == (100_000, 100_000)


async def test_F039_wechat_breaks_down_while_we_take_it_back(till: Till) -> None:
    made = await till.begin()
    await till.cancel(made)
    await till.desk.fault("system_error", "transfer.cancel", times=3)
    assert await till.follow(made) is PayoutState.CANCELLING
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.CANCELLED


async def test_F039_the_phone_was_faster_than_our_cancellation_at_wechat(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await till.begin()
    await till.cancel(made)
    real = pay.cancel_transfer

    async def late(*args: Any) -> Transfer:
        asked = (await till.row(made)).package
        await till.desk.person.confirm_transfer(till.person_id, str(asked))
        return await real(*args)

    monkeypatch.setattr(pay, "cancel_transfer", late)
    assert await till.follow(made) is PayoutState.SENDING
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.PAID


async def test_F039_wechat_forgets_what_it_accepted(till: Till) -> None:
    made = await till.begin()
    async with transaction(till.desk.shop_id) as tx:
        await following._record_unknown(tx, made.payout_id)
    forgotten = await till.now(made)
    assert (forgotten.state, forgotten.problem) == (PayoutState.WAITING, "FORGOTTEN")


async def test_a_report_about_something_else_is_not_believed(till: Till) -> None:
    made = await till.ask()
    told = Transfer(
        out_bill_no=made.number,
        transfer_bill_no="133",
        state=TransferState.SUCCESS,
        transfer_amount=4_999,
    )
    async with transaction(till.desk.shop_id) as tx:
        assert await following.record(tx, made.payout_id, told) is PayoutState.CREATED
    assert (await till.now(made)).problem == "MISMATCH"
    assert await till.commission() == (100_000, 95_000)


async def test_another_merchant_number_cannot_ask(till: Till) -> None:
    made = await till.ask()
    other = await till.desk.person.call("POST", "/merchants", {"name": "别家"})
    await configure(
        till.desk.shop_id,
        other | {"appid": till.desk.keys["appid"], "secret": till.desk.keys["secret"]},
    )
    assert await till.follow(made) is PayoutState.CREATED
    assert str((await till.now(made)).problem).startswith("OTHER_MERCHANT")
    await configure(till.desk.shop_id, till.desk.keys)


# -- notifications -------------------------------------------------------------------------------


async def pen_of(till: Till) -> Pen:
    await configure(
        till.desk.shop_id,
        till.desk.keys,
        public_key_id=KEY_ID,
        public_key_pem=PUBLIC_KEY,
        api_v3_key=V3_KEY,
    )
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(callback_app()), base_url="https://shop.test"
    )
    return Pen(http, till.desk.shop_id, till.desk.keys["mchid"], till.desk.keys["appid"])


async def test_the_notification_ends_it_without_asking(till: Till) -> None:
    made = await till.begin()
    await till.confirm(made)
    await till.desk.person.bank(till.desk.keys["mchid"])
    clock.advance(timedelta(seconds=10))
    assert (await till.transfers())[-1] == "transfer_paid"
    pen = await pen_of(till)
    content = {
        "out_bill_no": made.number,
        "transfer_bill_no": "133",
        "state": "SUCCESS",
        "mchid": till.desk.keys["mchid"],
        "transfer_amount": 5_000,
    }
    raw = pen.body(content, event_type="MCHTRANSFER.BILL.FINISHED")
    for _ in range(2):
        assert (await pen.post(raw)).status_code == 204
    unknown = pen.body(content | {"out_bill_no": "nobody"}, event_type="MCHTRANSFER.BILL.FINISHED")
    assert (await pen.post(unknown)).status_code == 204
    other = pen.body(content, event_type="MCHTRANSFER.SOMETHING.NEW")
    assert (await pen.post(other)).status_code == 204
    assert await jobs.drain() == 3
    assert (await till.now(made)).state is PayoutState.PAID
    await configure(till.desk.shop_id, till.desk.keys)


async def test_the_notification_of_an_agreement_puts_it_in_force(till: Till) -> None:
    async with transaction(till.desk.shop_id) as tx:
        agreement_id = await payouts.request_agreement(tx, till.member_id)
    pen = await pen_of(till)
    content = {
        "out_authorization_no": agreement_id.hex,
        "authorization_id": "A1",
        "state": "TAKING_EFFECT",
    }
    for number in (agreement_id.hex, "nobody"):
        raw = pen.body(
            content | {"out_authorization_no": number},
            event_type="MCHTRANSFER.AUTHORIZATION.CONFIRMED",
        )
        assert (await pen.post(raw)).status_code == 204
    assert await jobs.drain() == 2
    assert (await till.ask()).is_confirmed_once
    await configure(till.desk.shop_id, till.desk.keys)


# -- the worker ----------------------------------------------------------------------------------


async def test_a_shop_without_keys_does_not_stop_the_others(till: Till) -> None:
    await till.ask()
    async with transaction(till.desk.shop_id) as tx:
        await payouts.request_agreement(tx, till.member_id)
        await tx.run("update shops.wechat set private_key_sealed = null")
    await background.follow_up_due()
    await background.follow_agreements_due()


async def test_a_bug_in_one_is_told(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    await till.ask()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(payouts, "follow_up", broken)
    with pytest.raises(ZeroDivisionError):
        await background.follow_up_due()


async def test_agreements_when_wechat_breaks_down_or_refuses(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with transaction(till.desk.shop_id) as tx:
        agreement_id = await payouts.request_agreement(tx, till.member_id)
    await till.desk.fault("system_error", "transfer.authorize", times=3)
    await payouts.follow_agreement(till.desk.shop_id, agreement_id)
    async with transaction(till.desk.shop_id) as tx:
        found = await payouts.get_agreement_view(tx, till.member_id)
        assert found is not None and found.state == "created"
        await tx.run("update payouts.agreements set account = 'nobody'")
    await payouts.follow_agreement(till.desk.shop_id, agreement_id)
    async with transaction(till.desk.shop_id) as tx:
        assert await payouts.get_agreement_view(tx, till.member_id) is None


async def test_what_comes_late_changes_nothing(till: Till) -> None:
    """WeChat's answer, or its refusal, about a payout that has ended meanwhile."""
    made = await till.ask()
    row = await till.row(made)
    await till.cancel(made)
    await till.follow(made)
    told = Transfer(out_bill_no=made.number, transfer_bill_no="1", state=TransferState.SUCCESS)
    async with transaction(till.desk.shop_id) as tx:
        assert await following.record(tx, made.payout_id, told) is PayoutState.CANCELLED
        assert await following._record_unknown(tx, made.payout_id) is PayoutState.CANCELLED
    late = WeChatError(403, "NO_AUTH", "no", retry=Retry.NEVER)
    found = await following._record_failure(till.desk.shop_id, row, late)
    assert found is PayoutState.CANCELLED
    assert await till.commission() == (100_000, 100_000)


@pytest.mark.parametrize("setting", ["appid", "mchid"])
async def test_a_shop_without_wechat_pays_nothing_out(till: Till, setting: str) -> None:
    for ask in (
        lambda tx: payouts.request_payout(tx, till.member_id, 7, 100, None),
        lambda tx: payouts.request_agreement(tx, till.member_id),
    ):
        with pytest.raises(WeChatNotSet) as unset:
            async with transaction(till.desk.shop_id) as tx:
                await tx.run(f"update shops.wechat set {setting} = null")
                await ask(tx)
        assert unset.value.details == {"setting": setting}
