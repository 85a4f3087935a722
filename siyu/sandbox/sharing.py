"""Profit sharing: money of an order is frozen, split to receivers, returned, unfrozen.

Source: pay-v3, 分账. Splits are accepted at once and carried out later, each receiver with a result
of its own. The highest share of an order (30 % by default) is `share_cap_bps` of the settings.
"""

import secrets
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from siyu.sandbox import bank, faults, notify, tasks, wire
from siyu.sandbox.freezing import (
    SETTLE_SECONDS,
    Sharing,
    end_sharing,
    find_sharing,
    rest_fen,
    thaw,
)
from siyu.sandbox.orders import PayError, find_paid, parse_body
from siyu.sandbox.world import Merchant, World, get_app, get_merchant, get_person

MOST_SPLITS = 50
MOST_RECEIVERS = 50
SHARE_CAP_BPS = 3_000

Type = Literal["MERCHANT_ID", "PERSONAL_OPENID", "PERSONAL_SUB_OPENID"]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A split, or (without shares of others) an unfreeze."""

    order_id: str
    mchid: str
    out_order_no: str
    transaction_id: str
    state: str
    body: str
    unfreeze: int
    created_at: float


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver's part of a split."""

    detail_id: str
    order_id: str
    type: str
    account: str
    description: str
    fen: int
    result: str
    fail_reason: str | None
    created_at: float
    ended_at: float | None


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ReceiverBody(_Body, frozen=True, kw_only=True):
    """添加分账接收方."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    type: Type
    account: Annotated[str, Meta(min_length=1, max_length=64)]
    relation_type: Literal[
        "STORE", "STAFF", "STORE_OWNER", "PARTNER", "HEADQUARTER", "BRAND", "DISTRIBUTOR", "USER",
        "SUPPLIER", "SERVICE_PROVIDER", "CUSTOM",
    ]  # fmt: skip
    name: Annotated[str, Meta(max_length=1024)] | None = None
    custom_relation: Annotated[str, Meta(min_length=1, max_length=10)] | None = None


class DeleteBody(_Body, frozen=True, kw_only=True):
    """删除分账接收方."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    type: Type
    account: Annotated[str, Meta(min_length=1, max_length=64)]


class ShareBody(_Body, frozen=True, kw_only=True):
    """One receiver of 请求分账."""

    type: Type
    account: Annotated[str, Meta(min_length=1, max_length=64)]
    amount: Annotated[int, Meta(ge=1)]
    description: Annotated[str, Meta(min_length=1, max_length=80)]
    name: Annotated[str, Meta(max_length=1024)] | None = None


class SplitBody(_Body, frozen=True, kw_only=True):
    """请求分账."""

    transaction_id: Annotated[str, Meta(min_length=1, max_length=32)]
    out_order_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
    receivers: Annotated[list[ShareBody], Meta(min_length=1, max_length=MOST_RECEIVERS)]
    unfreeze_unsplit: bool
    appid: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class UnfreezeBody(_Body, frozen=True, kw_only=True):
    """解冻剩余资金."""

    transaction_id: Annotated[str, Meta(min_length=1, max_length=32)]
    out_order_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
    description: Annotated[str, Meta(min_length=1, max_length=80)]


def wrong(code: str, message: str, status: int = 400, number: int = 268435461) -> PayError:
    """A refusal of this product."""
    return PayError(status, code, message, number)


# -- receivers -----------------------------------------------------------------------------------


def add_receiver(
    world: World, merchant: Merchant, raw: bytes, reveal: wire.Reveal
) -> tuple[int, dict[str, Any]]:
    """添加分账接收方: adding again is harmless and changes nothing."""
    body: ReceiverBody = parse_body(raw, ReceiverBody)
    _check_app(world, merchant, body.appid)
    if body.relation_type == "CUSTOM" and not body.custom_relation:
        raise wrong("PARAM_ERROR", "relation_type为CUSTOM时custom_relation必填")
    name = reveal(body.name) if body.name else ""
    if body.type == "MERCHANT_ID":
        other = get_merchant(world, body.account)
        if other is None or other.mchid == merchant.mchid:
            raise wrong("PARAM_ERROR", "分账接收方商户号不正确")
        if name != other.name:
            raise wrong("PARAM_ERROR", "分账接收方全称与商户号不匹配")
    else:
        _check_person(world, body.appid, body.account, name)
    world.store.run(
        "insert or ignore into receivers values (?, ?, ?, ?, ?, ?)",
        merchant.mchid,
        body.appid,
        body.type,
        body.account,
        name,
        body.relation_type,
    )
    view = {"type": body.type, "account": body.account, "relation_type": body.relation_type}
    return 200, view | ({"name": body.name} if body.name else {})


