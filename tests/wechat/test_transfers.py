"""Transfers to people: confirmed, declined, cancelled, forgotten, agreed to once for all."""

import secrets
from typing import Any

import pytest

from siyu.sandbox.people import PhoneError
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    AuthorizationState,
    NewAuthorization,
    NewTransfer,
    NoPermission,
    NotEnough,
    ReportInfo,
    Retry,
    Transfer,
    TransferState,
    WeChatError,
)

from .conftest import Till, pass_time

REPORTS = [
    ReportInfo(info_type="岗位类型", info_content="社群推广"),
    ReportInfo(info_type="报酬说明", info_content="十一月佣金"),
]


async def new_transfer(till: Till, amount: int = 5_000, **change: Any) -> NewTransfer:
    fields: dict[str, Any] = {
        "appid": till.keys["appid"],
        "out_bill_no": "T" + secrets.token_hex(12),
        "transfer_scene_id": "1005",
        "openid": await till.openid("p1"),
        "transfer_amount": amount,
        "transfer_remark": "佣金",
        "transfer_scene_report_infos": REPORTS,
        "notify_url": "http://shop.test/transfer",
    }
    return NewTransfer(**(fields | change))


async def found(till: Till, number: str) -> Transfer:
    transfer = await pay.query_transfer(till.credentials, number)
    assert transfer is not None
    return transfer


async def test_the_life_of_a_transfer(till: Till) -> None:
    await till.person.deposit(till.mchid, 100_000)
    wanted = await new_transfer(till)
    assert await pay.query_transfer(till.credentials, wanted.out_bill_no) is None
    started = await pay.create_transfer(till.credentials, wanted)
    assert started.state is TransferState.WAIT_USER_CONFIRM and started.package_info
    again = await pay.create_transfer(till.credentials, wanted)
    assert again == started, "found again"
    bank = await till.bank()
    assert (bank["basic_fen"], bank["transfers_fen"]) == (95_000, 5_000)
    assert bank["books_fen"] == 100_000
    with pytest.raises(PhoneError, match="不一致"):
        await till.person.confirm_transfer("p2", started.package_info)
    before = await till.purse("p1")
    card = await till.person.confirm_transfer("p1", started.package_info)
    assert (card["amount_fen"], card["kind"]) == (5_000, "transfer")
    assert (await found(till, wanted.out_bill_no)).state is TransferState.TRANSFERING
    pass_time(seconds=4)
    done = await found(till, wanted.out_bill_no)
    assert (done.state, done.transfer_amount) == (TransferState.SUCCESS, 5_000)
    assert await till.purse("p1") == before + 5_000
    assert (await till.bank())["transfers_fen"] == 0
    [told] = await till.told("MCHTRANSFER")
    assert (told.event_type, told.original_type) == ("MCHTRANSFER.BILL.FINISHED", "mch_payment")
    read = pay.read_transfer(told)
    assert (read.state, read.mch_id) == (TransferState.SUCCESS, till.mchid)
    assert (read.out_bill_no, read.transfer_amount) == (wanted.out_bill_no, 5_000)


async def ended(till: Till, wanted: NewTransfer) -> Transfer:
    pass_time(seconds=4)
    return await found(till, wanted.out_bill_no)


@pytest.fixture
async def rich(till: Till) -> Till:
    await till.person.deposit(till.mchid, 1_000_000)
    return till


async def test_declined_cancelled_and_forgotten_money_comes_back(rich: Till) -> None:
    declined, cancelled, forgotten = [await new_transfer(rich) for _ in range(3)]
    packages = [
        (await pay.create_transfer(rich.credentials, one)).package_info
        for one in (declined, cancelled, forgotten)
    ]
    assert (await rich.bank())["transfers_fen"] == 15_000
    await rich.person.confirm_transfer("p1", packages[0], accepts=False)
    canceling = await pay.cancel_transfer(rich.credentials, cancelled.out_bill_no)
    assert canceling.state is TransferState.CANCELING
    with pytest.raises(PhoneError, match="失效"):
        await rich.person.confirm_transfer("p1", packages[1])
    assert (await ended(rich, declined)).state is TransferState.FAIL
    assert (await ended(rich, cancelled)).state is TransferState.CANCELLED
    again = await pay.cancel_transfer(rich.credentials, cancelled.out_bill_no)
    assert again.state is TransferState.CANCELLED, "repeating is harmless"
    pass_time(hours=24)
    late = await found(rich, forgotten.out_bill_no)
    assert (late.state, late.fail_reason) == (TransferState.FAIL, "OVERDUE_CLOSE")
    with pytest.raises(PhoneError, match="失效"):
        await rich.person.confirm_transfer("p1", packages[2])
    bank = await rich.bank()
    assert (bank["transfers_fen"], bank["basic_fen"]) == (0, 1_000_000)
    told = {pay.read_transfer(one).state for one in await rich.told("MCHTRANSFER")}
    assert told == {TransferState.FAIL, TransferState.CANCELLED}
    cards = await rich.person.call("GET", "/people/p1/messages")
    assert [card["kind"] for card in cards] == ["transfer"] * 3
    assert all('"WAIT_USER_CONFIRM"' not in card["payload"] for card in cards)


