"""What other clients might send: the checks of the sandbox behind refunds, splits and the rest."""

import secrets
import shutil
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from siyu.kernel import clock
from siyu.sandbox.people import PhoneError
from siyu.sandbox.wire import CHINA
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    AbnormalRefund,
    NewAuthorization,
    NewReceiver,
    NewSplitReturn,
    PayCredentials,
    ReceiverType,
    RelationType,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ChannelUnusable

from .conftest import Bench, Till, attach, bench_on, pass_time
from .test_profit_sharing import new_split, share
from .test_refunds import new_refund
from .test_transfers import new_transfer

REFUNDS = "/v3/refund/domestic/refunds"
SHARING = "/v3/profitsharing"
TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"
AGREEMENTS = "/v3/fund-app/mch-transfer/user-confirm-authorization"


async def refused(bench: Bench, method: str, target: str, body: Any = None) -> tuple[int, str, str]:
    answer = await bench.call(method, target, body)
    assert "wechatpay-signature" in answer.headers
    return answer.status_code, answer.json()["code"], answer.json()["message"]


async def paid(bench: Bench, **change: Any) -> str:
    _, prepay_id = await bench.create(**change)
    return str((await bench.person.pay("p1", prepay_id))["transaction_id"])


def refund_of(paid_as: str, **change: Any) -> dict[str, Any]:
    amount = {"total": 8800, "refund": 100, "currency": "CNY"}
    number = "R" + secrets.token_hex(8)
    body = {"transaction_id": paid_as, "out_refund_no": number, "amount": amount}
    return {name: value for name, value in (body | change).items() if value is not None}


async def test_fields_of_a_refund(bench: Bench) -> None:
    transaction = await paid(bench)
    unpaid, _ = await bench.create()
    parts = [{"account": "AVAILABLE", "amount": 60}, {"account": "UNAVAILABLE", "amount": 39}]
    amount = {"total": 8800, "refund": 100, "currency": "CNY"}
    for body, words in (
        (refund_of(transaction, out_trade_no="BOTH12"), "二选一"),
        (refund_of(transaction, transaction_id=None), "二选一"),
        (refund_of(transaction, transaction_id=None, out_trade_no=unpaid), "未支付"),
        (refund_of(transaction, amount=amount | {"from": parts}), "出资"),
        (refund_of(transaction, surprise=1), "额外参数"),
        (refund_of(transaction, reason="长" * 81), "/reason"),
        (refund_of(transaction, amount={"refund": 100, "total": 8800}), "/amount/currency"),
    ):
        status, _, message = await refused(bench, "POST", REFUNDS, body)
        assert status == 400 and words in message
    parts[1]["amount"] = 40
    goods = [
        {
            "merchant_goods_id": "A1",
            "unit_price": 100,
            "refund_amount": 100,
            "refund_quantity": 1,
        }
    ]
    whole = refund_of(transaction, amount=amount | {"from": parts}, goods_detail=goods)
    answer = await bench.call("POST", REFUNDS, whole)
    assert (answer.status_code, answer.json()["status"]) == (200, "PROCESSING")
    assert answer.json()["funds_account"] == "AVAILABLE"