def delete_receiver(world: World, merchant: Merchant, raw: bytes) -> tuple[int, dict[str, Any]]:
    """删除分账接收方."""
    body: DeleteBody = parse_body(raw, DeleteBody)
    world.store.run(
        "delete from receivers where mchid = ? and appid = ? and type = ? and account = ?",
        merchant.mchid,
        body.appid,
        body.type,
        body.account,
    )
    return 200, {"type": body.type, "account": body.account}


def _check_app(world: World, merchant: Merchant, appid: str | None) -> None:
    app = get_app(world, appid or "")
    if app is None or app.mchid != merchant.mchid:
        raise wrong("APPID_MCHID_NOT_MATCH", "appid和mchid不匹配", number=268445527)


def _check_person(world: World, appid: str, openid: str, name: str) -> str:
    sql = "select person_id from identities where openid = ? and appid = ?"
    person_id = world.store.value(sql, openid, appid)
    known = get_person(world, str(person_id)) if person_id else None
    if known is None:
        raise wrong("PARAM_ERROR", "无效的openid")
    if name and name != known.name:
        raise wrong("INVALID_REQUEST", "分账接收方姓名与实名不匹配")
    return known.person_id


# -- splits --------------------------------------------------------------------------------------


def split(
    world: World, merchant: Merchant, raw: bytes, reveal: wire.Reveal
) -> tuple[int, dict[str, Any]]:
    """请求分账: the same number with the same receivers finds the split again."""
    body: SplitBody = parse_body(raw, SplitBody)
    for share in body.receivers:
        if share.name:
            reveal(share.name)
    canonical = wire.canonical_json(raw, without="name")
    known = find_split(world, merchant.mchid, body.out_order_no)
    if known:
        if known.body != canonical:
            raise wrong("INVALID_REQUEST", "分账接收方与原请求不一致", number=268498688)
        return 200, split_view(world, known)
    sharing = _open_sharing(world, merchant, body.transaction_id)
    _check_receivers(world, merchant, body)
    wanted = sum(share.amount for share in body.receivers)
    _check_amount(world, sharing, wanted)
    made = _insert(world, merchant, body.transaction_id, body.out_order_no, canonical,
                   unfreeze=body.unfreeze_unsplit)  # fmt: skip
    for share in body.receivers:
        world.store.insert("shares", _new_share(world, made, share))
    tasks.soon(world, "split", made.order_id, "split_seconds", made.created_at)
    return 200, split_view(world, made)


def _open_sharing(world: World, merchant: Merchant, transaction_id: str) -> Sharing:
    order = find_paid(world, merchant.mchid, transaction_id)
    if order is None or order.paid_at is None:
        raise wrong("RESOURCE_NOT_EXISTS", "订单不存在", 404, 268512771)
    sharing = find_sharing(world, transaction_id)
    if sharing is None:
        raise wrong("INVALID_REQUEST", "非分账订单不支持分账")
    if world.at() < order.paid_at + SETTLE_SECONDS:
        raise wrong("INVALID_REQUEST", "订单处理中，请稍后重试")
    if sharing.ended_at is not None:
        raise wrong("INVALID_REQUEST", "订单已完结，不能再分账")
    refunded = world.store.value(
        "select sum(refund_fen) from refunds where transaction_id = ? and state <> 'CLOSED'",
        transaction_id,
    )
    if (refunded or 0) >= order.total_fen:
        raise wrong("INVALID_REQUEST", "订单已全额退款，不能分账")
    return sharing


def _check_receivers(world: World, merchant: Merchant, body: SplitBody) -> None:
    if len({(share.type, share.account) for share in body.receivers}) < len(body.receivers):
        raise wrong("PARAM_ERROR", "分账接收方重复")
    for share in body.receivers:
        if share.type != "MERCHANT_ID":
            _check_app(world, merchant, body.appid)
        if not world.store.value(
            """select 1 from receivers where mchid = ?1 and type = ?2 and account = ?3
                  and (type = 'MERCHANT_ID' or appid = ?4)""",
            merchant.mchid,
            share.type,
            share.account,
            body.appid,
        ):
            raise wrong("INVALID_REQUEST", "分账接收方不存在，请先添加")


