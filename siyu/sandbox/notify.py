"""Notifications: encrypted, signed, repeated on the official schedule until they are accepted.

Source: 支付通知: an answer other than 200/204, or none within 5 seconds, is repeated after
15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h (24 h 4 min in all).
"""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from siyu.kernel import clock
from siyu.sandbox import faults, tasks, wire
from siyu.sandbox.orders import tampered
from siyu.sandbox.world import Merchant, World, choose_signer, get_merchant
from siyu.wechat.transport.contracts import WINDOW_SECONDS

SCHEDULE_SECONDS = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
)  # fmt: skip
HELD_SECONDS = 60  # a notification held back for reordering goes at last after this
AT_ONCE = 16
SHOWN_BYTES = 300


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant is to be told; `resource` is plain JSON until it is sent."""

    notification_id: str
    mchid: str
    out_trade_no: str
    notify_url: str
    event_type: str
    summary: str
    resource: str
    created_at: float
    next_at: float | None
    state: str
    failures: int


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at delivery; `status` is None when no answer came."""

    notification_id: str
    at: float
    kind: str
    status: int | None
    answer: str
    took_ms: int
    verdict: str


def enqueue(
    world: World,
    merchant: Merchant,
    out_trade_no: str,
    notify_url: str,
    resource: dict[str, Any],
    event_type: str = "TRANSACTION.SUCCESS",
    summary: str = "支付成功",
) -> None:
    """Write a notification down in the caller's transaction; it is sent right after."""
    now, operation = world.at(), _operation(event_type)
    held = faults.take(world, "reorder", operation, merchant.mchid)
    delay = faults.take(world, "delay", operation, merchant.mchid)
    wait = delay.option("seconds", 30) if delay else 0
    if held:
        wait = max(wait, HELD_SECONDS / world.time_factor())
    world.store.insert(
        "notifications",
        Notification(
            notification_id=f"EV-{world.now().astimezone(wire.CHINA):%Y%m%d%H%M%S}"
            f"{secrets.randbelow(10**10):010d}",
            mchid=merchant.mchid,
            out_trade_no=out_trade_no,
            notify_url=notify_url,
            event_type=event_type,
            summary=summary,
            resource=wire.to_json(resource).decode(),
            created_at=now,
            next_at=now + wait,
            state="held" if held else "waiting",
            failures=0,
        ),
    )
    world.due.set()


# What an event is about: its faults, and what WeChat calls the sealed object.
_ABOUT = {
    "TRANSACTION": ("notify.payment", "transaction"),
    "REFUND": ("notify.refund", "refund"),
    "PROFITSHARING": ("notify.sharing", "profitsharing"),
    "PROFITSHARING_RETURN": ("notify.sharing", "profitsharing"),
    "MCHTRANSFER": ("notify.transfer", "mch_payment"),
}


def _operation(event_type: str) -> str:
    return _ABOUT[event_type.partition(".")[0]][0]


