"""Returns of splits: a receiving merchant gives back its part, to the available balance."""

import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from siyu.sandbox import bank, faults, notify, tasks, wire
from siyu.sandbox.orders import parse_body
from siyu.sandbox.sharing import Split, find_split, list_shares, notify_url_of, wrong
from siyu.sandbox.world import Merchant, World, get_merchant

MOST_RETURNS = 50
LATEST_SECONDS = 180 * 86400


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """A return as it is kept."""

    return_id: str
    mchid: str
    out_return_no: str
    order_id: str
    return_mchid: str
    fen: int
    description: str
    body: str
    result: str
    fail_reason: str | None
    created_at: float
    ended_at: float | None


class ReturnBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """请求分账回退."""

    out_return_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
    return_mchid: Annotated[str, Meta(min_length=1, max_length=32)]
    amount: Annotated[int, Meta(ge=1)]
    description: Annotated[str, Meta(min_length=1, max_length=80)]
    order_id: Annotated[str, Meta(max_length=64)] | None = None
    out_order_no: Annotated[str, Meta(max_length=64)] | None = None


def return_split(world: World, merchant: Merchant, raw: bytes) -> tuple[int, dict[str, Any]]:
    """请求分账回退: the same number with the same parameters finds the return again."""
    body: ReturnBody = parse_body(raw, ReturnBody)
    if (body.order_id is None) == (body.out_order_no is None):
        raise wrong("PARAM_ERROR", "order_id和out_order_no必须二选一")
    found = _split_of(world, merchant, body)
    canonical = wire.canonical_json(raw)
    known = find_return(world, merchant.mchid, body.out_return_no)
    if known:
        if known.body != canonical:
            raise wrong("INVALID_REQUEST", "回退单号重复，且参数不一致", number=268498688)
        return 200, return_view(world, known)
    _check(world, found, body)
    made = Return(
        return_id=f"3008450741{world.now():%Y%m%d}{secrets.randbelow(10**10):010d}",
        mchid=merchant.mchid,
        out_return_no=body.out_return_no,
        order_id=found.order_id,
        return_mchid=body.return_mchid,
        fen=body.amount,
        description=body.description,
        body=canonical,
        result="PROCESSING",
        fail_reason=None,
        created_at=world.at(),
        ended_at=None,
    )
    world.store.insert("split_returns", made)
    tasks.soon(world, "return", made.return_id, "split_seconds", made.created_at)
    return 200, return_view(world, made)


def _split_of(world: World, merchant: Merchant, body: ReturnBody) -> Split:
    found = (
        find_split(world, merchant.mchid, body.out_order_no)
        if body.out_order_no
        else world.store.maybe(
            Split,
            "select * from splits where mchid = ? and order_id = ?",
            merchant.mchid,
            body.order_id,
        )
    )
    if found is None:
        raise wrong("RESOURCE_NOT_EXISTS", "分账单不存在", 404, 268512771)
    return found


def _check(world: World, found: Split, body: ReturnBody) -> None:
    if world.at() > found.created_at + LATEST_SECONDS:
        raise wrong("INVALID_REQUEST", "分账单已超过回退期限（180天）")
    received = sum(
        share.fen
        for share in list_shares(world, found.order_id)
        if share.account == body.return_mchid and share.result == "SUCCESS"
    )
    returned, count = (
        world.store.value(sql, found.order_id, body.return_mchid)
        for sql in (
            """select coalesce(sum(fen), 0) from split_returns
                where order_id = ? and return_mchid = ? and result <> 'FAILED'""",
            "select count(*) from split_returns where order_id = ? and return_mchid = ?",
        )
    )
    if count >= MOST_RETURNS:
        raise wrong("INVALID_REQUEST", "回退次数已达上限（50次）")
    if returned + body.amount > received or body.return_mchid == found.mchid:
        raise wrong("INVALID_REQUEST", "回退金额大于可回退金额")


def find_return(world: World, mchid: str, out_return_no: str) -> Return | None:
    """The return of the merchant's number."""
    return world.store.maybe(
        Return,
        "select * from split_returns where mchid = ? and out_return_no = ?",
        mchid,
        out_return_no,
    )


def query_return(
    world: World, merchant: Merchant, out_return_no: str, out_order_no: str | None
) -> tuple[int, dict[str, Any]]:
    """查询分账回退结果."""
    if not out_order_no:
        raise wrong("PARAM_ERROR", "缺少参数out_order_no")
    known = find_return(world, merchant.mchid, out_return_no)
    found = find_split(world, merchant.mchid, out_order_no)
    if known is None or found is None or known.order_id != found.order_id:
        raise wrong("RESOURCE_NOT_EXISTS", "回退单不存在", 404, 268512771)
    return 200, return_view(world, known)


@tasks.handles("return")
def finish_return(world: World, task: tasks.Task) -> None:
    """The receiver pays, or cannot."""
    made = world.store.maybe(Return, "select * from split_returns where return_id = ?", task.number)
    assert made is not None
    bad = faults.outcome(world, "return_failed", made.mchid)
    reason = bad.option("code", "ACCOUNT_ABNORMAL") if bad else None
    if reason is None:
        try:
            bank.move(
                world.store, "split_return", bank.basic(made.return_mchid), bank.basic(made.mchid),
                made.fen, at=task.due_at, mchid=made.mchid, number=made.out_return_no,
                wechat_no=made.return_id, note=made.description,
            )  # fmt: skip
        except bank.ShortOfMoney:
            reason = "BALANCE_NOT_ENOUGH"
    world.store.run(
        "update split_returns set result = ?, fail_reason = ?, ended_at = ? where return_id = ?",
        "FAILED" if reason else "SUCCESS",
        reason,
        task.due_at,
        made.return_id,
    )
    if reason is None:
        _tell_receiver(world, made, task.due_at)


def _tell_receiver(world: World, made: Return, at: float) -> None:
    receiver, url = get_merchant(world, made.return_mchid), notify_url_of(world, made.return_mchid)
    found = world.store.maybe(Split, "select * from splits where order_id = ?", made.order_id)
    if receiver is None or found is None or not url:
        return
    told = {
        "mchid": made.mchid,
        "transaction_id": found.transaction_id,
        "order_id": made.order_id,
        "out_order_no": found.out_order_no,
        "receiver": {
            "type": "MERCHANT_ID",
            "account": made.return_mchid,
            "amount": made.fen,
            "description": made.description,
        },
        "success_time": wire.moment(at),
    }
    notify.enqueue(
        world, receiver, made.out_return_no, url, told, "PROFITSHARING_RETURN", "分账回退"
    )


def return_view(world: World, made: Return) -> dict[str, Any]:
    """What an answer says of a return."""
    number = world.store.value("select out_order_no from splits where order_id = ?", made.order_id)
    view = {
        "order_id": made.order_id,
        "out_order_no": number,
        "out_return_no": made.out_return_no,
        "return_id": made.return_id,
        "return_mchid": made.return_mchid,
        "amount": made.fen,
        "description": made.description,
        "result": made.result,
        "create_time": wire.moment(made.created_at),
    }
    if made.ended_at is not None:
        view["finish_time"] = wire.moment(made.ended_at)
    return view | ({"fail_reason": made.fail_reason} if made.fail_reason else {})
