"""Profit sharing: receivers, splits, returns, unfreezing; with every limit of the documents."""

import secrets
from typing import Any

import msgspec
import pytest

from siyu.kernel import clock
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    NewReceiver,
    NewShare,
    NewSplit,
    NewSplitReturn,
    NotEnough,
    NotYet,
    ReceiverType,
    RelationType,
    Retry,
    ReturnResult,
    RuleLimit,
    ShareResult,
    Split,
    SplitState,
    WeChatError,
)

from .conftest import Till, pass_time
from .test_refunds import finished, new_refund


async def add_person(till: Till, person_id: str = "p1", **change: Any) -> str:
    """Somebody may receive; their openid."""
    openid = await till.openid(person_id)
    fields: dict[str, Any] = {
        "appid": till.keys["appid"],
        "type": ReceiverType.PERSONAL_OPENID,
        "account": openid,
        "relation_type": RelationType.DISTRIBUTOR,
    }
    await pay.add_receiver(till.credentials, NewReceiver(**(fields | change)))
    return openid


def share(openid: str, amount: int, **change: Any) -> NewShare:
    fields: dict[str, Any] = {
        "type": ReceiverType.PERSONAL_OPENID,
        "account": openid,
        "amount": amount,
        "description": "团长佣金",
    }
    return NewShare(**(fields | change))


def new_split(till: Till, transaction_id: str, *shares: NewShare, end: bool = False) -> NewSplit:
    return NewSplit(
        appid=till.keys["appid"],
        transaction_id=transaction_id,
        out_order_no="S" + secrets.token_hex(12),
        receivers=list(shares),
        unfreeze_unsplit=end,
    )


async def settled(till: Till, wanted: NewSplit) -> Split:
    """After WeChat had its time."""
    pass_time(seconds=6)
    found = await pay.query_split(till.credentials, wanted.out_order_no, wanted.transaction_id)
    assert found is not None and found.state is SplitState.FINISHED
    return found


async def test_the_life_of_a_split(till: Till) -> None:
    openid = await add_person(till)
    trade = await till.buy(10_000, is_shared=True)
    assert (await till.bank())["frozen_fen"] == 9_940
    assert await pay.query_unsplit(till.credentials, trade.transaction_id) == 9_940
    wanted = new_split(till, trade.transaction_id, share(openid, 2_000), end=True)
    with pytest.raises(NotYet) as early:
        await pay.split(till.credentials, wanted)
    assert early.value.retry is Retry.RETRY, "F034"
    pass_time(seconds=61)
    before = await till.purse("p1")
    started = await pay.split(till.credentials, wanted)
    assert started.state is SplitState.PROCESSING
    assert [one.result for one in started.receivers] == [ShareResult.PENDING]
    assert await pay.split(till.credentials, wanted) == started, "found again"
    done = await settled(till, wanted)
    [mine, rest] = done.receivers
    assert (mine.account, mine.amount, mine.result) == (openid, 2_000, ShareResult.SUCCESS)
    assert (rest.account, rest.amount) == (till.mchid, 7_940), "what was unfrozen"
    assert await till.purse("p1") == before + 2_000
    bank = await till.bank()
    assert (bank["frozen_fen"], bank["basic_fen"]) == (0, 7_940)
    assert await pay.query_unsplit(till.credentials, trade.transaction_id) == 0
    with pytest.raises(WeChatError, match="已完结"):
        await pay.split(till.credentials, new_split(till, trade.transaction_id, share(openid, 1)))


async def test_F033_each_receiver_has_a_result_of_its_own(till: Till) -> None:
    first, second = await add_person(till, "p1"), await add_person(till, "p2")
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    wanted = new_split(till, trade.transaction_id, share(first, 900), share(second, 100))
    await till.person.order_fault("share_closed", code="RECEIVER_HIGH_RISK")
    await pay.split(till.credentials, wanted)
    done = await settled(till, wanted)
    assert [(one.result, one.fail_reason) for one in done.receivers] == [
        (ShareResult.CLOSED, "RECEIVER_HIGH_RISK"),
        (ShareResult.SUCCESS, ""),
    ]
    assert await pay.query_unsplit(till.credentials, trade.transaction_id) == 9_840
    assert (await till.bank())["frozen_fen"] == 9_840