async def test_the_person_may_be_faster_than_the_cancellation(rich: Till) -> None:
    wanted = await new_transfer(rich)
    package = (await pay.create_transfer(rich.credentials, wanted)).package_info
    await rich.person.confirm_transfer("p1", package)
    with pytest.raises(WeChatError, match="不支持撤销") as refused:
        await pay.cancel_transfer(rich.credentials, wanted.out_bill_no)
    assert refused.value.retry is Retry.NEVER
    assert (await ended(rich, wanted)).state is TransferState.SUCCESS
    with pytest.raises(WeChatError, match="不存在"):
        await pay.cancel_transfer(rich.credentials, "NOSUCH")


async def test_what_is_refused_at_once(rich: Till) -> None:
    known = await new_transfer(rich)
    await pay.create_transfer(rich.credentials, known)
    half = REPORTS[:1]
    wrong = [ReportInfo(info_type="活动名称", info_content="x"), REPORTS[1]]
    reward = [
        ReportInfo(info_type="活动名称", info_content="双十一"),
        ReportInfo(info_type="奖励说明", info_content="抽奖"),
    ]
    for change, code, words in (
        ({"out_bill_no": known.out_bill_no, "transfer_remark": "别的"}, "INVALID_REQUEST", "单号"),
        ({"out_bill_no": "with-dash"}, "PARAM_ERROR", ""),
        ({"transfer_amount": 9}, "INVALID_REQUEST", "上下限"),
        ({"transfer_amount": 2_000_001, "user_name": "林小满"}, "INVALID_REQUEST", "上下限"),
        ({"transfer_amount": 200_000}, "PARAM_ERROR", "必填"),
        ({"transfer_amount": 29, "user_name": "林小满"}, "PARAM_ERROR", "0.3元"),
        ({"transfer_scene_report_infos": half}, "PARAM_ERROR", "报备"),
        ({"transfer_scene_report_infos": wrong}, "PARAM_ERROR", "报备"),
        ({"transfer_scene_report_infos": []}, "PARAM_ERROR", "报备"),
        (
            {
                "transfer_scene_id": "1000",
                "transfer_scene_report_infos": reward,
                "user_recv_perception": "工资",
            },
            "INVALID_REQUEST",
            "收款感知",
        ),
        ({"transfer_remark": "长" * 33}, "PARAM_ERROR", ""),
        ({"openid": "o-nobody"}, "PARAM_ERROR", "openid"),
        ({"appid": "wx0000000000000000"}, "APPID_MCHID_NOT_MATCH", ""),
    ):
        with pytest.raises(WeChatError, match=words or None) as refused:
            await pay.create_transfer(rich.credentials, await new_transfer(rich, **change))
        assert (refused.value.code, refused.value.retry) == (code, Retry.NEVER), change
    with pytest.raises(NoPermission):
        await pay.create_transfer(
            rich.credentials, await new_transfer(rich, transfer_scene_id="9999")
        )
    with pytest.raises(NotEnough):
        await pay.create_transfer(
            rich.credentials, await new_transfer(rich, 1_500_000, user_name="林小满")
        )
    assert (await rich.bank())["transfers_fen"] == 5_000


