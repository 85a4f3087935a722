"""Transfers to people: created, confirmed by them within 24 hours (or agreed to once), paid.

The money leaves the merchant when the transfer is accepted. Source: pay-v3, 商家转账.
"""

import secrets
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from siyu.sandbox import authorizations, bank, faults, notify, tasks, wire
from siyu.sandbox.chats import leave
from siyu.sandbox.orders import PayError, parse_body
from siyu.sandbox.world import Merchant, World, get_app, get_merchant, get_person

CONFIRM_SECONDS = 24 * 3600
NAME_FROM_FEN, NO_NAME_BELOW_FEN = 200_000, 30
LEAST_FEN, MOST_FEN = 10, 2_000_000
OVER = ("SUCCESS", "FAIL", "CANCELLED")

# What a scene must report, and as what the person may see the money; others only report something.
SCENES: dict[str, tuple[frozenset[str], frozenset[str] | None]] = {
    "1000": (frozenset({"活动名称", "奖励说明"}), frozenset({"现金奖励", "活动奖励"})),
    "1005": (frozenset({"岗位类型", "报酬说明"}), None),
    **dict.fromkeys(["1002", "1004", "1006", "1009", "1010", "1011", "1013"], (frozenset(), None)),
}


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as it is kept."""

    transfer_bill_no: str
    mchid: str
    out_bill_no: str
    appid: str
    openid: str
    person_id: str
    fen: int
    remark: str
    notify_url: str
    body: str
    state: str
    package_info: str
    fail_reason: str | None
    created_at: float
    updated_at: float


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ReportInfo(_Body, frozen=True, kw_only=True):
    """转账场景报备信息."""

    info_type: Annotated[str, Meta(min_length=1, max_length=15)]
    info_content: Annotated[str, Meta(min_length=1, max_length=32)]


class TransferBody(_Body, frozen=True, kw_only=True):
    """发起转账; `authorization_id` instead of the openid when the person has agreed once."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    out_bill_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,32}$")]
    transfer_scene_id: Annotated[str, Meta(min_length=1, max_length=36)]
    transfer_amount: Annotated[int, Meta(ge=1)]
    transfer_remark: Annotated[str, Meta(min_length=1, max_length=32)]
    transfer_scene_report_infos: list[ReportInfo]
    openid: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    user_name: Annotated[str, Meta(max_length=1024)] | None = None
    notify_url: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    user_recv_perception: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    user_recv_style: dict[str, str] | None = None
    authorization_id: Annotated[str, Meta(max_length=64)] | None = None
    out_authorization_no: Annotated[str, Meta(max_length=64)] | None = None
    sponsor_mchid: Annotated[str, Meta(max_length=32)] | None = None