async def test_F035_the_cap_counts_all_splits_and_the_fee_is_not_there_to_split(
    till: Till,
) -> None:
    openid = await add_person(till)
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    await pay.split(till.credentials, new_split(till, trade.transaction_id, share(openid, 2_000)))
    with pytest.raises(RuleLimit):
        await pay.split(
            till.credentials, new_split(till, trade.transaction_id, share(openid, 1_001))
        )
    await till.person.call("PATCH", "/settings", {"share_cap_bps": 10_000})
    with pytest.raises(NotEnough, match="分账金额不足"):
        await pay.split(
            till.credentials, new_split(till, trade.transaction_id, share(openid, 7_941))
        )
    last = new_split(till, trade.transaction_id, share(openid, 7_940))
    await pay.split(till.credentials, last)
    await settled(till, last)
    assert (await till.bank())["frozen_fen"] == 0


async def test_what_is_promised_to_a_receiver_is_not_refunded(till: Till) -> None:
    openid = await add_person(till)
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    await pay.split(till.credentials, new_split(till, trade.transaction_id, share(openid, 3_000)))
    with pytest.raises(NotEnough, match="解冻"):
        await pay.create_refund(till.credentials, new_refund(trade, 10_000))
    pass_time(seconds=6)
    await pay.unfreeze(till.credentials, trade.transaction_id, "U" + secrets.token_hex(8), "完结")
    pass_time(seconds=6)
    with pytest.raises(NotEnough, match="余额不足"):
        await pay.create_refund(till.credentials, new_refund(trade, 10_000))
    await till.person.deposit(till.mchid, 3_000)
    wanted = new_refund(trade, 10_000)
    await pay.create_refund(till.credentials, wanted)
    await finished(till, wanted.out_refund_no)
    assert (await till.bank())["basic_fen"] == 0


async def test_what_cannot_be_split(till: Till) -> None:
    openid = await add_person(till)
    plain, shared, back = (
        await till.buy(10_000),
        await till.buy(10_000, is_shared=True),
        await till.buy(10_000, is_shared=True),
    )
    pass_time(seconds=61)
    await pay.create_refund(till.credentials, new_refund(back, 10_000))
    stranger = await till.openid("p2")
    known = new_split(till, shared.transaction_id, share(openid, 100))
    await pay.split(till.credentials, known)
    other = msgspec.structs.replace(known, receivers=[share(openid, 99)])
    twice = new_split(till, shared.transaction_id, share(openid, 1), share(openid, 2))
    for wanted, words in (
        (other, "与原请求不一致"),
        (twice, "重复"),
        (new_split(till, plain.transaction_id, share(openid, 1)), "非分账订单"),
        (new_split(till, back.transaction_id, share(openid, 1)), "全额退款"),
        (new_split(till, shared.transaction_id, share(stranger, 1)), "请先添加"),
        (new_split(till, "4200", share(openid, 1)), "不存在"),
        (new_split(till, shared.transaction_id), "PARAM_ERROR"),
        (new_split(till, shared.transaction_id, share(openid, 0)), "PARAM_ERROR"),
        (msgspec.structs.replace(twice, appid="wx0000000000000000"), "重复"),
    ):
        with pytest.raises(WeChatError, match=words) as refused:
            await pay.split(till.credentials, wanted)
        assert refused.value.retry is Retry.NEVER
    kind = ReceiverType.PERSONAL_OPENID
    await pay.delete_receiver(till.credentials, till.keys["appid"], kind, openid)
    with pytest.raises(WeChatError, match="请先添加"):
        await pay.split(till.credentials, new_split(till, shared.transaction_id, share(openid, 1)))
    assert await pay.query_split(till.credentials, "NOSUCH", shared.transaction_id) is None
    assert await pay.query_unsplit(till.credentials, "4200") is None
    assert await pay.query_unsplit(till.credentials, plain.transaction_id) == 0


