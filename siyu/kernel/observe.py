"""Wraps the app: request id, security headers, time per route, and one log line for what failed."""

import functools
import logging
import re
import time
from typing import Any

from siyu.kernel import logs, metrics
from siyu.kernel.ids import random_bytes

log = logging.getLogger("siyu.http")
_GIVEN_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), microphone=(self), geolocation=(self)"),
]


@functools.lru_cache(10_000)
def _timer(method: str, route: str, status: int) -> Any:
    return metrics.requests.labels(method, route, str(status))


def observed(app: Any) -> Any:
    """The ASGI app with `X-Request-Id` (a proxy's own is kept), headers, metrics and logs."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given.decode() if _GIVEN_ID.match(given) else random_bytes(16).hex()
        mark = logs.request_id.set(request_id)
        began = time.perf_counter()
        status = 500

        async def send_more(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *_HEADERS,
                ]
            await send(message)

        try:
            await app(scope, receive, send_more)
        finally:
            route = scope.get("path_template") or "unmatched"
            _timer(scope["method"], route, status).observe(time.perf_counter() - began)
            if status >= 500:
                log.warning("answered with an error", extra={"route": route, "status": status})
            logs.request_id.reset(mark)

    return run
