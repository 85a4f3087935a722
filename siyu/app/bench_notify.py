"""Payment notifications through HTTP: verify the signature, open the seal, commit to the inbox.

They come at a fixed rate, as WeChat would send them, and their latency counts from the moment each
was due. The limit is what the machine's cores could verify and open at most, measured in the same
run without HTTP or database; the rate beside it is that of a web process that is never idle.
"""

import os
import statistics
import time
from typing import Any
from uuid import uuid4

import msgspec

from siyu.app.bench_ground import FULL, Bench, Effort, Figures, load, served
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.sandbox import wire
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import PayCredentials

PER_SECOND = 200
SECONDS = 10
FLAT_OUT = 2000
AT_ONCE = 32
GOAL_P99_MS = 100
_MCHID, _APPID, _KEY = "1900000109", "wx00000000000bench", "b" * 32


class NotifyFigures(Figures, frozen=True):
    """`p50_ms`, `p99_ms` at `offered` per second; `rate` flat out, beside `limit`: the crypto."""

    offered: int
    p50_ms: float
    p99_ms: float
    goal_p99_ms: int


async def notify(effort: Effort = FULL) -> NotifyFigures:
    """Measure on one shop of a fresh database; each notification is new and rightly signed."""
    signer, merchant = wire.make_public_key(), wire.make_certificate(_MCHID, clock.now())
    async with served() as bench:
        await _connect_wechat(bench, signer, merchant)
        paced = [_notification(bench, signer) for _ in range(effort.of(PER_SECOND * SECONDS))]
        flat_out = [_notification(bench, signer) for _ in range(effort.of(FLAT_OUT))]
        warm = [_notification(bench, signer) for _ in range(effort.of(200))]
        await _send(bench, warm)
        even = await _send(bench, paced, rate=PER_SECOND)
        fast = await _send(bench, flat_out)
        async with reading(bench.shop_id) as tx:
            credentials = await shops.pay_credentials(tx)
            kept = await tx.value("select count(*) from kernel.inbox")
        assert kept == len(paced) + len(flat_out) + len(warm), "a notification was not kept"
        limit = await _crypto_limit(
            credentials, [_parts(bench, signer) for _ in range(effort.of(500))]
        )
    latencies = statistics.quantiles(even["latencies"], n=100)
    return NotifyFigures.of(
        len(flat_out) / fast["seconds"],
        limit,
        "notifications verified, opened and stored through HTTP, flat out, with verifying and"
        f" opening alone on all {os.cpu_count()} cores",
        offered=PER_SECOND,
        p50_ms=round(latencies[49], 1),
        p99_ms=round(latencies[98], 1),
        goal_p99_ms=GOAL_P99_MS,
    )


async def _send(
    bench: Bench, requests: list[tuple[bytes, bytes]], rate: float | None = None
) -> dict[str, Any]:
    sent = await load(bench.port, requests, seconds=None, at_once=AT_ONCE, rate=rate)
    assert set(sent["statuses"]) <= {"200", "201", "204"}, sent["statuses"]
    return sent


async def _connect_wechat(bench: Bench, signer: wire.KeyPair, merchant: wire.KeyPair) -> None:
    async with transaction(bench.shop_id) as tx:
        await shops.set_wechat(
            tx,
            System(),
            WeChatChange(
                environment=Environment.REAL,
                appid=_APPID,
                mchid=_MCHID,
                certificate_serial=merchant.serial,
                public_key_id=signer.serial,
                public_key_pem=signer.public_pem,
                app_secret="c" * 32,
                private_key=merchant.private_pem,
                api_v3_key=_KEY,
            ),
        )


def _parts(bench: Bench, signer: wire.KeyPair) -> tuple[dict[str, str], bytes]:
    number = uuid4().hex
    trade = {
        "appid": _APPID,
        "mchid": _MCHID,
        "out_trade_no": number,
        "transaction_id": number[:28],
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "success_time": clock.now().isoformat(timespec="seconds"),
        "payer": {"openid": "o" + number[:27]},
        "amount": {"total": 1990, "payer_total": 1990, "currency": "CNY", "payer_currency": "CNY"},
    }
    body = msgspec.json.encode(
        {
            "id": str(uuid4()),
            "create_time": clock.now().isoformat(timespec="seconds"),
            "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS",
            "summary": "支付成功",
            "resource": {
                **wire.seal(_KEY, msgspec.json.encode(trade), "transaction"),
                "original_type": "transaction",
            },
        }
    )
    return wire.signed_headers(signer, body, clock.now()), body


def _notification(bench: Bench, signer: wire.KeyPair) -> tuple[bytes, bytes]:
    headers, body = _parts(bench, signer)
    lines = [
        f"POST /callback/wechat/pay/{bench.shop_id} HTTP/1.1",
        f"Host: 127.0.0.1:{bench.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "Request-ID: "]).encode(), b"\r\n\r\n" + body


async def _crypto_limit(
    credentials: PayCredentials, messages: list[tuple[dict[str, str], bytes]]
) -> float:
    """Notifications per second that all cores could verify and open, and do nothing else."""
    began = time.perf_counter()
    for headers, body in messages:
        lowered = {name.lower(): value for name, value in headers.items()}
        await pay.read_notification(credentials, lowered, body)
    return len(messages) / (time.perf_counter() - began) * (os.cpu_count() or 1)
