"""Bills are read by their headers, matched by their numbers, and believed only when they add up."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.money.reconciliation import rules
from siyu.money.reconciliation.contracts import (
    Bill,
    BillLine,
    BillUnreadable,
    Difference,
    LineKind,
    Ours,
)

TRADE = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
    "`2026-03-01 13:51:31,`wx1,`190,`0,`,`4200001,`SO1,`oA,`JSAPI,`SUCCESS,`OTHERS,`CNY,`12.80,"
    "`0.00,`0,`0,`0.00,`0.00,`,`,`茶叶,礼盒,`,`0.07680,`0.60%,`12.80,`0.00,`\r\n"
    "`2026-03-01 14:00:00,`wx1,`190,`0,`,`4200001,`SO1,`oA,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,"
    "`0.00,`5030001,`RF1,`2.80,`0.00,`ORIGINAL,`SUCCESS,`茶叶,礼盒,`,`-0.01680,`0.60%,`0.00,`2.80,`"
    "\r\n总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
    "`2,`12.80,`2.80,`0.00,`0.06000,`12.80,`2.80\r\n"
).encode()
FUND = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,"
    "资金变更提交申请人,备注,业务凭证号\r\n"
    "`2026-03-01 13:51:31,`4200001,`F1,`交易,`交易,`收入,`12.80,`12.80,`system,`,`SO1\r\n"
    "`2026-03-01 13:51:31,`4200001,`F2,`费,`扣除交易手续费,`支出,`0.08,`12.72,`system,`,`SO1\r\n"
    "`2026-03-01 14:00:00,`5030001,`F3,`退款,`退款,`支出,`2.80,`9.92,`system,`,`RF1\r\n"
    "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n"
    "`3,`1,`12.80,`2,`2.88\r\n"
).encode()
REF = UUID(int=1)


def test_a_trade_bill_is_read() -> None:
    paid, back = rules.read_trade_bill(TRADE)
    assert (paid.kind, paid.number, paid.own_number) == (LineKind.PAYMENT, "4200001", "SO1")
    assert (paid.amount_fen, paid.fee_milli_fen, paid.rate_bps) == (1280, 7680, 60)
    assert paid.at == datetime(2026, 3, 1, 5, 51, 31, tzinfo=UTC)
    assert (back.kind, back.number, back.own_number) == (LineKind.REFUND, "5030001", "RF1")
    assert (back.amount_fen, back.fee_milli_fen) == (-280, -1680)


def test_a_fund_bill_is_read() -> None:
    paid, fee, back = rules.read_fund_bill(FUND)
    assert [line.kind for line in (paid, fee, back)] == [
        LineKind.PAYMENT, LineKind.FEE, LineKind.REFUND,
    ]  # fmt: skip
    assert [line.amount_fen for line in (paid, fee, back)] == [1280, -8, -280]
    assert [line.balance_fen for line in (paid, fee, back)] == [1280, 1272, 992]
    assert (fee.flow_no, fee.number, fee.line_no) == ("F2", "4200001", 2)
    assert rules.totals([paid, fee, back]) == {"payment": 1280, "fee": -8, "refund": -280}


def test_a_refund_comes_with_its_share_of_the_fee() -> None:
    text = FUND.decode().replace(
        "`2.80,`9.92,`system,`,", "`2.78,`9.94,`system,`退款;含手续费0.02元,"
    )
    back = rules.read_fund_bill(text.encode())[2]
    assert (back.amount_fen, rules.fee_fen(back), rules.gross_fen(back)) == (-278, 2, -280)
    assert rules.totals(rules.read_fund_bill(text.encode())) == {
        "payment": 1280, "fee": -6, "refund": -280,
    }  # fmt: skip
    again = text.replace("`退款,`退款,`支出,`2.78,`9.94", "`退款退回,`退款退回,`收入,`2.78,`15.50")
    closed = rules.read_fund_bill(again.encode())[2]
    assert (closed.amount_fen, rules.fee_fen(closed), rules.gross_fen(closed)) == (278, -2, 280)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("分账", LineKind.SPLIT), ("分账回退", LineKind.SPLIT_RETURN),
        ("提现", LineKind.WITHDRAWAL), ("商家转账", LineKind.TRANSFER), ("充值", LineKind.DEPOSIT),
        ("神秘业务", LineKind.OTHER),
    ],
)  # fmt: skip
def test_businesses_are_known_by_their_words(name: str, kind: LineKind) -> None:
    text = FUND.decode().replace("`退款,`退款", f"`{name},`{name}")
    assert rules.read_fund_bill(text.encode())[2].kind is kind


def test_columns_are_found_wherever_they_stand_f023() -> None:
    """F023: a column more, in front, and a byte order mark."""
    lines = FUND.decode().split("\r\n")
    moved = ["新列," + lines[0], *("`?," + line for line in lines[1:4]), *lines[4:]]
    assert rules.read_fund_bill(b"\xef\xbb\xbf" + "\r\n".join(moved).encode()) == (
        rules.read_fund_bill(FUND)
    )


@pytest.mark.parametrize(
    ("change", "line_no"),
    [
        (lambda text: "", 0),
        (lambda text: text.replace("资金流水单号,", "流水,"), 1),
        (lambda text: text.replace("`12.80,`12.80,", "`12.80,"), 2),
        (lambda text: text.replace("`12.80,`12.80", "`12.8x,`12.80"), 2),
        (lambda text: text.replace("`0.08,", "`0.085,"), 3),
        (lambda text: text.replace("`收入", "`别的"), 2),
        (lambda text: text.replace("`F1", "`"), 2),
        (lambda text: text.replace("2026-03-01 14:00:00", "2026-03-01"), 4),
        (lambda text: text.replace("`3,`1,", "`4,`1,"), 6),
        (lambda text: "\r\n".join(text.split("\r\n")[:4]), 4),
        (lambda text: text.replace("`2026-03-01 14", "2026-03-01 14"), 4),
    ],
)
def test_a_bill_of_another_form_is_refused_with_its_line(change, line_no) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BillUnreadable) as refused:
        rules.read_fund_bill(change(FUND.decode()).encode())
    assert refused.value.line_no == line_no


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BillUnreadable, match="UTF-8"):
        rules.read_trade_bill(b"\xff\xfe\x00")


@given(st.integers(-(10**12), 10**12))
def test_amounts_are_read_exactly(fen: int) -> None:
    sign, whole = "-" if fen < 0 else "", abs(fen)
    assert rules.fen(f"{sign}{whole // 100}.{whole % 100:02d}") == fen


@pytest.mark.parametrize("text", ["", "1e3", "١.00", "1.000001", "1,000.00", "9" * 13, "1.x"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        rules.fen(text)


def test_a_rate_may_be_missing() -> None:
    assert (rules.rate_bps(""), rules.rate_bps("0.60%"), rules.rate_bps("1.00%")) == (0, 60, 100)


# --- matching -------------------------------------------------------------------------------------


def line(number: str, amount_fen: int, bill: Bill = Bill.FUND, **changes: object) -> BillLine:
    usual = BillLine(
        line_no=1, bill=bill, kind=LineKind.PAYMENT, number="", own_number=number, flow_no="F",
        amount_fen=amount_fen, fee_milli_fen=0, rate_bps=0, balance_fen=0, business="",
        at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def ours(number: str, settled: int, transit: int | None = None, domain: int | None = None) -> Ours:
    return Ours(REF, number, settled, settled if transit is None else transit, domain)


def kinds(lines: list[BillLine], mine: list[Ours], unseen: list[Ours] | None = None) -> list[str]:
    found = rules.compare(lines, {one.number: one for one in mine}, unseen or [])
    return [one.kind for one in found]


def test_what_agrees_is_no_difference() -> None:
    assert kinds([line("A", 100)], [ours("A", 100, domain=100)]) == []
    assert kinds([line("A", 100, Bill.TRADE)], [ours("A", 100, domain=100)]) == []
    assert kinds([line("A", -60), line("A", -40)], [ours("A", -100, domain=-100)]) == []


def test_a_refund_on_its_way_agrees() -> None:
    mine = ours("R", 0, -100, domain=-100)
    assert kinds([line("R", -100, kind=LineKind.REFUND)], [mine]) == []
    assert kinds([line("R", -100, Bill.TRADE, kind=LineKind.REFUND)], [mine]) == []


def test_a_refund_that_was_closed_later_agrees_with_its_old_row() -> None:
    old = line("R", -100, Bill.TRADE, kind=LineKind.REFUND)
    assert kinds([old], [ours("R", 0, domain=0)]) == []
    assert kinds([line("R", 100, Bill.TRADE)], [ours("R", 0, domain=0)]) == [Difference.AMOUNT]


def test_a_refund_asked_for_anew_after_it_was_closed_agrees_with_both_rows() -> None:
    asked = line("R", -100, Bill.TRADE, kind=LineKind.REFUND)
    moved = [line("R", fen, kind=LineKind.REFUND) for fen in (-100, 100, -100)]
    mine = ours("R", -100, domain=-100)
    assert kinds([asked, asked, *moved], [mine]) == []
    other = msgspec.structs.replace(asked, amount_fen=-99)
    assert kinds([asked, other, *moved], [mine]) == [Difference.AMOUNT]
    twice = [asked, asked, moved[0], moved[2]]
    assert kinds(twice, [mine]) == [Difference.AMOUNT], "it did not come back in between"


def test_every_difference_has_its_name_f022() -> None:
    """F022: unknown here, missing there, another amount; and the ledger against the domain."""
    assert kinds([line("A", 100)], []) == [Difference.MISSING_HERE]
    other = line("A", 100, kind=LineKind.OTHER)
    assert kinds([other], []) == [Difference.UNKNOWN_BUSINESS]
    assert kinds([line("A", 101)], [ours("A", 100, domain=100)]) == [Difference.AMOUNT]
    assert kinds([line("A", 101, Bill.TRADE)], [ours("A", 100, domain=100)]) == [Difference.AMOUNT]
    assert kinds([line("A", 100)], [ours("A", 90, domain=100)]) == [Difference.LEDGER]
    assert kinds([], [], [ours("A", 100)]) == [Difference.MISSING_THERE]
    assert kinds([line("A", 100)], [ours("A", 100)], [ours("A", 100)]) == []
    assert kinds([], [], [ours("A", 0, -100)]) == [], "not settled yet: nothing is missing"


def test_fees_and_withdrawals_are_booked_and_not_matched() -> None:
    assert kinds([line("A", -8, kind=LineKind.FEE)], []) == []
    assert kinds([line("W", -800, kind=LineKind.WITHDRAWAL)], []) == []


def test_a_fee_must_be_amount_times_rate() -> None:
    right = line("A", 1280, Bill.TRADE, fee_milli_fen=7680, rate_bps=60)
    wrong = msgspec.structs.replace(right, fee_milli_fen=17680)
    mine = [ours("A", 1280, domain=1280)]
    assert kinds([right], mine) == []
    assert kinds([wrong], mine) == [Difference.FEE]
    back = msgspec.structs.replace(wrong, kind=LineKind.REFUND)
    assert kinds([back], mine) == [], "the fee of a refund is its share of the payment's"


def test_a_missing_line_breaks_the_chain_of_balances() -> None:
    first, second, third = rules.read_fund_bill(FUND)
    assert rules.chain_break([first, second, third], 0) is None
    assert rules.chain_break([first, third], 0) is third
    assert rules.opening_fen([second, third]) == 1280
    assert (rules.opening_fen([first]), rules.opening_fen([])) == (0, 0)
    assert rules.opening_fen([msgspec.structs.replace(first, amount_fen=1281)]) == 0
    assert rules.chain_break([first, second, third], 5) is first


def test_when_bills_are_asked_for_f023() -> None:
    """F023: from 10:00 in China on; a day later somebody is told."""
    on = date(2026, 3, 1)
    ready = datetime(2026, 3, 2, 2, tzinfo=UTC)
    assert rules.ready_at(on) == ready
    assert rules.last_day(datetime(2026, 3, 1, 15, 59, tzinfo=UTC)) == date(2026, 2, 28)
    assert rules.last_day(datetime(2026, 3, 1, 16, tzinfo=UTC)) == on
    assert not rules.is_late(on, ready + timedelta(hours=23))
    assert rules.is_late(on, ready + timedelta(hours=24))
