"""Bills: what the bank did in a day, in WeChat's columns, hashed, packed, late, broken."""

import csv
import io
from datetime import date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from siyu.kernel import clock
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    BillBroken,
    BillNotReady,
    FundAccount,
    PayCredentials,
    Retry,
    TradeBillType,
    WeChatError,
)
from siyu.wechat.pay.service import bills
from siyu.wechat.transport.contracts import Answer

from .conftest import Till, pass_time
from .test_profit_sharing import add_person, new_split, share
from .test_refunds import new_refund
from .test_transfers import new_transfer

CHINA = timezone(timedelta(hours=8))


def today() -> date:
    return clock.now().astimezone(CHINA).date()


def go_to(on: date, hour: float) -> None:
    """Turn the clock to an hour of a day in China."""
    at = datetime.combine(on, datetime.min.time(), CHINA) + timedelta(hours=hour)
    clock.advance(at - clock.now())


def read(plain: bytes) -> tuple[list[dict[str, str]], dict[str, str]]:
    """The rows by the names of the header, and the sums."""
    text = plain.decode()
    assert text.endswith("\r\n") and "\n\n" not in text
    lines = list(csv.reader(io.StringIO(text)))
    header, rows, sums_header, sums = lines[0], lines[1:-2], lines[-2], lines[-1]
    assert all(cell.startswith("`") for row in [*rows, sums] for cell in row)
    bare = [[cell[1:] for cell in row] for row in [*rows, sums]]
    return (
        [dict(zip(header, row, strict=True)) for row in bare[:-1]],
        dict(zip(sums_header, bare[-1], strict=True)),
    )


async def test_the_day_in_two_bills(till: Till) -> None:
    day = today() + timedelta(days=1)
    go_to(day, 10)
    bought = await till.buy(1_280)
    other = await till.buy(9_990)
    pass_time(seconds=2)
    refund = new_refund(other, 990)
    await pay.create_refund(till.credentials, refund)
    pass_time(seconds=6)
    go_to(day + timedelta(days=1), 9.1)
    plain = await pay.fetch_trade_bill(till.credentials, day)
    assert plain is not None
    rows, sums = read(plain)
    assert [row["交易状态"] for row in rows] == ["SUCCESS", "SUCCESS", "REFUND"]
    assert rows[0]["微信订单号"] == bought.transaction_id
    assert rows[0]["应结订单金额"] == "12.80"
    assert (rows[0]["手续费"], rows[0]["费率"]) == ("0.08000", "0.60%")
    assert (rows[0]["微信退款单号"], rows[0]["退款金额"]) == ("0", "0.00")
    assert rows[2]["商户退款单号"] == refund.out_refund_no
    assert (rows[2]["退款金额"], rows[2]["应结订单金额"]) == ("9.90", "0.00")
    assert (rows[2]["退款状态"], rows[2]["手续费"]) == ("SUCCESS", "-0.06000")
    assert sums == {
        "总交易单数": "3",
        "应结订单总金额": "112.70",
        "退款总金额": "9.90",
        "充值券退款总金额": "0.00",
        "手续费总金额": "0.62000",
        "订单总金额": "112.70",
        "申请退款总金额": "9.90",
    }
    flow = await pay.fetch_fund_flow_bill(till.credentials, day)
    assert flow is not None
    moved, totals = read(flow)
    assert [row["业务类型"] for row in moved] == [
        "交易", "扣除交易手续费", "交易", "扣除交易手续费", "退款",
    ]  # fmt: skip
    assert moved[-1]["账户结余（元）"] == f"{(await till.bank())['basic_fen'] / 100:.2f}"
    assert moved[-1]["备注"] == "退款总金额9.90元;含手续费0.06元"
    assert totals == {
        "资金流水总笔数": "5",
        "收入笔数": "2",
        "收入金额": "112.70",
        "支出笔数": "3",
        "支出金额": "10.52",
    }


