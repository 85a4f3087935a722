"""Bills of a day, made the morning after from the bank's own books, then frozen.

Columns and cells follow pay-v3, 账单: CSV in UTF-8 with CRLF, cells behind a back-tick, amounts in
yuan, two lines of sums. Fees are what was really taken, whole fen, written with five decimals; a
refund's is negative, as it comes back. 账户结余 is available and frozen money together.
"""

import gzip
import hashlib
import secrets
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import msgspec

from siyu.sandbox import bank, faults, wire
from siyu.sandbox.orders import PayError
from siyu.sandbox.world import Merchant, World

READY_HOUR: Final = 9
KEPT_DAYS: Final = 90
DOWNLOAD_SECONDS: Final = 300

_HEAD: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额"
)
_REFUND: Final = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
_SUMS: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
HEADERS: Final = {
    "ALL": f"{_HEAD},{_REFUND},商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注",
    "SUCCESS": f"{_HEAD},商品名称,商户数据包,手续费,费率,订单金额,费率备注",
    "REFUND": f"{_HEAD},退款申请时间,退款成功时间,{_REFUND},商品名称,商户数据包,手续费,费率,"
    "订单金额,申请退款金额,费率备注",
    "BASIC": "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,"
    "账户结余（元）,资金变更提交申请人,备注,业务凭证号",
}
SUMS: Final = {
    "ALL": _SUMS,
    "SUCCESS": "总交易单数,应结订单总金额,手续费总金额,订单总金额",
    "REFUND": _SUMS,
    "BASIC": "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额",
}
# What a movement of the bank is called in the flow of funds.
_FLOWS: Final = {
    "payment": "交易",
    "fee": "扣除交易手续费",
    "refund": "退款",
    "refund_closed": "退款退回",
    "split": "分账",
    "split_return": "分账回退",
    "transfer": "商家转账",
    "transfer_back": "商家转账退回",
    "deposit": "充值",
    "withdrawal": "提现",
}


class _Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, or a refund of one, as the trade bill lists it; fee_fen negative if given back."""

    at: float
    appid: str
    transaction_id: str
    out_trade_no: str
    openid: str | None
    trade_type: str
    bank_type: str | None
    description: str
    attach: str | None
    total_fen: int
    fee_fen: int
    refund_id: str | None
    out_refund_no: str | None
    refund_fen: int
    refund_state: str | None
    ended_at: float | None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of cells, without back-ticks, and the sums below them."""

    header: list[str]
    rows: list[list[str]]
    sums: list[str]