def _check_amount(world: World, sharing: Sharing, wanted: int) -> None:
    total = world.store.value(
        "select total_fen from orders where transaction_id = ?", sharing.transaction_id
    )
    before, count = (
        world.store.value(sql, sharing.transaction_id)
        for sql in (
            """select coalesce(sum(s.fen), 0) from shares s join splits p using (order_id)
                where p.transaction_id = ? and s.result <> 'CLOSED'""",
            "select count(*) from splits where transaction_id = ?",
        )
    )
    cap_bps = int(world.setting("share_cap_bps", str(SHARE_CAP_BPS)))
    if count >= MOST_SPLITS:
        raise wrong("RULE_LIMIT", "订单分账次数已达上限", 403)
    if before + wanted > total * cap_bps // 10_000:
        raise wrong("RULE_LIMIT", "分账金额超过最大分账比例", 403)
    if wanted > rest_fen(world, sharing):
        raise wrong("NOT_ENOUGH", "分账金额不足", 403)


def _insert(
    world: World, merchant: Merchant, transaction_id: str, number: str, body: str, *, unfreeze: bool
) -> Split:
    made = Split(
        order_id=f"3008450740{world.now():%Y%m%d}{secrets.randbelow(10**10):010d}",
        mchid=merchant.mchid,
        out_order_no=number,
        transaction_id=transaction_id,
        state="PROCESSING",
        body=body,
        unfreeze=int(unfreeze),
        created_at=world.at(),
    )
    world.store.insert("splits", made)
    return made


def _new_share(world: World, made: Split, share: ShareBody) -> Share:
    return Share(
        detail_id=f"3601111{world.now():%Y%m%d}{secrets.randbelow(10**12):012d}",
        order_id=made.order_id,
        type=share.type,
        account=share.account,
        description=share.description,
        fen=share.amount,
        result="PENDING",
        fail_reason=None,
        created_at=made.created_at,
        ended_at=None,
    )


def find_split(world: World, mchid: str, out_order_no: str) -> Split | None:
    """The split (or unfreeze) of the merchant's number."""
    return world.store.maybe(
        Split,
        "select * from splits where mchid = ? and out_order_no = ?",
        mchid,
        out_order_no,
    )


def list_shares(world: World, order_id: str) -> list[Share]:
    """The parts of a split, in the order they were asked for."""
    return world.store.all(
        Share, "select * from shares where order_id = ? order by rowid", order_id
    )


def query_split(
    world: World, merchant: Merchant, out_order_no: str, transaction_id: str | None
) -> tuple[int, dict[str, Any]]:
    """查询分账结果."""
    if not transaction_id:
        raise wrong("PARAM_ERROR", "缺少参数transaction_id")
    found = find_split(world, merchant.mchid, out_order_no)
    if found is None or found.transaction_id != transaction_id:
        raise wrong("RESOURCE_NOT_EXISTS", "分账单不存在", 404, 268512771)
    return 200, split_view(world, found)


def query_unsplit(world: World, merchant: Merchant, transaction_id: str) -> tuple[int, Any]:
    """查询订单剩余待分金额."""
    if find_paid(world, merchant.mchid, transaction_id) is None:
        raise wrong("RESOURCE_NOT_EXISTS", "订单不存在", 404, 268512771)
    sharing = find_sharing(world, transaction_id)
    rest = rest_fen(world, sharing) if sharing else 0
    return 200, {"transaction_id": transaction_id, "unsplit_amount": rest}


def unfreeze(world: World, merchant: Merchant, raw: bytes) -> tuple[int, dict[str, Any]]:
    """解冻剩余资金: under the number of a split it answers well and does nothing."""
    body: UnfreezeBody = parse_body(raw, UnfreezeBody)
    known = find_split(world, merchant.mchid, body.out_order_no)
    if known:
        if known.transaction_id != body.transaction_id:
            raise wrong("INVALID_REQUEST", "商户分账单号重复", number=268498688)
        return 200, split_view(world, known)
    sharing = _open_sharing(world, merchant, body.transaction_id)
    rest = rest_fen(world, sharing)
    made = _insert(world, merchant, body.transaction_id, body.out_order_no,
                   wire.canonical_json(raw), unfreeze=True)  # fmt: skip
    if rest:
        own = ShareBody(
            type="MERCHANT_ID", account=merchant.mchid, amount=rest, description=body.description
        )
        world.store.insert("shares", _new_share(world, made, own))
    tasks.soon(world, "split", made.order_id, "split_seconds", made.created_at)
    return 200, split_view(world, made)