async def test_a_name_is_checked_against_the_one_wechat_knows(rich: Till) -> None:
    right = await new_transfer(rich, 200_000, user_name="林小满")
    started = await pay.create_transfer(rich.credentials, right)
    assert started.state is TransferState.WAIT_USER_CONFIRM
    await pay.create_transfer(rich.credentials, right)  # encrypted anew: still the same transfer
    wrong = await new_transfer(rich, 200_000, user_name="别人")
    accepted = await pay.create_transfer(rich.credentials, wrong)
    assert (accepted.state, accepted.package_info) == (TransferState.ACCEPTED, "")
    done = await ended(rich, wrong)
    assert (done.state, done.fail_reason) == (TransferState.FAIL, "NAME_NOT_CORRECT")
    assert (await rich.bank())["transfers_fen"] == 200_000


async def test_a_transfer_may_fail_after_it_was_confirmed(rich: Till) -> None:
    wanted = await new_transfer(rich)
    package = (await pay.create_transfer(rich.credentials, wanted)).package_info
    await rich.person.order_fault("transfer_failed", code="DAY_RECEIVED_QUOTA_EXCEED")
    await rich.person.confirm_transfer("p1", package)
    done = await ended(rich, wanted)
    assert (done.state, done.fail_reason) == (TransferState.FAIL, "DAY_RECEIVED_QUOTA_EXCEED")
    assert (await rich.bank())["basic_fen"] == 1_000_000


async def test_F039_a_transfer_whose_answer_was_lost_is_not_made_twice(rich: Till) -> None:
    wanted = await new_transfer(rich)
    await rich.person.order_fault("timeout_after_work", "transfer.create", times=3, seconds=0.1)
    with pytest.raises(WeChatError) as lost:
        await pay.create_transfer(rich.credentials, wanted)
    assert lost.value.retry is Retry.UNKNOWN
    assert (await found(rich, wanted.out_bill_no)).state is TransferState.WAIT_USER_CONFIRM
    assert (await rich.bank())["transfers_fen"] == 5_000


async def test_who_has_agreed_once_confirms_no_more(rich: Till) -> None:
    openid = await rich.openid("p1")
    wish = NewAuthorization(
        appid=rich.keys["appid"],
        out_authorization_no="A" + secrets.token_hex(8),
        openid=openid,
        transfer_scene_id="1005",
        user_display_name="林小满",
        authorization_notify_url="http://shop.test/agreed",
    )
    number = wish.out_authorization_no
    assert await pay.query_authorization(rich.credentials, number) is None
    asked = await pay.request_authorization(rich.credentials, wish)
    assert asked.state is AuthorizationState.WAIT_USER_CONFIRM and asked.package_info
    assert await pay.request_authorization(rich.credentials, wish) == asked
    with pytest.raises(PhoneError, match="不一致"):
        await rich.person.confirm_transfer("p2", asked.package_info)
    card = await rich.person.confirm_transfer("p1", asked.package_info)
    assert card["kind"] == "authorization"
    agreed = await pay.query_authorization(rich.credentials, number)
    assert agreed is not None and agreed.state is AuthorizationState.TAKING_EFFECT
    [told] = await rich.told("MCHTRANSFER.AUTHORIZATION")
    assert told.event_type == "MCHTRANSFER.AUTHORIZATION.CONFIRMED"
    assert pay.read_authorization(told) == agreed
    wanted = await new_transfer(rich, authorization_id=agreed.authorization_id)
    before = await rich.purse("p1")
    started = await pay.create_transfer(rich.credentials, wanted)
    assert (started.state, started.openid) == (TransferState.ACCEPTED, openid)
    assert (await ended(rich, wanted)).state is TransferState.SUCCESS
    assert await rich.purse("p1") == before + 5_000
    with pytest.raises(NoPermission):
        await pay.create_transfer(rich.credentials, await new_transfer(rich, authorization_id="x"))


async def test_nobody_agrees_in_a_day_or_says_no(rich: Till) -> None:
    openid = await rich.openid("p1")
    for number, answers in (("A1", False), ("A2", None)):
        wish = NewAuthorization(
            appid=rich.keys["appid"],
            out_authorization_no=number,
            openid=openid,
            transfer_scene_id="1005",
            user_display_name="林小满",
            authorization_notify_url="http://shop.test/agreed",
        )
        asked = await pay.request_authorization(rich.credentials, wish)
        if answers is not None:
            await rich.person.confirm_transfer("p1", asked.package_info, accepts=answers)
        pass_time(hours=24, seconds=1)
        over = await pay.query_authorization(rich.credentials, number)
        assert over is not None and over.state is AuthorizationState.CLOSED