async def a_day(till: Till) -> date:
    """A day with two payments; it is ten o'clock the morning after."""
    day = today() + timedelta(days=1)
    go_to(day, 10)
    for total in (1_280, 5_000):
        await till.buy(total)
    go_to(day + timedelta(days=1), 10)
    return day


async def test_a_bill_of_payments_and_one_of_refunds(till: Till) -> None:
    day = today() + timedelta(days=1)
    go_to(day, 23)
    trade = await till.buy(1_280, method="balance")
    await till.person.order_fault("refund_abnormal")
    await pay.create_refund(till.credentials, new_refund(trade, 100))
    pass_time(seconds=6)
    await pay.create_refund(till.credentials, new_refund(trade, 100))
    go_to(day + timedelta(days=1), 9)
    paid = await pay.fetch_trade_bill(till.credentials, day, TradeBillType.SUCCESS)
    refunds = await pay.fetch_trade_bill(till.credentials, day, TradeBillType.REFUND)
    assert paid is not None and refunds is not None
    [row], sums = read(paid)
    assert (row["付款银行"], row["商品名称"]) == ("OTHERS", "明前龙井， 50g")
    assert "退款金额" not in row and sums["订单总金额"] == "12.80"
    rows, sums = read(refunds)
    assert [row["退款状态"] for row in rows] == ["ABNORMAL", "SUCCESS"]
    assert [bool(row["退款成功时间"]) for row in rows] == [False, True]
    assert (sums["退款总金额"], sums["应结订单总金额"]) == ("2.00", "0.00")


async def test_when_there_is_a_bill(till: Till) -> None:
    day = await a_day(till)
    go_to(day + timedelta(days=1), 8.9)
    with pytest.raises(BillNotReady):
        await pay.fetch_trade_bill(till.credentials, day)
    go_to(day + timedelta(days=1), 9)
    assert await pay.fetch_trade_bill(till.credentials, day)
    assert await pay.fetch_trade_bill(till.credentials, day - timedelta(days=1)) is None
    assert await pay.fetch_trade_bill(till.credentials, day, TradeBillType.REFUND) is None
    assert await pay.fetch_fund_flow_bill(till.credentials, day, FundAccount.FEES) is None
    for wrong in (day + timedelta(days=1), day - timedelta(days=100)):
        with pytest.raises(WeChatError) as refused:
            await pay.fetch_trade_bill(till.credentials, wrong)
        assert refused.value.code == "PARAM_ERROR"


async def test_a_bill_is_frozen_when_it_is_made(till: Till) -> None:
    day = today() + timedelta(days=1)
    go_to(day, 10)
    trade = await till.buy(1_280)
    await till.person.call("PATCH", "/settings", {"refund_seconds": 86400 * 3})
    await pay.create_refund(till.credentials, new_refund(trade, 1_280))
    go_to(day + timedelta(days=1), 10)
    first = await pay.fetch_trade_bill(till.credentials, day)
    assert first is not None and "PROCESSING" in first.decode()
    pass_time(days=10)
    assert await pay.fetch_trade_bill(till.credentials, day) == first


async def test_all_kinds_of_money_are_in_the_flow_of_funds(till: Till) -> None:
    """What it says of the balance is what the bank has, after every line."""
    day = today() + timedelta(days=1)
    go_to(day, 10)
    openid = await add_person(till)
    await till.person.deposit(till.mchid, 50_000)
    shared = await till.buy(10_000, is_shared=True)
    pass_time(seconds=61)
    wanted = new_split(till, shared.transaction_id, share(openid, 3_000), end=True)
    await pay.split(till.credentials, wanted)
    pass_time(seconds=6)
    kept, back = await new_transfer(till, 7_000), await new_transfer(till, 500)
    package = (await pay.create_transfer(till.credentials, kept)).package_info
    await pay.create_transfer(till.credentials, back)
    await till.person.confirm_transfer("p1", package)
    await pay.cancel_transfer(till.credentials, back.out_bill_no)
    pass_time(seconds=6)
    await till.person.order_fault("refund_closed")
    await pay.create_refund(till.credentials, new_refund(shared, 1_000))
    pass_time(seconds=6)
    await till.person.deposit(till.mchid, -40_000)
    held = (await till.bank())["books_fen"]
    go_to(day + timedelta(days=1), 10)
    plain = await pay.fetch_fund_flow_bill(till.credentials, day)
    assert plain is not None
    rows, _ = read(plain)
    assert [row["业务类型"] for row in rows] == [
        "充值", "交易", "扣除交易手续费", "分账", "商家转账", "商家转账", "商家转账退回", "退款",
        "退款退回", "提现",
    ]  # fmt: skip
    balance = 0
    for row in rows:
        fen = round(float(row["收支金额（元）"]) * 100)
        balance += fen if row["收支类型"] == "收入" else -fen
        assert row["账户结余（元）"] == f"{balance / 100:.2f}"
    assert balance == held == (await till.bank())["basic_fen"]
    assert rows[3]["业务凭证号"] == wanted.out_order_no


