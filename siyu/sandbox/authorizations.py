"""Agreements of people to be paid without confirming each time (免确认收款授权)."""

import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from siyu.sandbox import notify, tasks, wire
from siyu.sandbox.orders import PayError, parse_body
from siyu.sandbox.world import Merchant, World, get_app, get_merchant

CONFIRM_SECONDS = 24 * 3600


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as it is kept."""

    authorization_id: str
    mchid: str
    out_authorization_no: str
    appid: str
    openid: str
    person_id: str
    scene: str
    display_name: str
    notify_url: str
    body: str
    state: str
    package_info: str
    created_at: float
    authorized_at: float | None
    closed_at: float | None
    close_reason: str | None


class AuthorizationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """申请免确认收款授权."""

    out_authorization_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,32}$")]
    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    openid: Annotated[str, Meta(min_length=1, max_length=64)]
    transfer_scene_id: Annotated[str, Meta(min_length=1, max_length=36)]
    user_display_name: Annotated[str, Meta(min_length=1, max_length=64)]
    authorization_notify_url: Annotated[str, Meta(min_length=1, max_length=256)]
    user_recv_perception: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


def request_authorization(world: World, merchant: Merchant, raw: bytes) -> tuple[int, Any]:
    """The person has 24 hours to agree; the same number with the same data finds it again."""
    body: AuthorizationBody = parse_body(raw, AuthorizationBody)
    canonical = wire.canonical_json(raw)
    known = find_authorization(world, merchant.mchid, body.out_authorization_no)
    if known:
        if known.body != canonical:
            message = "单号已存在但信息不一致，请查单后比较确认"
            raise PayError(400, "INVALID_REQUEST", message, 268498688)
        return 200, authorization_view(known)
    app = get_app(world, body.appid)
    sql = "select person_id from identities where openid = ? and appid = ?"
    person_id = world.store.value(sql, body.openid, body.appid)
    if app is None or app.mchid != merchant.mchid or person_id is None:
        raise PayError(400, "PARAM_ERROR", "openid与appid不匹配，或openid无效", 268435461)
    now = world.at()
    made = Authorization(
        authorization_id=f"2012{world.now():%Y%m%d}{secrets.randbelow(10**15):015d}",
        mchid=merchant.mchid,
        out_authorization_no=body.out_authorization_no,
        appid=body.appid,
        openid=body.openid,
        person_id=str(person_id),
        scene=body.transfer_scene_id,
        display_name=body.user_display_name,
        notify_url=body.authorization_notify_url,
        body=canonical,
        state="WAIT_USER_CONFIRM",
        package_info=f"affffddaf{secrets.token_urlsafe(48)}",
        created_at=now,
        authorized_at=None,
        closed_at=None,
        close_reason=None,
    )
    world.store.insert("authorizations", made)
    tasks.plan(world, "authorization_overdue", made.authorization_id, now + CONFIRM_SECONDS)
    return 200, authorization_view(made)


def find_authorization(world: World, mchid: str, number: str) -> Authorization | None:
    """The agreement of the merchant's number."""
    return world.store.maybe(
        Authorization,
        "select * from authorizations where mchid = ? and out_authorization_no = ?",
        mchid,
        number,
    )


def find_in_effect(
    world: World, mchid: str, authorization_id: str | None, number: str | None
) -> Authorization | None:
    """The agreement under which a transfer may go by itself."""
    return world.store.maybe(
        Authorization,
        """select * from authorizations where mchid = ? and state = 'TAKING_EFFECT'
              and (authorization_id = ? or out_authorization_no = ?)""",
        mchid,
        authorization_id,
        number,
    )


def query_authorization(world: World, merchant: Merchant, number: str) -> tuple[int, Any]:
    """商户单号查询授权."""
    found = find_authorization(world, merchant.mchid, number)
    if found is None:
        raise PayError(404, "NOT_FOUND", "记录不存在", 268512771)
    return 200, authorization_view(found)


def close_authorization(world: World, merchant: Merchant, number: str) -> tuple[int, Any]:
    """The merchant ends an agreement; repeating is harmless."""
    found = find_authorization(world, merchant.mchid, number)
    if found is None:
        raise PayError(404, "NOT_FOUND", "记录不存在", 268512771)
    if found.state != "CLOSED":
        found = _close(world, found, "CLOSE_VIA_MCH_API", world.at())
    return 200, authorization_view(found)


def _close(world: World, found: Authorization, reason: str, at: float) -> Authorization:
    world.store.run(
        """update authorizations set state = 'CLOSED', closed_at = ?, close_reason = ?
            where authorization_id = ?""",
        at,
        reason,
        found.authorization_id,
    )
    return msgspec.structs.replace(found, state="CLOSED", closed_at=at, close_reason=reason)


@tasks.handles("authorization_overdue")
def expire(world: World, task: tasks.Task) -> None:
    """Nobody agreed in 24 hours."""
    found = world.store.maybe(
        Authorization, "select * from authorizations where authorization_id = ?", task.number
    )
    if found and found.state == "WAIT_USER_CONFIRM":
        _close(world, found, "USER_OVERDUE_UNCONFIRMED", task.due_at)


def find_by_package(world: World, package: str) -> Authorization | None:
    """What a package_info asks the person to agree to."""
    return world.store.maybe(
        Authorization, "select * from authorizations where package_info = ?", package
    )


def answer(world: World, found: Authorization, *, agrees: bool) -> None:
    """The person agrees, or not."""
    now = world.at()
    if not agrees:
        _close(world, found, "USER_CLOSE", now)
        return
    world.store.run(
        """update authorizations set state = 'TAKING_EFFECT', authorized_at = ?
            where authorization_id = ?""",
        now,
        found.authorization_id,
    )
    agreed = msgspec.structs.replace(found, state="TAKING_EFFECT", authorized_at=now)
    merchant = get_merchant(world, found.mchid)
    assert merchant is not None
    notify.enqueue(
        world,
        merchant,
        found.out_authorization_no,
        found.notify_url,
        authorization_view(agreed),
        "MCHTRANSFER.AUTHORIZATION.CONFIRMED",
        "用户确认授权通知",
    )


def authorization_view(found: Authorization) -> dict[str, Any]:
    """What answers and notifications say of an agreement."""
    view: dict[str, Any] = {
        "out_authorization_no": found.out_authorization_no,
        "appid": found.appid,
        "openid": found.openid,
        "user_display_name": found.display_name,
        "state": found.state,
        "transfer_scene_id": found.scene,
        "create_time": wire.moment(found.created_at),
    }
    if found.state == "WAIT_USER_CONFIRM":
        view["package_info"] = found.package_info
    if found.authorized_at is not None:
        view["authorization_id"] = found.authorization_id
        view["authorize_time"] = wire.moment(found.authorized_at)
    if found.closed_at is not None:
        close_time = wire.moment(found.closed_at)
        view["close_info"] = {"close_time": close_time, "close_reason": found.close_reason}
    return view