async def test_what_is_not_encrypted_is_refused(bench: Bench) -> None:
    receiver = {
        "appid": bench.keys["appid"],
        "type": "PERSONAL_OPENID",
        "account": await bench.openid(),
        "relation_type": "STAFF",
        "name": transport.hide("林小满", bench.keys["public_key_pem"]),
    }
    target = f"{SHARING}/receivers/add"
    serial = {"Wechatpay-Serial": bench.keys["public_key_id"]}
    for body, headers in (
        (receiver, {}),
        (receiver | {"name": "林小满"}, serial),
        (receiver, {"Wechatpay-Serial": next(iter(bench.keys["certificates"]))}),
    ):
        answer = await bench.call("POST", target, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
        assert "加密后的密文" in answer.json()["message"]
    answer = await bench.call("POST", target, receiver, serial)
    assert answer.status_code == 200 and answer.json()["name"] == receiver["name"]


async def test_nothing_is_hidden_without_a_key(bench: Bench) -> None:
    bare = PayCredentials(
        mchid=bench.keys["mchid"],
        serial_no=bench.keys["serial_no"],
        private_key_pem=bench.keys["private_key_pem"],
        api_v3_key=bench.keys["api_v3_key"],
        base_url="http://127.0.0.1:9",
    )
    receiver = NewReceiver(
        appid="wx1",
        type=ReceiverType.PERSONAL_OPENID,
        account="o1",
        relation_type=RelationType.STAFF,
        name="林小满",
    )
    with pytest.raises(ChannelUnusable):
        await pay.add_receiver(bare, receiver)
    with pytest.raises(ChannelUnusable):
        await pay.add_receiver(msgspec.structs.replace(bare, mchid=""), receiver)


async def test_queries_say_what_they_ask_for(bench: Bench) -> None:
    for target, code in (
        (f"{SHARING}/orders/S1", "PARAM_ERROR"),
        (f"{SHARING}/return-orders/B1", "PARAM_ERROR"),
        (f"{TRANSFERS}/transfer-bill-no/133", "NOT_FOUND"),
        (f"{AGREEMENTS}/out-authorization-no/A1", "NOT_FOUND"),
        ("/v3/bill/tradebill?bill_date=2026-02-30", "PARAM_ERROR"),
        ("/v3/bill/tradebill?bill_date=2026-02-01&bill_type=SOME", "PARAM_ERROR"),
        ("/v3/bill/fundflowbill", "PARAM_ERROR"),
        ("/v3/billdownload/file?token=x", "INVALID_REQUEST"),
    ):
        assert (await refused(bench, "GET", target))[1] == code, target
    close = f"{AGREEMENTS}/out-authorization-no/A1/close"
    assert (await refused(bench, "POST", close))[1] == "NOT_FOUND"
    wrong = {"out_return_no": "B1", "return_mchid": "1", "amount": 1, "description": "x"}
    assert (await refused(bench, "POST", f"{SHARING}/return-orders", wrong))[1] == "PARAM_ERROR"


async def test_a_bill_may_come_unpacked(bench: Bench) -> None:
    await paid(bench)
    date = clock.now().astimezone(CHINA).date().isoformat()
    pass_time(days=2)
    answer = await bench.call("GET", f"/v3/bill/tradebill?bill_date={date}")
    path = answer.json()["download_url"].removeprefix("http://sandbox.test")
    file = await bench.call("GET", path)
    assert file.content.decode().startswith("交易时间,公众账号ID,商户号")
    assert "wechatpay-signature" not in file.headers
    other = f"/v3/bill/tradebill?bill_date={date}&tar_type=ZIP"
    assert (await refused(bench, "GET", other))[1] == "PARAM_ERROR"


async def transfer(bench: Bench, **change: Any) -> dict[str, Any]:
    return {
        "appid": bench.keys["appid"],
        "out_bill_no": "T" + secrets.token_hex(8),
        "transfer_scene_id": "1006",
        "openid": await bench.openid(),
        "transfer_amount": 500,
        "transfer_remark": "报销",
        "transfer_scene_report_infos": [{"info_type": "报销类型", "info_content": "车费"}],
    } | change


async def test_the_page_of_confirming_checks_who_and_whose(bench: Bench) -> None:
    await bench.person.deposit(bench.keys["mchid"], 10_000)
    made = (await bench.call("POST", TRANSFERS, await transfer(bench))).json()
    package = made["package_info"]
    page = {"package": package, "appid": bench.keys["appid"], "mch_id": bench.keys["mchid"]}
    card = await bench.person.call("POST", "/people/p1/transfer-sheet", page)
    assert (card["amount_fen"], card["remark"], card["merchant_name"]) == (500, "报销", "思屿茶事")
    other = await bench.person.call("POST", "/apps", {"name": "别家"})
    for bent in (
        {"appid": other["appid"]},
        {"mch_id": "1900000001"},
        {"package": "AB"},
        {"package": ""},
    ):
        with pytest.raises(PhoneError, match="参数错误"):
            await bench.person.call("POST", "/people/p1/transfer-sheet", page | bent)
    with pytest.raises(PhoneError, match="不一致"):
        await bench.person.call("POST", "/people/p2/transfer-sheet", page)
    target = f"{TRANSFERS}/transfer-bill-no/{made['transfer_bill_no']}"
    assert (await bench.call("GET", target)).json()["state"] == "WAIT_USER_CONFIRM"
    [message] = await bench.person.call("GET", "/people/p1/messages")
    assert (message["chat"], message["kind"]) == ("pay", "transfer")


async def test_an_agreement_ends(bench: Bench) -> None:
    body = {
        "appid": bench.keys["appid"],
        "out_authorization_no": "A1",
        "openid": await bench.openid(),
        "transfer_scene_id": "1006",
        "user_display_name": "林小满",
        "authorization_notify_url": "http://shop.test/agreed",
    }
    assert (await refused(bench, "POST", AGREEMENTS, body | {"openid": "o"}))[1] == "PARAM_ERROR"
    package = (await bench.call("POST", AGREEMENTS, body)).json()["package_info"]
    other = await refused(bench, "POST", AGREEMENTS, body | {"user_display_name": "别人"})
    assert other[:2] == (400, "INVALID_REQUEST")
    await bench.person.confirm_transfer("p1", package)
    pass_time(hours=25)
    number = f"{AGREEMENTS}/out-authorization-no/A1"
    assert (await bench.call("GET", number)).json()["state"] == "TAKING_EFFECT"
    for _ in range(2):
        closed = (await bench.call("POST", f"{number}/close")).json()
        assert closed["close_info"]["close_reason"] == "CLOSE_VIA_MCH_API"
    wanted = await transfer(bench, out_authorization_no="A1")
    del wanted["openid"]
    assert (await refused(bench, "POST", f"{TRANSFERS}/transfer", wanted))[1] == "NO_AUTH"


async def test_what_takes_how_long_and_costs_what(bench: Bench) -> None:
    before = await bench.person.call("GET", "/settings")
    assert (before["refund_seconds"], before["fee_bps"], before["share_cap_bps"]) == (5, 60, 3000)
    change = {"refund_seconds": 0, "fee_bps": 0, "time_factor": 2.0}
    after = await bench.person.call("PATCH", "/settings", change)
    assert (after["refund_seconds"], after["split_seconds"], after["fee_bps"]) == (0, 5, 0)
    transaction = await paid(bench)
    bank = await bench.person.bank(bench.keys["mchid"])
    assert (bank["basic_fen"], bank["fees_fen"]) == (8_800, 0)
    body = refund_of(transaction)
    await bench.call("POST", REFUNDS, body)
    done = await bench.call("GET", f"{REFUNDS}/{body['out_refund_no']}")
    assert done.json()["status"] == "SUCCESS"
    last = bank["movements"][-1]["movement_id"]
    newer = await bench.person.bank(bench.keys["mchid"], after=last)
    assert [one["kind"] for one in newer["movements"]] == ["refund", "refund_paid"]
    with pytest.raises(httpx.HTTPStatusError):
        await bench.person.deposit(bench.keys["mchid"], -10_000)
    purse = {"balance_fen": 1}
    assert (await bench.person.call("PATCH", "/people/p2", purse))["balance_fen"] == 1
    assert (await bench.person.call("GET", "/bank"))["problems"] == []


async def test_a_restart_forgets_neither_money_nor_deadlines(
    sandbox_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sandbox_template, tmp_path / "sandbox.sqlite")
    with bench_on(tmp_path) as (app, shop):
        async with attach(app, shop) as bench:
            transaction = await paid(bench, settle_info={"profit_sharing": True})
            refund = refund_of(transaction, notify_url="http://shop.test/refund")
            await bench.call("POST", REFUNDS, refund)
            await bench.person.deposit(bench.keys["mchid"], 5_000)
            waiting = await transfer(bench)
            await bench.call("POST", TRANSFERS, waiting)
            before = await bench.person.bank(bench.keys["mchid"])
    with bench_on(tmp_path) as (app, shop):
        async with attach(app, shop) as bench:
            assert await bench.person.bank(bench.keys["mchid"]) == before
            pass_time(days=31)
            await bench.person.deliver()
            assert len(shop.requests) >= 2
            done = await bench.call("GET", f"{REFUNDS}/{refund['out_refund_no']}")
            assert done.json()["status"] == "SUCCESS"
            number = f"{TRANSFERS}/out-bill-no/{waiting['out_bill_no']}"
            assert (await bench.call("GET", number)).json()["fail_reason"] == "OVERDUE_CLOSE"
            after = await bench.person.bank(bench.keys["mchid"])
            assert (after["frozen_fen"], after["transfers_fen"], after["problems"]) == (0, 0, [])
            at = [one["at"] for one in after["movements"] if one["kind"] == "refund_paid"]
            assert at[0] - before["movements"][-1]["at"] < 10, "it happened at its own time"


async def test_outcomes_name_no_operation(bench: Bench) -> None:
    await bench.person.order_fault("share_closed", "pay.create")
    [fault] = await bench.person.call("GET", "/faults")
    assert fault["operation"] == "*"
    for operation in ("refund", "sharing.split", "transfer.create", "bill.file", "notify.refund"):
        await bench.person.order_fault("system_error", operation)
    await bench.person.call("DELETE", "/faults")
    await bench.person.order_fault("system_error", "refund")
    answer = await bench.call("GET", f"{REFUNDS}/R1")
    assert answer.json()["code"] == "SYSTEM_ERROR", "one name for all of refunds"


async def test_no_lost_answer_does_anything_twice(till: Till) -> None:
    """Each operation once with its answer lost, repeated by the client under the same number."""
    lost = ["sharing.receiver", "sharing.split", "sharing.unfreeze", "sharing.return",
            "refund.create", "refund.abnormal", "transfer.create", "transfer.cancel",
            "transfer.authorize", "bill.announce", "bill.file"]  # fmt: skip
    for operation in lost:
        await till.person.order_fault("timeout_after_work", operation, seconds=0.05)
    shop = await till.add_merchant("供货商")
    receiver = NewReceiver(
        appid=till.keys["appid"],
        type=ReceiverType.MERCHANT_ID,
        account=shop.mchid,
        relation_type=RelationType.SUPPLIER,
        name="供货商",
    )
    await pay.add_receiver(till.credentials, receiver)
    day = clock.now().astimezone(CHINA).date()
    trade = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    part = share("", 1_000, type=ReceiverType.MERCHANT_ID, account=shop.mchid)
    wanted = new_split(till, trade.transaction_id, part)
    await pay.split(till.credentials, wanted)
    pass_time(seconds=6)
    back = NewSplitReturn(
        out_order_no=wanted.out_order_no,
        out_return_no="B1",
        return_mchid=shop.mchid,
        amount=400,
        description="退",
    )
    await pay.return_split(till.credentials, back)
    await pay.unfreeze(till.credentials, trade.transaction_id, "U1", "完结")
    pass_time(seconds=6)
    await till.person.order_fault("refund_abnormal")
    refund = new_refund(trade, 2_000)
    begun = await pay.create_refund(till.credentials, refund)
    pass_time(seconds=6)
    how = AbnormalRefund(out_refund_no=refund.out_refund_no, type="MERCHANT_BANK_CARD")
    await pay.apply_abnormal_refund(till.credentials, begun.refund_id, how)
    pass_time(seconds=6)
    paid_out = await new_transfer(till, 500)
    await pay.create_transfer(till.credentials, paid_out)
    await pay.cancel_transfer(till.credentials, paid_out.out_bill_no)
    wish = NewAuthorization(
        appid=till.keys["appid"],
        out_authorization_no="A1",
        openid=paid_out.openid,
        transfer_scene_id="1005",
        user_display_name="林小满",
        authorization_notify_url="http://shop.test/agreed",
    )
    await pay.request_authorization(till.credentials, wish)
    pass_time(days=2)
    assert await pay.fetch_trade_bill(till.credentials, day) is not None
    happened = {one["operation"]: one for one in await till.person.call("GET", "/faults")}
    assert all(happened[operation]["happened"] == 1 for operation in lost)
    bank = await till.bank()
    kinds = [one["kind"] for one in bank["movements"]]
    assert kinds == [
        "payment", "fee", "split", "split_return", "unfreeze", "refund", "fee_back", "refund_paid",
        "transfer", "transfer_back",
    ]  # fmt: skip
    assert bank["basic_fen"] == 9_940 - 1_000 + 400 - (2_000 - 12)


async def test_refunds_told_out_of_order_late_and_badly_signed(till: Till) -> None:
    trade = await till.buy(10_000)
    await till.told("TRANSACTION")
    first, second = new_refund(trade, 100), new_refund(trade, 200)
    await till.person.order_fault("reorder", "notify.refund")
    await till.person.order_fault("bad_signature", "notify.refund")
    for refund in (first, second):
        await pay.create_refund(till.credentials, refund)
        pass_time(seconds=6)
    await till.person.deliver()  # the second, badly signed: our shop takes everything
    conformance = await till.person.call("GET", "/conformance")
    assert not conformance["passed"], "a shop that takes a bad signature is noticed"
    pass_time(seconds=61)
    told = [pay.read_refund(one).out_refund_no for one in await till.told("REFUND")]
    assert told == [second.out_refund_no, first.out_refund_no, second.out_refund_no]
    await till.person.order_fault("delay", "notify.refund", seconds=100)
    third = new_refund(trade, 300)
    await pay.create_refund(till.credentials, third)
    pass_time(seconds=50)
    before = len(await till.told("REFUND"))
    pass_time(seconds=101)
    assert len(await till.told("REFUND")) == before + 1
