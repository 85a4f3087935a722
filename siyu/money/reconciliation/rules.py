"""Pure decisions of reconciliation: reading a bill, matching its lines, when to ask for one."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from siyu.money.ledger.contracts import Book
from siyu.money.reconciliation.contracts import (
    Bill,
    BillLine,
    BillUnreadable,
    Difference,
    Found,
    LineKind,
    Ours,
)

CHINA: Final = ZoneInfo("Asia/Shanghai")
READY_AT: Final = time(10)
"""WeChat makes the bill from 09:00 on and advises to ask after 10:00."""
RETRY_EVERY: Final = timedelta(minutes=30)
LATE_AFTER: Final = timedelta(hours=24)
_WITHIN_A_DAY: Final = timedelta(days=1)

TRADE_COLUMNS: Final = {
    "at": "交易时间", "number": "微信订单号", "own_number": "商户订单号", "state": "交易状态",
    "refund_number": "微信退款单号", "own_refund_number": "商户退款单号",
    "refund": "申请退款金额", "amount": "订单金额", "fee": "手续费", "rate": "费率",
}  # fmt: skip
FUND_COLUMNS: Final = {
    "at": "记账时间", "number": "微信支付业务单号", "flow_no": "资金流水单号",
    "business": "业务名称", "kind": "业务类型", "direction": "收支类型",
    "amount": "收支金额（元）", "balance": "账户结余（元）", "note": "备注",
    "own_number": "业务凭证号",
}  # fmt: skip

BUSINESSES: Final[tuple[tuple[str, LineKind], ...]] = (
    # The first word found in 业务类型 or 业务名称 decides; a fee's name also holds 交易.
    ("手续费", LineKind.FEE),
    ("分账回退", LineKind.SPLIT_RETURN),
    ("分账", LineKind.SPLIT),
    ("退款", LineKind.REFUND),
    ("转账", LineKind.TRANSFER),
    ("提现", LineKind.WITHDRAWAL),
    ("充值", LineKind.DEPOSIT),
    ("交易", LineKind.PAYMENT),
)

FROM_BILL: Final = {
    LineKind.FEE: Book.FEES,
    LineKind.WITHDRAWAL: Book.PETTY,
    LineKind.DEPOSIT: Book.PETTY,
}
"""What is known from the bill alone, and the book on its other side."""


_FEE_WITHIN: Final = re.compile(r"含手续费(\d+\.\d\d)元")


def ready_at(on: date) -> datetime:
    """When a day's bills may be asked for."""
    return datetime.combine(on + _WITHIN_A_DAY, READY_AT, CHINA)


def last_day(now: datetime) -> date:
    """The last day in China that is over."""
    return now.astimezone(CHINA).date() - _WITHIN_A_DAY


def is_late(on: date, now: datetime) -> bool:
    """Whether a bill is overdue so long that somebody must be told (F023)."""
    return now >= ready_at(on) + LATE_AFTER


# --- reading --------------------------------------------------------------------------------------


def fen(text: str) -> int:
    """`12.80` yuan as 1280 fen; raises ValueError when it is no amount of whole fen."""
    milli = fen_milli(text)
    if milli % 1000:
        raise ValueError(f"{text!r} is not whole fen")
    return milli // 1000


def fen_milli(text: str) -> int:
    """`0.07680` yuan as 7680 thousandths of a fen."""
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.removeprefix("-").partition(".")
    if not whole.isascii() or not whole.isdigit() or (part and not part.isdigit()):
        raise ValueError(f"{text!r} is not an amount")
    if len(part) > 5 or len(whole) > 12:
        raise ValueError(f"{text!r} is not an amount")
    return sign * int(whole + part.ljust(5, "0"))


def rate_bps(text: str) -> int:
    """`0.60%` as 60 basis points; an empty cell is 0."""
    return fen_milli(text.removesuffix("%")) // 1000 if text else 0


def read_trade_bill(raw: bytes) -> list[BillLine]:
    """The lines of a trade bill of type ALL. Raises BillUnreadable."""
    return [_trade_line(no, cells) for no, cells in _table(raw, TRADE_COLUMNS)]


def read_fund_bill(raw: bytes) -> list[BillLine]:
    """The lines of a fund bill. Raises BillUnreadable."""
    return [_fund_line(no, cells) for no, cells in _table(raw, FUND_COLUMNS)]