async def test_F023_late_broken_and_unknown_columns(till: Till) -> None:
    day = await a_day(till)
    await till.person.order_fault("bill_late", times=2)
    for _ in range(2):
        with pytest.raises(BillNotReady):
            await pay.fetch_trade_bill(till.credentials, day)
    await till.person.order_fault("bill_broken")
    with pytest.raises(BillBroken, match="cut short"):
        await pay.fetch_trade_bill(till.credentials, day)
    whole = await pay.fetch_trade_bill(till.credentials, day)
    assert whole is not None and len(read(whole)[0]) == 2
    await till.person.order_fault("bill_column")
    flow = await pay.fetch_fund_flow_bill(till.credentials, day)
    assert flow is not None
    rows, _ = read(flow)
    assert list(rows[0])[1] == "新增列" and rows[0]["收支金额（元）"] == "12.80"


async def test_F022_a_bill_may_lack_a_row_or_say_another_amount(till: Till) -> None:
    day = await a_day(till)
    await till.person.order_fault("bill_row_missing")
    await till.person.order_fault("bill_amount", fen=3)
    plain = await pay.fetch_trade_bill(till.credentials, day)
    assert plain is not None
    [row], sums = read(plain)
    assert (row["应结订单金额"], sums["总交易单数"]) == ("50.03", "2")


async def test_a_download_is_for_its_merchant_and_for_five_minutes(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = await a_day(till)
    targets = []
    real = bills.download

    async def slowly(credentials: PayCredentials, target: str) -> bytes:
        targets.append(target)
        pass_time(minutes=5, seconds=1)
        return await real(credentials, target)

    monkeypatch.setattr(bills, "download", slowly)
    with pytest.raises(WeChatError, match="过期"):
        await pay.fetch_trade_bill(till.credentials, day)
    monkeypatch.undo()
    stranger = await till.add_merchant("别家")
    with pytest.raises(WeChatError, match="无效"):
        await real(stranger, targets[0])
    assert await pay.fetch_trade_bill(stranger, day) is None


@pytest.mark.parametrize(
    ("announced", "reason"),
    [
        ({"download_url": "https://evil.test/v3/billdownload/file?token=x"}, "another host"),
        ({"hash_value": "0" * 40}, "SHA1 differs"),
        ({"hash_type": "MD5"}, "MD5 differs"),
    ],
)
async def test_a_file_that_was_not_announced_is_not_believed(
    till: Till, monkeypatch: pytest.MonkeyPatch, announced: dict[str, str], reason: str
) -> None:
    day = await a_day(till)
    real = bills.decode

    def bent(answer: Answer, kind: type[Any]) -> Any:
        return msgspec.structs.replace(real(answer, kind), **announced)

    monkeypatch.setattr(bills, "decode", bent)
    with pytest.raises(BillBroken, match=reason) as broken:
        await pay.fetch_trade_bill(till.credentials, day)
    assert broken.value.retry is Retry.RETRY


def test_a_file_is_taken_as_it_comes() -> None:
    assert bills._unpack(b"plain text") == b"plain text"
    with pytest.raises(BillBroken, match="gzip"):
        bills._unpack(b"\x1f\x8bnonsense")
