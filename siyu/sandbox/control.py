"""`/_sandbox/…` for operators, tests and programs on this machine: faults, keys, clock, deliveries.

There is no login here, so requests from pages of other origins are refused.
"""

import secrets
from typing import Annotated, Any, Literal

import msgspec
from litestar import Router, delete, get, patch, post, put
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import BaseRouteHandler
from msgspec import Meta

from siyu.sandbox import (
    bank,
    contacts,
    faults,
    handset,
    limits,
    notify,
    registry,
    sharing,
    shipping,
    tasks,
)
from siyu.sandbox.notify import Courier
from siyu.sandbox.orders import Order
from siyu.sandbox.pushes import Postman
from siyu.sandbox.registry import Body
from siyu.sandbox.world import World, rotate_signer


def refuse_foreign_pages(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """A page of another origin may not act here, not even the shop in the frame."""
    origin = connection.headers.get("origin")
    own = f"{connection.url.scheme}://{connection.headers.get('host')}"
    if origin is not None and origin != own:
        raise HTTPException("cross-origin request", status_code=403)


class NewFault(Body, frozen=True, kw_only=True):
    """`times` null: until removed."""

    kind: str
    operation: str = "notify"
    mchid: str | None = None
    times: Annotated[int, Meta(ge=1)] | None = 1
    options: faults.Options = faults.Options()


class FaultView(msgspec.Struct, frozen=True, kw_only=True):
    """A fault and how often it has happened; `remaining` null: until removed."""

    fault_id: int
    kind: str
    operation: str
    mchid: str | None
    remaining: int | None
    options: faults.Options
    happened: int


def _fault_view(fault: faults.Fault) -> FaultView:
    values = msgspec.structs.asdict(fault)
    return FaultView(
        **values | {"options": msgspec.json.decode(fault.options, type=faults.Options)}
    )


@get("/faults")
async def get_faults(world: World) -> list[FaultView]:
    """Those ordered, the newest first."""
    return [_fault_view(fault) for fault in faults.list_faults(world)]


@post("/faults")
async def post_fault(world: World, data: NewFault) -> FaultView:
    """Order a fault."""
    if data.kind not in faults.KINDS or data.operation not in faults.OPERATIONS:
        raise HTTPException("unknown kind or operation", status_code=422)
    return _fault_view(
        faults.order(world, data.kind, data.operation, data.mchid, data.times, data.options)
    )


@delete("/faults")
async def delete_faults(world: World) -> None:
    """All is well again."""
    world.store.run("delete from faults")


@delete("/faults/{fault_id:int}")
async def delete_fault(world: World, fault_id: int) -> None:
    """Take one back."""
    world.store.run("delete from faults where fault_id = ?", fault_id)


class RotateBody(Body, frozen=True, kw_only=True):
    """Which kind of key."""

    kind: Literal["public_key", "certificate"]


class LimitBody(Body, frozen=True, kw_only=True):
    """`subject`: an appid, mchid or openid, or `*` for all."""

    subject: str
    operation: str
    seconds: Annotated[int, Meta(ge=1)]
    calls: Annotated[int, Meta(ge=0)]


Seconds = Annotated[float, Meta(ge=0, le=86400 * 30)]


class SettingsBody(Body, frozen=True, kw_only=True):
    """`clock_skew_seconds` moves WeChat's clock; `time_factor` compresses the schedule and the
    seconds that refunds, splits and transfers take; `fee_bps` is the fee of later payments,
    `share_cap_bps` how much of an order may be split."""

    confirm_seconds: Seconds | None = None
    trade_unknown_seconds: Seconds | None = None
    refund_seconds: Seconds | None = None
    split_seconds: Seconds | None = None
    transfer_seconds: Seconds | None = None
    fee_bps: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    share_cap_bps: Annotated[int, Meta(ge=0, le=10_000)] | None = None

    clock_skew_seconds: Annotated[int, Meta(ge=-86400 * 400, le=86400 * 400)] | None = None
    time_factor: Annotated[float, Meta(gt=0)] | None = None


@post("/keys/rotate")
async def post_rotate(world: World, data: RotateBody) -> dict[str, str]:
    """A new key of this kind signs from now on."""
    with world.store.writing():
        signer = rotate_signer(world, data.kind)
    return {"serial": signer.serial, "public_pem": signer.public_pem}


@put("/limits", status_code=204)
async def put_limit(world: World, data: LimitBody) -> None:
    """Change a quota."""
    world.store.run(
        "insert or replace into limits values (?, ?, ?, ?)",
        data.subject,
        data.operation,
        data.seconds,
        data.calls,
    )


@get("/settings")
async def get_settings(world: World) -> dict[str, Any]:
    """The clock, the speed of the schedule, and what can be ordered."""
    return _numbers(world) | {
        "operations": faults.OPERATIONS,
        "faults": [
            {"kind": kind, "where": where, "zh": zh, "en": en}
            for kind, (where, zh, en) in faults.KINDS.items()
        ],
        "limits": {name: list(rows) for name, rows in limits.PUBLISHED.items()},
    }


def _numbers(world: World) -> dict[str, Any]:
    defaults: dict[str, float] = tasks.SECONDS | {
        "fee_bps": bank.FEE_BPS,
        "share_cap_bps": sharing.SHARE_CAP_BPS,
    }
    found = {name: float(world.setting(name, str(value))) for name, value in defaults.items()}
    return {
        "clock_skew_seconds": int(world.setting("clock_skew_seconds", "0")),
        "time_factor": world.time_factor(),
    } | found


@patch("/settings")
async def patch_settings(world: World, data: SettingsBody) -> dict[str, Any]:
    """Turn WeChat's clock, the speed of the schedule, or what things take and cost."""
    for name, value in msgspec.structs.asdict(data).items():
        if value is not None:
            world.set_setting(name, str(value))
    world.due.set()
    return _numbers(world)


# -- the bank ------------------------------------------------------------------------------------


@get("/bank")
async def get_bank(world: World) -> dict[str, Any]:
    """Every account; their sum is 0, and `problems` is empty, or the bank is broken."""
    tasks.run_due(world)
    accounts = bank.list_accounts(world.store)
    return {
        "accounts": accounts,
        "sum_fen": sum(accounts.values()),
        "problems": bank.find_problems(world.store),
    }


@get("/bank/{mchid:str}")
async def get_bank_of(
    world: World, mchid: str, after: int = 0, limit: int = 10_000
) -> bank.BankView:
    """A merchant's money, and its movements with a number above `after`, oldest first."""
    tasks.run_due(world)
    merchant = registry.find_merchant(world, mchid)
    return bank.view(world.store, merchant.mchid, after, max(1, min(limit, 100_000)))


class DepositBody(Body, frozen=True, kw_only=True):
    """Fen that the merchant pays in; negative: takes out."""

    fen: Annotated[int, Meta(ge=-(10**12), le=10**12)]


@post("/bank/{mchid:str}/deposit", status_code=200)
async def post_deposit(world: World, mchid: str, data: DepositBody) -> bank.BankView:
    """充值 or 提现, between the available balance and the merchant's bank."""
    merchant = registry.find_merchant(world, mchid)
    ours = bank.basic(merchant.mchid)
    kind, source, target = (
        ("deposit", bank.OUTSIDE, ours) if data.fen > 0 else ("withdrawal", ours, bank.OUTSIDE)
    )
    try:
        with world.store.writing():
            fen = abs(data.fen)
            bank.move(
                world.store, kind, source, target, fen, at=world.at(), mchid=merchant.mchid,
                number=f"{kind}-{secrets.token_hex(6)}", note=kind,
            )  # fmt: skip
    except bank.ShortOfMoney:
        raise HTTPException("not that much is available", status_code=422) from None
    return bank.view(world.store, merchant.mchid, 0, 100)


# -- what was delivered --------------------------------------------------------------------------


class NotificationView(msgspec.Struct, frozen=True, kw_only=True):
    """A notification with every try."""

    notification_id: str
    mchid: str
    out_trade_no: str
    notify_url: str
    created_at: float
    next_at: float | None
    state: str
    failures: int
    tries: list[notify.Try]


@get("/notifications")
async def get_notifications(
    world: World, out_trade_no: str | None = None, limit: int = 50
) -> list[NotificationView]:
    """The newest, each with every try and its answer."""
    views = []
    for row in world.store.all(
        notify.Notification,
        """select * from notifications where ?1 is null or out_trade_no = ?1
            order by created_at desc, rowid desc limit ?2""",
        out_trade_no,
        max(1, min(limit, 500)),
    ):
        tries = world.store.all(
            notify.Try,
            """select notification_id, at, kind, status, answer, took_ms, verdict
                 from tries where notification_id = ? order by try_id""",
            row.notification_id,
        )
        values = msgspec.structs.asdict(row)
        kept = {name: values[name] for name in NotificationView.__struct_fields__ if name in values}
        views.append(NotificationView(**kept, tries=tries))
    return views


@post("/notifications/{notification_id:str}/send", status_code=202)
async def post_send(world: World, notification_id: str) -> None:
    """Send once more now, delivered or not."""
    if not world.store.run(
        "update notifications set state = 'waiting', next_at = ? where notification_id = ?",
        world.at(),
        notification_id,
    ):
        raise NotFoundException("no such notification")
    world.due.set()


@post("/notifications/deliver", status_code=200)
async def post_deliver(courier: Courier, postman: Postman) -> dict[str, int]:
    """Deliver what is due and wait for the answers (for tests and turned clocks)."""
    delivered = await courier.deliver_due()
    while tried := await postman.deliver_due():
        delivered += tried
    return {"delivered": delivered}


@get("/conformance")
async def get_conformance(world: World) -> dict[str, Any]:
    """What receivers got wrong: answers that accepted what had to be refused."""
    rows = world.store.all(
        notify.Try,
        """select notification_id, at, kind, status, answer, took_ms, verdict from tries
            where verdict = 'conformance_failed' order by try_id desc limit 100""",
    )
    refused = world.store.value(
        "select count(*) from tries where kind in ('probe', 'tampered') and verdict = 'refused'"
    )
    return {"passed": not rows, "refused_as_due": refused, "failures": rows}


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order for the list; money in fen, moments in seconds since 1970."""

    mchid: str
    out_trade_no: str
    trade_type: str
    state: str
    total_fen: int
    transaction_id: str | None
    paid_at: float | None


@get("/orders")
async def get_orders(world: World, mchid: str | None = None) -> list[OrderView]:
    """The newest 200."""
    found = world.store.all(
        Order,
        "select * from orders where ?1 is null or mchid = ?1 order by created_at desc limit 200",
        mchid,
    )
    return [
        OrderView(**{name: getattr(order, name) for name in OrderView.__struct_fields__})
        for order in found
    ]


router = Router(
    "/_sandbox",
    guards=[refuse_foreign_pages],
    route_handlers=[
        *registry.routes,
        *handset.routes,
        *shipping.control_routes,
        *contacts.routes,
        get_faults,
        post_fault,
        delete_faults,
        delete_fault,
        post_rotate,
        put_limit,
        get_settings,
        patch_settings,
        get_bank,
        get_bank_of,
        post_deposit,
        get_notifications,
        post_send,
        post_deliver,
        get_conformance,
        get_orders,
    ],
)