def _table(raw: bytes, columns: Mapping[str, str]) -> Iterable[tuple[int, dict[str, str]]]:
    """The rows by our names. Columns are found by their header, wherever they stand (F023); each
    data cell begins with a back-tick, and the last two lines are sums that must agree."""
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BillUnreadable(0, "not UTF-8") from None
    lines = [line for line in lines if line.strip()]
    if len(lines) < 3:
        raise BillUnreadable(0, "too short for a header and its sums")
    header = [name.strip().lstrip("`") for name in lines[0].split(",")]
    missing = [name for name in columns.values() if name not in header]
    if missing:
        raise BillUnreadable(1, f"no column {missing[0]}")
    places = {ours: header.index(name) for ours, name in columns.items()}
    rows: list[tuple[int, dict[str, str]]] = []
    for no, line in enumerate(lines[1:-2], start=2):
        cells = line.removeprefix("`").split(",`")
        if not line.startswith("`") or len(cells) != len(header):
            raise BillUnreadable(no, f"{len(cells)} cells under {len(header)} headers")
        rows.append((no - 1, {ours: cells[place].strip() for ours, place in places.items()}))
    count = lines[-1].removeprefix("`").split(",`")[0]
    if lines[-2].startswith("`") or not lines[-1].startswith("`") or count != str(len(rows)):
        raise BillUnreadable(len(lines), f"sums for {count} rows, {len(rows)} found")
    return rows


def _trade_line(no: int, cells: dict[str, str]) -> BillLine:
    is_refund = cells["state"] == "REFUND"
    return _line(
        no,
        cells,
        lambda: BillLine(
            line_no=no,
            bill=Bill.TRADE,
            kind=LineKind.REFUND if is_refund else LineKind.PAYMENT,
            number=cells["refund_number"] if is_refund else cells["number"],
            own_number=cells["own_refund_number"] if is_refund else cells["own_number"],
            flow_no="",
            amount_fen=-fen(cells["refund"]) if is_refund else fen(cells["amount"]),
            fee_milli_fen=fen_milli(cells["fee"]),
            rate_bps=rate_bps(cells["rate"]),
            balance_fen=None,
            business=cells["state"],
            at=_moment(cells["at"]),
        ),
    )


def _fund_line(no: int, cells: dict[str, str]) -> BillLine:
    said = f"{cells['kind']} {cells['business']}"
    kind = next((kind for word, kind in BUSINESSES if word in said), LineKind.OTHER)

    def make() -> BillLine:
        sign = {"收入": 1, "支出": -1}.get(cells["direction"])
        if sign is None or not cells["flow_no"]:
            raise ValueError("neither income nor expense, or without its number")
        fee = _FEE_WITHIN.search(cells["note"]) if kind is LineKind.REFUND else None
        return BillLine(
            line_no=no,
            bill=Bill.FUND,
            kind=kind,
            number=cells["number"],
            own_number=cells["own_number"],
            flow_no=cells["flow_no"],
            amount_fen=sign * fen(cells["amount"]),
            fee_milli_fen=sign * fen(fee[1]) * 1000 if fee else 0,
            rate_bps=0,
            balance_fen=fen(cells["balance"]),
            business=said.strip(),
            at=_moment(cells["at"]),
        )

    return _line(no, cells, make)


def _line(no: int, cells: dict[str, str], make: Callable[[], BillLine]) -> BillLine:
    try:
        return make()
    except ValueError as error:
        raise BillUnreadable(no + 1, str(error)) from None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)


# --- matching -------------------------------------------------------------------------------------


def fee_fen(line: BillLine) -> int:
    """What of a fund line is WeChat's fee, as it changes our balance. A refund comes with its
    share of the fee taken off: `退款总金额16.00元;含手续费0.10元` moves 15.90."""
    if line.kind is LineKind.FEE:
        return line.amount_fen
    return -line.fee_milli_fen // 1000 if line.bill is Bill.FUND else 0


def gross_fen(line: BillLine) -> int:
    """A line without the fee in it."""
    return line.amount_fen - fee_fen(line)


def totals(lines: Iterable[BillLine]) -> dict[LineKind, int]:
    """Sums of fund lines per kind of business, as they change our balance."""
    sums: dict[LineKind, int] = defaultdict(int)
    for line in lines:
        if line.kind is not LineKind.FEE:
            sums[line.kind] += gross_fen(line)
        if fee := fee_fen(line):
            sums[LineKind.FEE] += fee
    return dict(sums)


