"""Wraps the app: request id, security headers, time per route, and one log line for what failed."""

import logging
import re
import time
from typing import Any
from uuid import uuid4

from siyu.kernel import logs, metrics

log = logging.getLogger("siyu.http")
_GIVEN_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), microphone=(self), geolocation=(self)"),
]


def observed(app: Any) -> Any:
    """The ASGI app with `X-Request-Id` (a proxy's own is kept), headers, metrics and logs."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given.decode() if _GIVEN_ID.match(given) else uuid4().hex
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
            metrics.requests.labels(scope["method"], route, str(status)).observe(
                time.perf_counter() - began
            )
            if status >= 500:
                log.warning("answered with an error", extra={"route": route, "status": status})
            logs.request_id.reset(mark)

    return run