class Courier:
    """Delivers what is due. `run` goes on until cancelled; `deliver_due` does one round."""

    def __init__(self, world: World, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._world = world
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=world.settings.answer_timeout_seconds,
            headers={"User-Agent": "Mozilla/4.0", "Accept": "*/*"},
            trust_env=False,
        )
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Wait for work and do it; nobody's slow answer holds up the others."""
        while True:
            self._world.due.clear()
            tasks.run_due(self._world)
            for notification in self._list_due():
                self._busy.add(notification.notification_id)
                task = asyncio.create_task(self._deliver_one(notification))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            try:
                await asyncio.wait_for(self._world.due.wait(), self._pause())
            except TimeoutError:
                continue

    async def deliver_due(self) -> int:
        """Deliver everything due now and wait for the answers; returns how many were tried."""
        tasks.run_due(self._world)
        due = self._list_due()
        self._busy.update(n.notification_id for n in due)
        await asyncio.gather(*(self._deliver_one(n) for n in due))
        return len(due)

    async def close(self) -> None:
        """Stop what is under way; it is due again when the sandbox starts next."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _list_due(self) -> list[Notification]:
        found = self._world.store.all(
            Notification,
            """select * from notifications where next_at <= ?
                order by next_at, rowid limit 200""",
            self._world.at(),
        )
        return [n for n in found if n.notification_id not in self._busy]

    def _pause(self) -> float:
        next_at = self._world.store.value(
            """select min(at) from (select min(next_at) as at from notifications
                                    union all select min(due_at) from tasks)"""
        )
        if next_at is None:
            return 1.0
        return min(max(float(next_at) - self._world.at(), 0.02), 1.0)

    async def _deliver_one(self, notification: Notification) -> None:
        merchant = get_merchant(self._world, notification.mchid)
        assert merchant is not None
        try:
            async with self._slots:
                accepted = await self._try(merchant, notification)
            self._settle(notification, accepted)
        finally:
            self._busy.discard(notification.notification_id)
            self._world.due.set()

    async def _try(self, merchant: Merchant, notification: Notification) -> bool:
        """One round of the schedule, with whatever faults were ordered for it."""
        world, mchid = self._world, merchant.mchid
        operation = _operation(notification.event_type)
        if faults.take(world, "probe", operation, mchid):
            await self._send(merchant, notification, "probe")
        if faults.take(world, "bad_signature", operation, mchid):
            await self._send(merchant, notification, "tampered")
            return False
        if faults.take(world, "drop", operation, mchid):
            self._note(notification, "dropped", None, "", 0, "lost")
            return False
        fen = 0
        if other := faults.take(world, "tamper_amount", operation, mchid):
            fen = other.option("fen", 1)
        skew = 0
        if off := faults.take(world, "skewed_time", operation, mchid):
            skew = off.option("seconds", 600)
        repeat = faults.take(world, "repeat", operation, mchid)
        copies = repeat.option("copies", 1) if repeat else 0
        if repeat and repeat.option("together", False):
            sends = [
                self._send(merchant, notification, "repeat" if n else "genuine", fen, skew)
                for n in range(copies + 1)
            ]
            return any(await asyncio.gather(*sends))
        accepted = await self._send(merchant, notification, "genuine", fen, skew)
        for _ in range(copies):
            await self._send(merchant, notification, "repeat", fen, skew)
        return accepted

    async def _send(
        self, merchant: Merchant, notification: Notification, kind: str, fen: int = 0, skew: int = 0
    ) -> bool:
        """One POST. Whether it was answered as accepted; written into the log either way."""
        body = _body(merchant, notification, fen)
        signer = choose_signer(self._world, merchant, None)
        at = self._world.now() + timedelta(seconds=skew)
        headers = wire.signed_headers(signer.pair, body, at, probe=kind == "probe")
        if kind == "tampered":
            headers["Wechatpay-Nonce"] = "0" * 32
        headers["Content-Type"] = "application/json; charset=utf-8"
        began = clock.monotonic()
        status, answer = await self._post(notification.notify_url, body, headers)
        took_ms = int((clock.monotonic() - began) * 1000)
        accepted = status in (200, 204)
        verdict = "lost" if status is None else "accepted" if accepted else "refused"
        if accepted and (kind in ("probe", "tampered") or abs(skew) > WINDOW_SECONDS):
            verdict = "conformance_failed"
        self._note(notification, kind, status, answer, took_ms, verdict)
        return accepted

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str]:
        """The status and the beginning of the answer; no status when none came in time."""
        timeout = self._world.settings.answer_timeout_seconds
        begun = b""
        try:
            async with (
                asyncio.timeout(timeout),
                self._client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                async for part in answer.aiter_bytes():
                    begun += part
                    if len(begun) > SHOWN_BYTES:
                        break
            return answer.status_code, begun[:SHOWN_BYTES].decode(errors="replace")
        except TimeoutError:
            return None, f"no answer within {timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failed:
            return None, f"{type(failed).__name__}: {failed}"[:SHOWN_BYTES]

    def _note(
        self,
        notification: Notification,
        kind: str,
        status: int | None,
        answer: str,
        took_ms: int,
        verdict: str,
    ) -> None:
        self._world.store.insert(
            "tries",
            Try(
                notification_id=notification.notification_id,
                at=self._world.at(),
                kind=kind,
                status=status,
                answer=answer,
                took_ms=took_ms,
                verdict=verdict,
            ),
        )

    def _settle(self, notification: Notification, accepted: bool) -> None:
        """Done, or the next turn of the schedule; lets go of those held back for this one."""
        world = self._world
        failures = notification.failures + (not accepted)
        state, next_at = "delivered", None
        if not accepted and failures > len(SCHEDULE_SECONDS):
            state = "given_up"
        elif not accepted:
            state = "waiting"
            next_at = world.at() + SCHEDULE_SECONDS[failures - 1] / world.time_factor()
        with world.store.writing():
            world.store.run(
                """update notifications set state = ?, failures = ?, next_at = ?
                    where notification_id = ?""",
                state,
                failures,
                next_at,
                notification.notification_id,
            )
            world.store.run(
                """update notifications set state = 'waiting', next_at = ?
                    where mchid = ? and state = 'held'
                      and rowid < (select rowid from notifications where notification_id = ?)""",
                world.at(),
                notification.mchid,
                notification.notification_id,
            )


def _body(merchant: Merchant, notification: Notification, fen: int) -> bytes:
    resource = notification.resource
    if fen:
        resource = wire.to_json(tampered(msgspec.json.decode(resource), fen)).decode()
    original_type = _ABOUT[notification.event_type.partition(".")[0]][1]
    cipher = wire.seal(merchant.api_v3_key, resource.encode(), original_type)
    created = wire.wechat_time(datetime.fromtimestamp(notification.created_at, wire.CHINA))
    return wire.to_json(
        {
            "id": notification.notification_id,
            "create_time": created,
            "resource_type": "encrypt-resource",
            "event_type": notification.event_type,
            "summary": notification.summary,
            "resource": {"original_type": original_type} | cipher,
        }
    )