def compare(
    lines: Sequence[BillLine], ours: Mapping[str, Ours], unseen: Sequence[Ours]
) -> list[Found]:
    """All differences of a day, in the order of the bill.

    lines: of both bills; ours: what we have, by our own number; unseen: what we settled until the
    end of that day and no bill has shown yet. The amounts of one number count together, for a
    split to several receivers has one number and several lines.
    """
    found: list[Found] = []
    for bill in (Bill.TRADE, Bill.FUND):
        by_number: dict[str, list[BillLine]] = defaultdict(list)
        for line in lines:
            if line.bill is bill and line.kind not in FROM_BILL:
                by_number[line.own_number].append(line)
        for number, same in by_number.items():
            one = _compare_number(bill, number, same, ours.get(number))
            if one is not None:
                found.append(one)
    found += [wrong for line in lines if (wrong := _check_fee(line)) is not None]
    shown = {line.own_number for line in lines}
    found += [
        Found(
            kind=Difference.MISSING_THERE, bill=Bill.FUND, number=one.number, line_no=None,
            ref=one.ref, theirs_fen=None, ours_fen=one.domain_fen, ledger_fen=one.settled_fen,
        )
        for one in unseen
        if one.number not in shown and one.settled_fen
    ]  # fmt: skip
    return found


def _compare_number(
    bill: Bill, number: str, lines: list[BillLine], ours: Ours | None
) -> Found | None:
    theirs = sum(gross_fen(line) for line in lines)
    said = Found(
        kind=Difference.AMOUNT,
        bill=bill,
        number=number,
        line_no=lines[0].line_no,
        ref=ours.ref if ours else None,
        theirs_fen=theirs,
        ours_fen=ours.domain_fen if ours else None,
        ledger_fen=ours.settled_fen if ours else None,
    )
    if ours is None:
        known = lines[0].kind is not LineKind.OTHER
        kind = Difference.MISSING_HERE if known else Difference.UNKNOWN_BUSINESS
        return _as(said, kind)
    if ours.domain_fen is not None and ours.domain_fen not in (ours.settled_fen, ours.transit_fen):
        return _as(said, Difference.LEDGER)
    if bill is Bill.TRADE and ours.domain_fen is not None:
        # A refund that WeChat closed stays in the bill of the day it was begun on, and stands again
        # in that of the day it was asked for anew; what moved in all is the fund bill's to say.
        told = {gross_fen(line) for line in lines} if theirs < 0 else {theirs}
        is_given_up = theirs < 0 and not ours.domain_fen and not ours.transit_fen
        return said if told != {ours.domain_fen} and not is_given_up else None
    return said if theirs not in (ours.settled_fen, ours.transit_fen) else None


def _as(found: Found, kind: Difference) -> Found:
    return Found(
        kind=kind, bill=found.bill, number=found.number, line_no=found.line_no, ref=found.ref,
        theirs_fen=found.theirs_fen, ours_fen=found.ours_fen, ledger_fen=found.ledger_fen,
    )  # fmt: skip


def _check_fee(line: BillLine) -> Found | None:
    """The fee of a payment is its amount times the rate, to less than a fen."""
    if line.bill is not Bill.TRADE or line.kind is not LineKind.PAYMENT:
        return None
    due_milli = line.amount_fen * line.rate_bps * 1000 // 10_000
    if abs(due_milli - line.fee_milli_fen) < 1000:
        return None
    return Found(
        kind=Difference.FEE, bill=Bill.TRADE, number=line.own_number, line_no=line.line_no,
        ref=None, theirs_fen=-line.fee_milli_fen // 1000, ours_fen=-due_milli // 1000,
        ledger_fen=None,
    )  # fmt: skip


def opening_fen(lines: Sequence[BillLine]) -> int:
    """What lay at WeChat before the first fund line there ever was; less than nothing cannot be."""
    if not lines or lines[0].balance_fen is None:
        return 0
    return max(0, lines[0].balance_fen - lines[0].amount_fen)


def chain_break(lines: Sequence[BillLine], opening: int) -> BillLine | None:
    """The first fund line whose balance does not follow from the one before (or from the opening
    balance of the day): a line is missing or was changed."""
    for line in lines:
        if opening + line.amount_fen != line.balance_fen:
            return line
        opening = line.balance_fen
    return None
