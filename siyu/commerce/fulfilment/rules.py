"""Decisions of fulfilment without database, clock or network."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment.contracts import (
    MAX_BATCH,
    BadTable,
    Carrier,
    ConsignmentLine,
    NothingLeft,
    PieceAsked,
    TableEmpty,
    TableTooLong,
    UploadState,
)
from siyu.wechat.mini_program.contracts import (
    ManagedTrade,
    OrderState,
    ShippedParcel,
    ShippingProblem,
)

CARRIERS: Final = {
    carrier.code: carrier
    for carrier in (
        Carrier("SF", "顺丰速运", "SF Express"),
        Carrier("JD", "京东物流", "JD Logistics"),
        Carrier("ZTO", "中通快递", "ZTO Express"),
        Carrier("YTO", "圆通速递", "YTO Express"),
        Carrier("YD", "韵达快递", "Yunda Express"),
        Carrier("STO", "申通快递", "STO Express"),
        Carrier("JTSD", "极兔速递", "J&T Express"),
        Carrier("EMS", "邮政EMS", "China Post EMS"),
        Carrier("YZPY", "邮政快递包裹", "China Post parcels"),
        Carrier("DBL", "德邦快递", "Deppon Express"),
        Carrier("KYSY", "跨越速运", "KYE Express"),
        Carrier("FWX", "丰网速运", "Fengwang Express"),
        Carrier("DHL", "DHL", "DHL"),
    )
}
"""Carriers by WeChat's delivery id (物流公司编码): its examples name STO, YTO, YD, JTSD and DHL;
the others follow the same list and are uncertain."""
OTHER: Final = "OTHERS"
"""What WeChat is told of a carrier that is not in the list (uncertain)."""
_ALIASES: Final = {
    "顺丰": "SF", "京东": "JD", "京东快递": "JD", "中通": "ZTO", "圆通": "YTO", "圆通快递": "YTO",
    "韵达": "YD", "韵达速递": "YD", "YUNDA": "YD", "申通": "STO", "极兔": "JTSD",
    "极兔快递": "JTSD", "中国邮政": "YZPY", "邮政": "YZPY", "德邦": "DBL", "跨越": "KYSY",
    "丰网": "FWX",
}  # fmt: skip

CODE_DIGITS: Final = 10
CODES_TRIED: Final = 10
CODES_WITHIN: Final = timedelta(minutes=10)
GIVE_UP_AFTER: Final = 14
"""So many failures since the last change, about two days of them, and a person must look."""
_PAUSES: Final = (30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)
_CALL_LASTS: Final = timedelta(minutes=2)


def find_carrier(text: str) -> Carrier | None:
    """The carrier of a code or a name, as people write it."""
    wanted = text.strip()
    code = _ALIASES.get(wanted) or _ALIASES.get(wanted.upper()) or wanted.upper()
    if code in CARRIERS:
        return CARRIERS[code]
    return next((one for one in CARRIERS.values() if wanted in (one.zh, one.en)), None)


def check_pieces(lines: Sequence[ConsignmentLine], asked: Sequence[PieceAsked]) -> None:
    """Raise NothingLeft unless each line is named once and has that many pieces left."""
    by_no = {line.line_no: line for line in lines}
    for piece in asked:
        line = by_no.get(piece.line_no)
        left = line.left if line else 0
        if piece.quantity > left:
            raise NothingLeft(line_no=piece.line_no, left=left)
    if not asked or len({piece.line_no for piece in asked}) != len(asked):
        raise NothingLeft(left=0)


class Share(msgspec.Struct, frozen=True):
    """What a consignment holds of a line: `owned` when it was made for the order itself."""

    consignment_id: UUID
    line_no: int
    quantity: int
    sent: int
    cancelled: int
    owned: bool


def settle_shares(shares: Sequence[Share], may_leave: Mapping[int, int]) -> list[Share]:
    """The shares that change so that no line keeps more than `may_leave` (bought, neither sent nor
    refunded) to be sent; `shares` are oldest first, the newest gives way first.

    What was cancelled comes back when a refund was undone, for the order's own consignment only:
    the share of a gift was refunded for somebody else's sake.
    """
    changed = []
    for line_no in {share.line_no for share in shares}:
        of_line = [share for share in shares if share.line_no == line_no]
        left = sum(one.quantity - one.sent - one.cancelled for one in of_line)
        over = left - max(may_leave.get(line_no, 0), 0)
        for share in reversed(of_line):
            rest = share.quantity - share.sent - share.cancelled
            move = min(over, rest) if over > 0 else -min(-over, share.cancelled * share.owned)
            if move:
                over -= move
                changed.append(msgspec.structs.replace(share, cancelled=share.cancelled + move))
    return changed


def group_code(code: str) -> str:
    """A pick-up code as it is read aloud: `123 456 7890`."""
    return f"{code[:3]} {code[3:6]} {code[6:]}"


def read_code(text: str) -> str | None:
    """What a person typed or a scanner read; None when it cannot be a code."""
    digits = text.strip().rpartition("siyu:pickup:")[2].replace(" ", "").replace("-", "")
    is_code = len(digits) == CODE_DIGITS and digits.isascii() and digits.isdecimal()
    return digits if is_code else None


# --- tables of tracking numbers -----------------------------------------------------------------


class TableRow(msgspec.Struct, frozen=True):
    """A row as it was given; `row_no` counts from 1, a heading included."""

    row_no: int
    order_no: str
    carrier: str
    tracking_no: str


_HEADINGS: Final = {"订单号", "订单编号", "order no", "order no.", "order_no", "order number"}


def read_table(text: str) -> list[TableRow]:
    """Rows of order number, carrier and tracking number, as pasted from a spreadsheet (tabs) or
    read from a CSV file. Raises BadTable, TableEmpty, TableTooLong.
    """
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    mark = "\t" if "\t" in first else "，" if "，" in first and "," not in first else ","
    rows = []
    for row_no, cells in enumerate(csv.reader(io.StringIO(text), delimiter=mark), 1):
        cells = [cell.strip().lstrip("'") for cell in cells]
        if not any(cells) or (cells[0].lower() in _HEADINGS):
            continue
        if len(cells) < 3:
            raise BadTable(row_no=row_no)
        rows.append(TableRow(row_no, cells[0], cells[1], cells[2]))
    if not rows:
        raise TableEmpty
    if len(rows) > MAX_BATCH:
        raise TableTooLong(limit=MAX_BATCH)
    return rows


def describe(pieces: Iterable[tuple[str, int]]) -> str:
    """What is in a parcel, as WeChat shows it: title*quantity."""
    return "；".join(f"{title}*{quantity}" for title, quantity in pieces) or "商品"


# --- WeChat's leave -------------------------------------------------------------------------------


def pause_after(tries: int) -> timedelta:
    """How long to wait after so many failures."""
    return timedelta(seconds=_PAUSES[min(max(tries, 1), len(_PAUSES)) - 1])


def claimed_until(now: datetime) -> datetime:
    """When an upload that was begun is looked at again, should nobody write down its answer."""
    return now + _CALL_LASTS


def next_upload_time(now: datetime, before: datetime | None) -> datetime:
    """A moment WeChat takes: later than the last, in its milliseconds."""
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return now if before is None else max(now, before + timedelta(milliseconds=1))


class Told(msgspec.Struct, frozen=True):
    """What became of an upload: the new state (None: try again), whether WeChat has what was sent,
    and what stands against it. `is_clear`: the outcome is known, so that no question is needed.
    """

    state: UploadState | None
    has_it: bool = False
    problem: str | None = None
    is_clear: bool = True


def judge_problem(problem: ShippingProblem, code: str, *, is_all: bool) -> Told | None:
    """What a refused upload means; None: ask WeChat how the order stands."""
    done = UploadState.TOLD if is_all else UploadState.PARTLY
    match problem:
        case ShippingProblem.UNCHANGED:
            return Told(done, has_it=True)
        case ShippingProblem.USED_UP:
            # WeChat keeps what it was told before: the money moves, the correction is lost on it.
            return Told(done, has_it=True, problem=code)
        case ShippingProblem.REFUSED:
            return Told(UploadState.TICKET, problem=code)
        case ShippingProblem.SHIPPED_ALREADY | ShippingProblem.WRONG_STATE:
            return None
        case _:
            return Told(None, problem=code, is_clear=problem is not ShippingProblem.UNCLEAR)


def state_at_wechat(state: OrderState) -> UploadState | None:
    """What WeChat's own state says of the money; None: it still waits for shipping."""
    match state:
        case OrderState.SHIPPED:
            return UploadState.TOLD
        case OrderState.RECEIVED | OrderState.SETTLING:
            return UploadState.RECEIVED
        case OrderState.FINISHED:
            return UploadState.SETTLED
        case OrderState.REFUNDED:
            return UploadState.REFUNDED
        case _:
            return None


def knows_all(trade: ManagedTrade, parcels: Sequence[ShippedParcel]) -> bool:
    """Whether WeChat has these parcels; when it does not list any, its state is believed."""
    if trade.shipping is None or not trade.shipping.shipping_list:
        return True
    known = {one.tracking_no for one in trade.shipping.shipping_list}
    return all(one.tracking_no in known for one in parcels)