def announce(
    world: World,
    merchant: Merchant,
    name: str,
    bill_date: str | None,
    tar_type: str | None,
    base_url: str,
) -> tuple[int, dict[str, str]]:
    """申请账单: where the file is, and what its plain text hashes to. name: a bill of HEADERS."""
    day = _check_day(world, bill_date)
    if tar_type not in (None, "GZIP"):
        raise PayError(400, "PARAM_ERROR", "tar_type只支持GZIP", 268435461)
    if faults.outcome(world, "bill_late", merchant.mchid):
        # Not raised: that would take back that the fault has happened.
        return 400, {"code": "STATEMENT_CREATING", "message": "账单生成中，请稍后再试"}
    plain = _get_plain(world, merchant.mchid, name, day)
    content = gzip.compress(plain, mtime=0) if tar_type else plain
    if faults.outcome(world, "bill_broken", merchant.mchid):
        content = content[: len(content) * 2 // 3]
    token = secrets.token_urlsafe(24)
    world.store.run("delete from downloads where expires_at < ?", world.at())
    world.store.run(
        "insert into downloads values (?, ?, ?, ?)",
        token,
        merchant.mchid,
        content,
        world.at() + DOWNLOAD_SECONDS,
    )
    return 200, {
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(plain, usedforsecurity=False).hexdigest(),
        "download_url": f"{base_url}/v3/billdownload/file?token={token}",
    }


class _Content(msgspec.Struct, frozen=True):
    content: bytes


def download(world: World, merchant: Merchant, token: str | None) -> bytes:
    """下载账单, for five minutes."""
    found = world.store.maybe(
        _Content,
        "select content from downloads where token = ? and mchid = ? and expires_at >= ?",
        token,
        merchant.mchid,
        world.at(),
    )
    if found is None:
        raise PayError(400, "INVALID_REQUEST", "下载地址无效或已过期", 268435461)
    return found.content


def _check_day(world: World, bill_date: str | None) -> date:
    try:
        day = date.fromisoformat(bill_date or "")
    except ValueError:
        raise PayError(400, "PARAM_ERROR", "bill_date格式为YYYY-MM-DD", 268435461) from None
    now = world.now().astimezone(wire.CHINA)
    if day >= now.date() or day < now.date() - timedelta(days=KEPT_DAYS):
        raise PayError(400, "PARAM_ERROR", "只能查询三个月内、今日之前的账单", 268435461)
    if now < datetime.combine(day + timedelta(days=1), time(READY_HOUR), wire.CHINA):
        raise PayError(400, "STATEMENT_CREATING", "账单生成中，请稍后再试", 268435461)
    return day


def _get_plain(world: World, mchid: str, name: str, day: date) -> bytes:
    """The bill as it was made when it was first asked for; it never changes afterwards."""
    known = world.store.maybe(
        _Content,
        "select plain as content from bills where mchid = ? and name = ? and day = ?",
        mchid,
        name,
        day.isoformat(),
    )
    if known:
        return known.content
    bill = make_bill(world, mchid, name, day)
    if not bill.rows:
        raise PayError(400, "NO_STATEMENT_EXIST", "账单文件不存在，当日无交易", 268435461)
    plain = write(_spoiled(world, mchid, bill))
    world.store.run("insert into bills values (?, ?, ?, ?)", mchid, name, day.isoformat(), plain)
    return plain


def make_bill(world: World, mchid: str, name: str, day: date) -> Bill:
    """A day (in China) of the bank's books."""
    begins = datetime.combine(day, time(), wire.CHINA).timestamp()
    if name in ("OPERATION", "FEES"):
        return Bill(header=[], rows=[], sums=[])
    if name == "BASIC":
        return _fund_flow(world, mchid, begins, begins + 86400)
    return _trades(world, mchid, name, begins, begins + 86400)


def write(bill: Bill) -> bytes:
    """The file's text."""
    sums_header, sums = bill.sums[0], bill.sums[1:]
    lines = [",".join(bill.header)]
    lines += [",".join(f"`{cell}" for cell in row) for row in bill.rows]
    lines += [sums_header, ",".join(f"`{cell}" for cell in sums)]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _spoiled(world: World, mchid: str, bill: Bill) -> Bill:
    """A bill that is wrong in the way that was ordered, and hashes well."""
    header, rows = bill.header, bill.rows
    if faults.outcome(world, "bill_row_missing", mchid):
        rows = rows[1:]
    if wrong := faults.outcome(world, "bill_amount", mchid):
        column = next(
            n for n, name in enumerate(header) if name in ("应结订单金额", "收支金额（元）")
        )
        fen = round(float(rows[0][column]) * 100) + wrong.option("fen", 1)
        first = [*rows[0][:column], wire.yuan(fen), *rows[0][column + 1 :]]
        rows = [first, *rows[1:]]
    if faults.outcome(world, "bill_column", mchid):
        header, rows = [*header[:1], "新增列", *header[1:]], [[r[0], "x", *r[1:]] for r in rows]
    return Bill(header=header, rows=rows, sums=bill.sums)


# -- trades --------------------------------------------------------------------------------------


def _trades(world: World, mchid: str, name: str, begins: float, ends: float) -> Bill:
    trades: list[_Trade] = []
    if name != "REFUND":
        trades += world.store.all(_Trade, _PAID, mchid, begins, ends)
    if name != "SUCCESS":
        trades += world.store.all(_Trade, _REFUNDED, mchid, begins, ends)
    trades.sort(key=lambda trade: trade.at)
    bps = int(world.setting("fee_bps", str(bank.FEE_BPS)))
    rows = [
        [cells[column] for column in HEADERS[name].split(",")]
        for cells in (_cells(mchid, trade, bps) for trade in trades)
    ]
    paid = sum(trade.total_fen for trade in trades if trade.refund_id is None)
    refunded = sum(trade.refund_fen for trade in trades)
    fees = _fee(sum(trade.fee_fen for trade in trades))
    sums = [str(len(trades)), wire.yuan(paid)]
    if name == "SUCCESS":
        sums += [fees, wire.yuan(paid)]
    else:
        sums += [wire.yuan(refunded), "0.00", fees, wire.yuan(paid), wire.yuan(refunded)]
    return Bill(header=HEADERS[name].split(","), rows=rows, sums=[SUMS[name], *sums])


_FEE_OF_ORDER = """coalesce((select sum(m.fen) from movements m
                    where m.wechat_no = o.transaction_id and m.kind = 'fee'), 0)"""
_PAID = f"""
    select o.paid_at as at, o.appid, o.transaction_id, o.out_trade_no, o.openid, o.trade_type,
           o.bank_type, o.description, o.attach, o.total_fen, {_FEE_OF_ORDER} as fee_fen,
           null as refund_id, null as out_refund_no, 0 as refund_fen, null as refund_state,
           null as ended_at
      from orders o where o.mchid = ? and o.paid_at >= ? and o.paid_at < ? order by o.paid_at"""
_REFUNDED = """
    select r.created_at as at, o.appid, o.transaction_id, o.out_trade_no, o.openid, o.trade_type,
           o.bank_type, o.description, o.attach, 0 as total_fen, -r.fee_fen as fee_fen,
           r.refund_id, r.out_refund_no, r.refund_fen, r.state as refund_state, r.ended_at
      from refunds r join orders o using (transaction_id)
     where r.mchid = ? and r.created_at >= ? and r.created_at < ? order by r.created_at"""


def _cells(mchid: str, trade: _Trade, bps: int) -> dict[str, str]:
    is_refund = trade.refund_id is not None
    arrived = trade.ended_at if trade.refund_state == "SUCCESS" else None
    return {
        "交易时间": _clock(trade.at),
        "公众账号ID": trade.appid,
        "商户号": mchid,
        "特约商户号": "0",
        "设备号": "",
        "微信订单号": trade.transaction_id,
        "商户订单号": trade.out_trade_no,
        "用户标识": trade.openid or "",
        "交易类型": trade.trade_type,
        "交易状态": "REFUND" if is_refund else "SUCCESS",
        "付款银行": trade.bank_type or "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": wire.yuan(trade.total_fen),
        "代金券金额": "0.00",
        "退款申请时间": _clock(trade.at) if is_refund else "",
        "退款成功时间": _clock(arrived) if arrived else "",
        "微信退款单号": trade.refund_id or "0",
        "商户退款单号": trade.out_refund_no or "0",
        "退款金额": wire.yuan(trade.refund_fen),
        "充值券退款金额": "0.00",
        "退款类型": "ORIGINAL" if is_refund else "",
        "退款状态": trade.refund_state or "",
        "商品名称": _plain(trade.description),
        "商户数据包": _plain(trade.attach or ""),
        "手续费": _fee(trade.fee_fen),
        "费率": f"{bps / 100:.2f}%",
        "订单金额": wire.yuan(trade.total_fen),
        "申请退款金额": wire.yuan(trade.refund_fen),
        "费率备注": "",
    }


# -- flow of funds -------------------------------------------------------------------------------


def _fund_flow(world: World, mchid: str, begins: float, ends: float) -> Bill:
    ours = (bank.basic(mchid), bank.frozen(mchid))
    moved = world.store.all(
        bank.Movement,
        """select * from movements
            where (source in (?1, ?2)) <> (target in (?1, ?2)) and at >= ?3 and at < ?4
            order by at, movement_id""",
        *ours,
        begins,
        ends,
    )
    held = int(
        world.store.value(
            """select coalesce(sum(case when target in (?1, ?2) then fen else 0 end), 0)
                    - coalesce(sum(case when source in (?1, ?2) then fen else 0 end), 0)
                 from movements where (source in (?1, ?2) or target in (?1, ?2)) and at < ?3""",
            *ours,
            begins,
        )
    )
    rows: list[list[str]] = []
    sums = {"收入": [0, 0], "支出": [0, 0]}
    for movement in moved:
        way = "收入" if movement.target in ours else "支出"
        held += movement.fen if way == "收入" else -movement.fen
        sums[way][0] += 1
        sums[way][1] += movement.fen
        flow = _FLOWS.get(movement.kind, movement.kind)
        rows.append(
            [
                _clock(movement.at), movement.wechat_no, f"{movement.movement_id:020d}", flow, flow,
                way, wire.yuan(movement.fen), wire.yuan(held), "system", _plain(movement.note),
                movement.number,
            ]
        )  # fmt: skip
    totals = [str(len(rows))]
    for way in ("收入", "支出"):
        totals += [str(sums[way][0]), wire.yuan(sums[way][1])]
    header = HEADERS["BASIC"].split(",")
    return Bill(header=header, rows=rows, sums=[SUMS["BASIC"], *totals])


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, wire.CHINA):%Y-%m-%d %H:%M:%S}"


def _fee(fen: int) -> str:
    return f"{wire.yuan(fen)}000"


def _plain(text: Any) -> str:
    """A cell holds no separators."""
    return str(text).replace(",", "，").replace("\r", " ").replace("\n", " ").replace("`", "'")
