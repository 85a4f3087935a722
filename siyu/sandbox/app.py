"""Puts the sandbox together: WeChat's two servers, the control API and the phone in one program."""

import asyncio
import email.utils
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from litestar import Litestar, Request, Response, route
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import Message, Scope

from siyu.sandbox import control, funds, messages, mini_program, pay, shipping, wecom
from siyu.sandbox.channels import open_channels
from siyu.sandbox.notify import Courier
from siyu.sandbox.people import PhoneError
from siyu.sandbox.pushes import Postman
from siyu.sandbox.world import SandboxSettings, open_world
from siyu.wechat.transport.contracts import ChannelUnusable

__all__ = ["SandboxSettings", "create_sandbox", "serve"]


def create_sandbox(
    settings: SandboxSettings, transport: httpx.AsyncBaseTransport | None = None
) -> Litestar:
    """The sandbox as an ASGI app; its lifespan delivers notifications.

    `transport` carries the notifications (an in-process shop in tests); the network by default.
    Without a lifespan nothing is delivered until `POST /_sandbox/notifications/deliver`.
    """
    world = open_world(settings)
    with world.store.writing():
        open_channels(world)
    courier, postman = Courier(world, transport), Postman(world, transport)

    @asynccontextmanager
    async def deliver(_: Litestar) -> AsyncIterator[None]:
        running = [asyncio.create_task(one.run()) for one in (courier, postman)]
        try:
            yield
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await courier.close()
            await postman.close()
            world.store.close()

    async def date_it(message: Message, _: Scope) -> None:
        # Merchants measure their own clock by WeChat's.
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders.from_message(message)
            headers["Date"] = email.utils.format_datetime(world.now(), usegmt=True)

    return Litestar(
        route_handlers=[
            *pay.routes,
            *funds.routes,
            *mini_program.routes,
            *messages.routes,
            *wecom.routes,
            *shipping.routes,
            control.router,
            home,
            create_static_files_router(
                "/phone", [Path(__file__).parent / "phone"], html_mode=True, cache_control=None
            ),
        ],
        dependencies={
            "world": Provide(lambda: world, sync_to_thread=False),
            "courier": Provide(lambda: courier, sync_to_thread=False),
            "postman": Provide(lambda: postman, sync_to_thread=False),
        },
        exception_handlers={
            PhoneError: answer_phone_error,
            ChannelUnusable: answer_bad_key,
            sqlite3.IntegrityError: answer_known,
        },
        before_send=[date_it],
        lifespan=[deliver],
        openapi_config=None,
        request_max_body_size=1_000_000,
    )


def answer_phone_error(_: Request[Any, Any, Any], error: PhoneError) -> Response[dict[str, str]]:
    """What the page's callback is told."""
    return Response({"errMsg": error.err_msg}, status_code=409)


def answer_bad_key(_: Request[Any, Any, Any], error: ChannelUnusable) -> Response[dict[str, Any]]:
    """A key that is none."""
    return Response({"detail": f"unusable: {error.details}"}, status_code=422)


def answer_known(
    _: Request[Any, Any, Any], error: sqlite3.IntegrityError
) -> Response[dict[str, str]]:
    """A number that is taken, or a merchant that does not exist."""
    return Response({"detail": str(error)}, status_code=422)


@route("/", http_method=["GET", "HEAD"])
async def home() -> Redirect:
    """Browsers find the phone."""
    return Redirect("/phone/")


def serve(settings: SandboxSettings, host: str, port: int) -> None:
    """Run until interrupted: one process, for the store has one writer."""
    uvicorn.run(
        create_sandbox(settings),
        host=host,
        port=port,
        date_header=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