class TransferCard(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of confirming shows; `kind`: a transfer, or the wish to need no confirming."""

    kind: Literal["transfer", "authorization"]
    package: str
    amount_fen: int
    merchant_name: str
    remark: str
    state: str


def _wrong(code: str, message: str, status: int = 400, number: int = 268435461) -> PayError:
    return PayError(status, code, message, number)


def create_transfer(
    world: World, merchant: Merchant, raw: bytes, reveal: wire.Reveal, *, authorized: bool = False
) -> tuple[int, dict[str, Any]]:
    """发起转账; the same number with the same parameters finds the transfer again."""
    body: TransferBody = parse_body(raw, TransferBody)
    name = reveal(body.user_name) if body.user_name else ""
    canonical = wire.canonical_json(raw, without="user_name")
    known = find_transfer(world, merchant.mchid, body.out_bill_no)
    if known:
        if known.body != canonical:
            message = "单号已存在但信息不一致，请查单后比较确认"
            raise _wrong("INVALID_REQUEST", message, number=268498688)
        return 200, created_view(known)
    app = get_app(world, body.appid)
    if app is None or app.mchid != merchant.mchid:
        raise _wrong("APPID_MCHID_NOT_MATCH", "appid和mchid不匹配", number=268445527)
    _check_fields(body)
    openid, person_id = _payee(world, merchant, body, authorized=authorized)
    person = get_person(world, person_id)
    fitting = person is not None and name in ("", person.name)
    now = world.at()
    if bank.balance(world.store, bank.basic(merchant.mchid)) < body.transfer_amount:
        raise _wrong("NOT_ENOUGH", "运营账户或基本账户余额不足", 403)
    waits = fitting and not authorized
    made = Transfer(
        transfer_bill_no=f"1330{secrets.randbelow(10**15):015d}{world.now():%Y%m%d}"
        f"{secrets.randbelow(10**12):012d}",
        mchid=merchant.mchid,
        out_bill_no=body.out_bill_no,
        appid=body.appid,
        openid=openid,
        person_id=person_id,
        fen=body.transfer_amount,
        remark=body.transfer_remark,
        notify_url=body.notify_url or "",
        body=canonical,
        state="WAIT_USER_CONFIRM" if waits else "ACCEPTED",
        package_info=f"ABBQO+oY{secrets.token_urlsafe(48)}" if waits else "",
        fail_reason=None if fitting else "NAME_NOT_CORRECT",
        created_at=now,
        updated_at=now,
    )
    world.store.insert("transfers", made)
    _move(world, made, "transfer", bank.basic(made.mchid), bank.transfers(made.mchid), now)
    if waits:
        tasks.plan(world, "transfer_overdue", made.transfer_bill_no, now + CONFIRM_SECONDS)
        _leave_card(world, made, merchant)
    else:
        tasks.soon(world, "transfer", made.transfer_bill_no, "transfer_seconds", now)
    return 200, created_view(made)


def _check_fields(body: TransferBody) -> None:
    if not LEAST_FEN <= body.transfer_amount <= MOST_FEN:
        raise _wrong("INVALID_REQUEST", "超过单笔转账上下限")
    if body.transfer_amount >= NAME_FROM_FEN and not body.user_name:
        raise _wrong("PARAM_ERROR", "转账金额大于等于2000元时，收款用户姓名必填")
    if body.transfer_amount < NO_NAME_BELOW_FEN and body.user_name:
        raise _wrong("PARAM_ERROR", "转账金额小于0.3元时，不支持传入收款用户姓名")
    scene = SCENES.get(body.transfer_scene_id)
    if scene is None:
        raise _wrong("NO_AUTH", "商户未开通此转账场景", 403)
    reports, perceptions = scene
    given = {info.info_type for info in body.transfer_scene_report_infos}
    if not given or (reports and given != reports):
        raise _wrong("PARAM_ERROR", "未传入完整且对应的转账场景报备信息")
    seen = body.user_recv_perception
    if seen and perceptions is not None and seen not in perceptions:
        raise _wrong("INVALID_REQUEST", "暂不支持展示当前传入的用户收款感知")


def _payee(
    world: World, merchant: Merchant, body: TransferBody, *, authorized: bool
) -> tuple[str, str]:
    if authorized:
        agreed = authorizations.find_in_effect(
            world, merchant.mchid, body.authorization_id, body.out_authorization_no
        )
        if agreed is None or agreed.scene != body.transfer_scene_id:
            raise _wrong("NO_AUTH", "用户未授权，或授权已关闭", 403)
        return agreed.openid, agreed.person_id
    sql = "select person_id from identities where openid = ? and appid = ?"
    person_id = world.store.value(sql, body.openid, body.appid)
    if person_id is None:
        raise _wrong("PARAM_ERROR", "openid与appid不匹配，或openid无效")
    return str(body.openid), str(person_id)


def _leave_card(world: World, made: Transfer, merchant: Merchant) -> None:
    app = get_app(world, made.appid)
    card = {
        "amount_fen": made.fen,
        "merchant_name": merchant.name,
        "remark": made.remark,
        "package": made.package_info,
        "state": made.state,
        "out_bill_no": made.out_bill_no,
        "app_name": app.name if app else merchant.name,
    }
    leave(world, made.person_id, "pay", "transfer", card)


def _move(world: World, made: Transfer, kind: str, source: str, target: str, at: float) -> None:
    bank.move(
        world.store, kind, source, target, made.fen, at=at, mchid=made.mchid,
        number=made.out_bill_no, wechat_no=made.transfer_bill_no, note=made.remark,
    )  # fmt: skip


def find_transfer(world: World, mchid: str, out_bill_no: str) -> Transfer | None:
    """The transfer of the merchant's number."""
    return world.store.maybe(
        Transfer,
        "select * from transfers where mchid = ? and out_bill_no = ?",
        mchid,
        out_bill_no,
    )


def query_transfer(world: World, merchant: Merchant, number: str, column: str) -> tuple[int, Any]:
    """查询转账单, by the merchant's number (out_bill_no) or WeChat's (transfer_bill_no)."""
    found = world.store.maybe(
        Transfer, f"select * from transfers where mchid = ? and {column} = ?",
        merchant.mchid, number,
    )  # fmt: skip
    if found is None:
        raise _wrong("NOT_FOUND", "记录不存在", 404, 268512771)
    return 200, transfer_view(found)


def cancel_transfer(world: World, merchant: Merchant, out_bill_no: str) -> tuple[int, Any]:
    """撤销转账: only what nobody has confirmed; repeating is harmless."""
    found = find_transfer(world, merchant.mchid, out_bill_no)
    if found is None:
        raise _wrong("NOT_FOUND", "记录不存在", 404, 268512771)
    if found.state == "WAIT_USER_CONFIRM":
        now = world.at()
        found = _change(world, found, "CANCELING", now)
        tasks.soon(world, "transfer", found.transfer_bill_no, "transfer_seconds", now)
    elif found.state not in ("CANCELING", "CANCELLED"):
        raise _wrong("INVALID_REQUEST", "当前状态不支持撤销")
    view = transfer_view(found)
    return 200, {
        name: view[name] for name in ("out_bill_no", "transfer_bill_no", "state", "update_time")
    }


def _change(
    world: World, found: Transfer, state: str, at: float, reason: str | None = None
) -> Transfer:
    world.store.run(
        """update transfers set state = ?, updated_at = ?, fail_reason = ?
            where transfer_bill_no = ?""",
        state,
        at,
        reason,
        found.transfer_bill_no,
    )
    # The card in the chat shows where the transfer stands.
    world.store.run(
        """update messages set payload = json_set(payload, '$.state', ?)
            where person_id = ? and kind = 'transfer'
              and json_extract(payload, '$.package') = ?""",
        state,
        found.person_id,
        found.package_info,
    )
    return msgspec.structs.replace(found, state=state, updated_at=at, fail_reason=reason)


def _of_task(world: World, task: tasks.Task) -> Transfer:
    found = world.store.maybe(
        Transfer, "select * from transfers where transfer_bill_no = ?", task.number
    )
    assert found is not None
    return found


@tasks.handles("transfer_overdue")
def expire(world: World, task: tasks.Task) -> None:
    """Nobody confirmed in 24 hours."""
    found = _of_task(world, task)
    if found.state == "WAIT_USER_CONFIRM":
        _end(world, found, "FAIL", task.due_at, "OVERDUE_CLOSE")


@tasks.handles("transfer")
def finish(world: World, task: tasks.Task) -> None:
    """Money arrives, or what was accepted fails, or a cancellation is done."""
    found = _of_task(world, task)
    if found.state == "CANCELING":
        _end(world, found, "CANCELLED", task.due_at)
    elif found.state in ("ACCEPTED", "TRANSFERING"):
        bad = faults.outcome(world, "transfer_failed", found.mchid)
        reason = found.fail_reason
        if bad:
            reason = str(bad.option("code", "PAYEE_ACCOUNT_ABNORMAL"))
        _end(world, found, "FAIL" if reason else "SUCCESS", task.due_at, reason)


def _end(world: World, found: Transfer, state: str, at: float, reason: str | None = None) -> None:
    away = bank.transfers(found.mchid)
    if state == "SUCCESS":
        _move(world, found, "transfer_paid", away, bank.person(found.person_id), at)
    else:
        _move(world, found, "transfer_back", away, bank.basic(found.mchid), at)
    ended = _change(world, found, state, at, reason)
    merchant = get_merchant(world, found.mchid)
    if merchant is None or not found.notify_url:
        return
    view = transfer_view(ended)
    told = {name: view[name] for name in _TOLD if name in view}
    event, summary = "MCHTRANSFER.BILL.FINISHED", "商家转账单据终态通知"
    notify.enqueue(world, merchant, found.out_bill_no, found.notify_url, told, event, summary)


_TOLD = (
    "out_bill_no", "transfer_bill_no", "state", "mch_id", "transfer_amount", "openid",
    "fail_reason", "create_time", "update_time",
)  # fmt: skip


# -- what the person does ------------------------------------------------------------------------


def find_card(world: World, package: str) -> tuple[Transfer | None, TransferCard | None]:
    """What a package_info asks the person to confirm."""
    found = world.store.maybe(
        Transfer, "select * from transfers where package_info = ? and package_info <> ''", package
    )
    if found is None:
        return None, None
    merchant = get_merchant(world, found.mchid)
    card = TransferCard(
        kind="transfer",
        package=package,
        amount_fen=found.fen,
        merchant_name=merchant.name if merchant else found.mchid,
        remark=found.remark,
        state=found.state,
    )
    return found, card


def answer(world: World, found: Transfer, *, accepts: bool) -> None:
    """The payee takes the money, or does not want it."""
    now = world.at()
    if not accepts:
        _end(world, found, "FAIL", now, "OTHER_FAIL_REASON_TYPE")
        return
    _change(world, found, "TRANSFERING", now)
    tasks.soon(world, "transfer", found.transfer_bill_no, "transfer_seconds", now)


# -- views ---------------------------------------------------------------------------------------


def created_view(found: Transfer) -> dict[str, Any]:
    """What creating answers; package_info only while the person is to confirm."""
    view = transfer_view(found)
    names = ["out_bill_no", "transfer_bill_no", "create_time", "state", "fail_reason"]
    if not found.package_info:
        names += ["mch_id", "appid", "openid", "transfer_amount", "transfer_remark", "update_time"]
    kept = {name: view[name] for name in names if name in view}
    if found.state == "WAIT_USER_CONFIRM":
        kept["package_info"] = found.package_info
    return kept


def transfer_view(found: Transfer) -> dict[str, Any]:
    """What a query says of a transfer."""
    view = {
        "mch_id": found.mchid,
        "out_bill_no": found.out_bill_no,
        "transfer_bill_no": found.transfer_bill_no,
        "appid": found.appid,
        "state": found.state,
        "transfer_amount": found.fen,
        "transfer_remark": found.remark,
        "openid": found.openid,
        "create_time": wire.moment(found.created_at),
        "update_time": wire.moment(found.updated_at),
    }
    over = found.fail_reason and found.state == "FAIL"
    return view | ({"fail_reason": found.fail_reason} if over else {})
