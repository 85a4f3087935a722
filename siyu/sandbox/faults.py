"""Faults that operators and tests order, and how a request or a notification meets them.

A fault names an operation (`*`: all, `refund`: all of refunds), may be for one merchant, happens
`times` times or until it is removed. Outcomes happen to whatever they are outcomes of: they name
no operation. Nothing goes wrong unless it was ordered.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from siyu.sandbox.world import World

# what may be ordered -> (where it can happen, zh, en)
ANSWER, NOTICE, BOTH, OUTCOME = "answer", "notice", "both", "outcome"
KINDS: dict[str, tuple[str, str, str]] = {
    "system_error": (ANSWER, "系统错误（什么也没做）", "System error (nothing done)"),
    "frequency_limited": (ANSWER, "频率超限", "Too many requests"),
    "errcode": (ANSWER, "返回指定错误码", "Answers with a chosen errcode"),
    "html": (ANSWER, "返回 HTML 错误页", "HTML error page"),
    "slow": (ANSWER, "延迟应答", "Slow answer"),
    "timeout_after_work": (ANSWER, "做完了但不应答", "Does the work, never answers"),
    "bad_signature": (BOTH, "签名被破坏", "Broken signature"),
    "probe": (BOTH, "先发签名探测", "Signature probe first"),
    "skewed_time": (BOTH, "时间戳偏移", "Timestamp off"),
    "tamper_amount": (BOTH, "金额被改（签名有效）", "Other amount (validly signed)"),
    "drop": (NOTICE, "丢弃通知", "Notification lost"),
    "delay": (NOTICE, "延迟通知", "Notification delayed"),
    "repeat": (NOTICE, "重复通知", "Notification repeated"),
    "reorder": (NOTICE, "通知乱序", "Notifications out of order"),
    "refund_abnormal": (OUTCOME, "退款异常（卡已注销）", "Refund abnormal (card closed)"),
    "refund_closed": (OUTCOME, "退款关闭", "Refund closed"),
    "share_closed": (OUTCOME, "一个分账接收方失败", "One receiver of a split fails"),
    "return_failed": (OUTCOME, "分账回退失败", "Return of a split fails"),
    "transfer_failed": (OUTCOME, "转账失败", "Transfer fails"),
    "bill_late": (OUTCOME, "账单迟到", "Bill comes late"),
    "bill_broken": (OUTCOME, "账单压缩包损坏", "Bill archive broken"),
    "bill_column": (OUTCOME, "账单多一列", "Bill has one more column"),
    "bill_row_missing": (OUTCOME, "账单缺一行", "Bill lacks a row"),
    "bill_amount": (OUTCOME, "账单金额不符", "Bill has another amount"),
}
OPERATIONS = (
    "*",
    "notify",
    "notify.payment",
    "notify.refund",
    "notify.sharing",
    "notify.transfer",
    "notify.push",
    "pay.create",
    "pay.query",
    "pay.close",
    "pay.certificates",
    "refund",
    "refund.create",
    "refund.query",
    "refund.abnormal",
    "sharing",
    "sharing.receiver",
    "sharing.split",
    "sharing.query",
    "sharing.unfreeze",
    "sharing.return",
    "transfer",
    "transfer.create",
    "transfer.query",
    "transfer.cancel",
    "transfer.authorize",
    "bill",
    "bill.announce",
    "bill.file",
    "token",
    "login",
    "phone_number",
    "code_image",
    "shipping",
    "shipping.upload",
    "shipping.query",
    "shipping.remind",
    "shipping.path",
    "message",
    "message.subscription",
    "message.notice",
    "message.care",
    "message.mass",
    "message.templates",
    "user",
    "wecom",
    "wecom.token",
    "wecom.contact",
    "wecom.welcome",
    "wecom.mass",
)


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a fault happens: seconds (slow, timeout_after_work, delay, skewed_time), fen added to the
    amount (tamper_amount), copies and whether they go together (repeat), another code of the
    refusal (system_error, frequency_limited, errcode) or the fail_reason (share_closed,
    return_failed, transfer_failed)."""

    seconds: Annotated[float, Meta(ge=-86400 * 400, le=86400 * 400)] | None = None
    fen: Annotated[int, Meta(ge=-(10**12), le=10**12)] | None = None
    copies: Annotated[int, Meta(ge=1, le=100)] | None = None
    together: bool | None = None
    code: Annotated[str, Meta(max_length=64)] | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An ordered fault; `remaining` None: until removed; `options` is JSON of Options."""

    fault_id: int
    kind: str
    operation: str
    mchid: str | None
    remaining: int | None
    options: str
    happened: int

    def option(self, name: str, default: Any) -> Any:
        """An option of this fault, or its default."""
        given = getattr(msgspec.json.decode(self.options, type=Options), name)
        return default if given is None else given


def take(world: World, kind: str, operation: str, mchid: str | None = None) -> Fault | None:
    """The oldest ordered fault that fits here, counted as having happened; None if all is well."""
    fault_id = world.store.value(
        """select fault_id from faults
            where kind = ? and operation in (?, ?, '*') and (mchid is null or mchid = ?)
              and (remaining is null or remaining > 0)
            order by fault_id limit 1""",
        kind,
        operation,
        operation.partition(".")[0],
        mchid,
    )
    if fault_id is None:
        return None
    return world.store.maybe(
        Fault,
        """update faults set happened = happened + 1, remaining = remaining - 1
            where fault_id = ? returning *""",
        fault_id,
    )


def outcome(world: World, kind: str, mchid: str) -> Fault | None:
    """Whether something ends badly this time, because it was ordered."""
    return take(world, kind, "*", mchid)


def order(
    world: World,
    kind: str,
    operation: str,
    mchid: str | None,
    times: int | None,
    options: Options,
) -> Fault:
    """Write a fault down; it happens from the next fitting request or notification on."""
    return world.store.all(
        Fault,
        """insert into faults (kind, operation, mchid, remaining, options)
           values (?, ?, ?, ?, ?) returning *""",
        kind,
        "*" if KINDS[kind][0] == OUTCOME else operation,
        mchid,
        times,
        msgspec.json.encode(options).decode(),
    )[0]


def list_faults(world: World) -> list[Fault]:
    """Those that can still happen, and those that have (newest first)."""
    return world.store.all(Fault, "select * from faults order by fault_id desc limit 200")