async def test_names_travel_encrypted_and_must_be_right(till: Till) -> None:
    await add_person(till, "p1", name="林小满")
    with pytest.raises(WeChatError, match="实名"):
        await add_person(till, "p2", name="别人")
    with pytest.raises(WeChatError, match="openid"):
        await add_person(till, account="o-nobody")
    shop = await till.add_merchant("供货商")
    merchant = {"type": ReceiverType.MERCHANT_ID, "account": shop.mchid}
    with pytest.raises(WeChatError, match="全称"):
        await add_person(till, **merchant, name="供货")
    await add_person(till, **merchant, name="供货商")
    await add_person(till, **merchant, name="供货商")
    with pytest.raises(WeChatError, match="商户号不正确"):
        await add_person(till, type=ReceiverType.MERCHANT_ID, account=till.mchid, name="思屿茶事")
    with pytest.raises(WeChatError, match="custom_relation"):
        await add_person(till, relation_type=RelationType.CUSTOM)
    await add_person(till, "p3", relation_type=RelationType.CUSTOM, custom_relation="团长")
    old = msgspec.structs.replace(
        till.credentials, public_key_id="", public_key_pem="", certificates={}
    )
    await till.person.call("PATCH", f"/merchants/{till.mchid}", {"signing": "certificate"})
    openid = await till.openid("p2")
    receiver = NewReceiver(
        appid=till.keys["appid"],
        type=ReceiverType.PERSONAL_OPENID,
        account=openid,
        relation_type=RelationType.STAFF,
        name="周予安",
    )
    await pay.add_receiver(old, receiver)  # encrypted to the certificate it has downloaded


async def test_a_merchant_receives_hears_of_it_and_gives_back(till: Till) -> None:
    shop = await till.add_merchant("供货商")
    url = {"share_notify_url": "http://supplier.test/share"}
    await till.person.call("PATCH", f"/merchants/{shop.mchid}", url)
    merchant: dict[str, Any] = {"type": ReceiverType.MERCHANT_ID, "account": shop.mchid}
    await add_person(till, **merchant, name="供货商", relation_type=RelationType.SUPPLIER)
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    part = share("", 3_000, **merchant, name="供货商")
    wanted = new_split(till, trade.transaction_id, part, end=True)
    await pay.split(till.credentials, wanted)
    await pay.split(till.credentials, wanted)  # the name is encrypted anew: still the same split
    await settled(till, wanted)
    await till.person.deliver()
    request = till.shop.requests[-1]
    assert request.url.host == "supplier.test"
    told = await pay.read_notification(shop, request.headers, request.content)
    assert (told.event_type, told.original_type) == ("PROFITSHARING", "profitsharing")
    heard = pay.read_share(told)
    assert (heard.receiver.amount, heard.out_order_no) == (3_000, wanted.out_order_no)
    back = NewSplitReturn(
        out_order_no=wanted.out_order_no,
        out_return_no="B" + secrets.token_hex(8),
        return_mchid=shop.mchid,
        amount=2_000,
        description="退货",
    )
    started = await pay.return_split(till.credentials, back)
    assert started.result is ReturnResult.PROCESSING
    assert await pay.return_split(till.credentials, back) == started
    pass_time(seconds=6)
    done = await pay.query_return(till.credentials, back.out_return_no, back.out_order_no)
    assert done is not None and done.result is ReturnResult.SUCCESS and done.finish_time
    assert (await till.bank())["basic_fen"] == 6_940 + 2_000
    too_much = msgspec.structs.replace(back, out_return_no="B2", amount=1_001)
    with pytest.raises(WeChatError, match="可回退金额"):
        await pay.return_split(till.credentials, too_much)
    with pytest.raises(WeChatError, match="参数不一致"):
        await pay.return_split(till.credentials, msgspec.structs.replace(back, amount=1))
    assert await pay.query_return(till.credentials, "NOSUCH", back.out_order_no) is None
    with pytest.raises(WeChatError, match="不存在"):
        await pay.return_split(
            till.credentials, msgspec.structs.replace(back, out_return_no="B3", out_order_no="X")
        )