@tasks.handles("split")
def finish_split(world: World, task: tasks.Task) -> None:
    """Each receiver gets its part, or does not; then the rest is unfrozen if that was asked."""
    found = world.store.maybe(Split, "select * from splits where order_id = ?", task.number)
    assert found is not None
    for share in list_shares(world, found.order_id):
        _pay_share(world, found, share, task.due_at)
    world.store.run("update splits set state = 'FINISHED' where order_id = ?", found.order_id)
    if found.unfreeze:
        _note_rest(world, found, task.due_at)
        end_sharing(world, found.transaction_id, found.out_order_no, task.due_at)


def _note_rest(world: World, found: Split, at: float) -> None:
    """A split that ends the sharing lists what the merchant itself got."""
    sharing = find_sharing(world, found.transaction_id)
    shares = list_shares(world, found.order_id)
    if sharing is None or not sharing.frozen_fen or any(s.account == found.mchid for s in shares):
        return
    rest = ShareBody(
        type="MERCHANT_ID",
        account=found.mchid,
        amount=sharing.frozen_fen,
        description="解冻给分账方",
    )
    made = _new_share(world, found, rest)
    world.store.insert("shares", msgspec.structs.replace(made, result="SUCCESS", ended_at=at))


def _pay_share(world: World, found: Split, share: Share, at: float) -> None:
    mchid, own = found.mchid, share.account == found.mchid
    bad = None if own else faults.outcome(world, "share_closed", mchid)
    reason = bad.option("code", "ACCOUNT_ABNORMAL") if bad else None
    world.store.run(
        "update shares set result = ?, fail_reason = ?, ended_at = ? where detail_id = ?",
        "CLOSED" if bad else "SUCCESS",
        reason,
        at,
        share.detail_id,
    )
    sharing = find_sharing(world, found.transaction_id)
    if bad or own or sharing is None:  # what is unfrozen moves when the sharing ends
        return
    if share.type == "MERCHANT_ID":
        _tell_receiver(world, found, share, at)
    thaw(world, sharing, share.fen)
    bank.move(
        world.store, "split", bank.frozen(mchid), account_of(world, share.type, share.account),
        share.fen, at=at, mchid=mchid, number=found.out_order_no, wechat_no=share.detail_id,
        note=share.description,
    )  # fmt: skip


def _tell_receiver(world: World, found: Split, share: Share, at: float) -> None:
    """Only a merchant hears of its share, at the address it has set for that."""
    receiver, url = get_merchant(world, share.account), notify_url_of(world, share.account)
    if receiver is None or not url:
        return
    told = {
        "mchid": found.mchid,
        "transaction_id": found.transaction_id,
        "order_id": found.order_id,
        "out_order_no": found.out_order_no,
        "receiver": {
            "type": share.type,
            "account": share.account,
            "amount": share.fen,
            "description": share.description,
        },
        "success_time": wire.moment(at),
    }
    notify.enqueue(world, receiver, found.out_order_no, url, told, "PROFITSHARING", "分账")


def notify_url_of(world: World, mchid: str) -> str:
    """Where a merchant wants to hear of shares it received; "" if nowhere."""
    return world.setting(f"share_notify_url:{mchid}", "")


def account_of(world: World, kind: str, account: str) -> str:
    """A receiver's account at the bank."""
    if kind == "MERCHANT_ID":
        return bank.basic(account)
    sql = "select person_id from identities where openid = ?"
    return bank.person(str(world.store.value(sql, account)))


def split_view(world: World, found: Split) -> dict[str, Any]:
    """What an answer says of a split."""
    return {
        "transaction_id": found.transaction_id,
        "out_order_no": found.out_order_no,
        "order_id": found.order_id,
        "state": world.store.value("select state from splits where order_id = ?", found.order_id),
        "receivers": [_share_view(share) for share in list_shares(world, found.order_id)],
    }


def _share_view(share: Share) -> dict[str, Any]:
    view = {
        "type": share.type,
        "account": share.account,
        "amount": share.fen,
        "description": share.description,
        "result": share.result,
        "detail_id": share.detail_id,
        "create_time": wire.moment(share.created_at),
    }
    if share.ended_at is not None:
        view["finish_time"] = wire.moment(share.ended_at)
    return view | ({"fail_reason": share.fail_reason} if share.fail_reason else {})