async def test_F032_a_return_may_fail(till: Till) -> None:
    shop = await till.add_merchant("供货商")
    merchant: dict[str, Any] = {"type": ReceiverType.MERCHANT_ID, "account": shop.mchid}
    await add_person(till, **merchant, name="供货商")
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    wanted = new_split(till, trade.transaction_id, share("", 3_000, **merchant))
    await pay.split(till.credentials, wanted)
    await settled(till, wanted)
    back = NewSplitReturn(
        out_order_no=wanted.out_order_no,
        out_return_no="B1",
        return_mchid=shop.mchid,
        amount=3_000,
        description="退货",
    )
    await till.person.order_fault("return_failed", code="PAYER_ACCOUNT_ABNORMAL")
    await pay.return_split(till.credentials, back)
    pass_time(seconds=6)
    failed = await pay.query_return(till.credentials, "B1", wanted.out_order_no)
    assert failed is not None
    assert (failed.result, failed.fail_reason) == (ReturnResult.FAILED, "PAYER_ACCOUNT_ABNORMAL")
    await till.person.deposit(shop.mchid, -1)
    await pay.return_split(till.credentials, msgspec.structs.replace(back, out_return_no="B2"))
    pass_time(seconds=6)
    poor = await pay.query_return(till.credentials, "B2", wanted.out_order_no)
    assert poor is not None and poor.fail_reason == "BALANCE_NOT_ENOUGH"
    pass_time(days=181)
    with pytest.raises(WeChatError, match="180天"):
        await pay.return_split(till.credentials, msgspec.structs.replace(back, out_return_no="B3"))


async def test_unfreezing_needs_a_number_of_its_own(till: Till) -> None:
    openid = await add_person(till)
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    wanted = new_split(till, trade.transaction_id, share(openid, 1_000))
    await pay.split(till.credentials, wanted)
    await settled(till, wanted)
    answer = await pay.unfreeze(till.credentials, trade.transaction_id, wanted.out_order_no, "完结")
    pass_time(seconds=6)
    assert answer.state is SplitState.FINISHED
    assert (await till.bank())["frozen_fen"] == 8_940, "answered well, did nothing"
    begun = await pay.unfreeze(till.credentials, trade.transaction_id, "U1", "完结")
    assert [one.result for one in begun.receivers] == [ShareResult.PENDING]
    assert await pay.unfreeze(till.credentials, trade.transaction_id, "U1", "完结") == begun
    pass_time(seconds=6)
    done = await pay.query_split(till.credentials, "U1", trade.transaction_id)
    assert done is not None and done.state is SplitState.FINISHED
    assert [(one.account, one.amount) for one in done.receivers] == [(till.mchid, 8_940)]
    bank = await till.bank()
    assert (bank["frozen_fen"], bank["basic_fen"]) == (0, 8_940)
    other = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    with pytest.raises(WeChatError, match="重复"):
        await pay.unfreeze(till.credentials, other.transaction_id, "U1", "完结")


async def test_F036_after_thirty_days_the_money_is_the_merchants(till: Till) -> None:
    openid = await add_person(till)
    trade = await till.buy(10_000, is_shared=True)
    late = clock.now()
    pass_time(days=29, hours=23, minutes=59, seconds=58)
    wanted = new_split(till, trade.transaction_id, share(openid, 1_000))
    await pay.split(till.credentials, wanted)  # under way when the thirty days are over
    pass_time(minutes=3)
    bank = await till.bank()
    assert (bank["frozen_fen"], bank["basic_fen"]) == (0, 8_940)
    [moved] = [one for one in bank["movements"] if one["kind"] == "unfreeze"]
    assert moved["at"] == pytest.approx(late.timestamp() + 30 * 86400 + 60, abs=2)
    with pytest.raises(WeChatError, match="已完结"):
        await pay.split(till.credentials, new_split(till, trade.transaction_id, share(openid, 1)))


async def test_an_order_is_split_fifty_times_at_most(till: Till) -> None:
    openid = await add_person(till)
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    for _ in range(50):
        await pay.split(till.credentials, new_split(till, trade.transaction_id, share(openid, 1)))
    with pytest.raises(RuleLimit, match="次数"):
        await pay.split(till.credentials, new_split(till, trade.transaction_id, share(openid, 1)))
