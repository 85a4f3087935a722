"""How web processes share one port: each listens for itself, and the kernel deals new connections.

With one socket for all of them, whoever wakes first takes a connection, and that is nearly always
the same one: of eight customers who come with lasting connections it served eight and its neighbour
none.
"""

import socket
import sys
from typing import Any

import uvicorn
import uvloop
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from siyu.kernel.config import Settings


def _bound(address: Any, family: int, *, shared: bool) -> socket.socket:
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(address)
    return sock


class Loop(uvloop.Loop):
    """A loop whose servers listen on a socket of their own beside the one they are given."""

    async def create_server(  # type: ignore[override]
        self, *arguments: Any, sock: socket.socket, **options: Any
    ) -> Any:
        """Listen on the address of `sock`."""
        own = _bound(sock.getsockname(), sock.family, shared=True)
        return await super().create_server(*arguments, sock=own, **options)


def serve(app: str, settings: Settings) -> None:
    """Serve an app (`module:factory`) in as many processes as are set, until told to stop."""
    several = settings.web_processes > 1
    shares = several and sys.platform == "linux"  # elsewhere the kernel does not deal
    config = uvicorn.Config(
        app,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.web_processes,
        loop=f"{__name__}:Loop" if shares else "uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        backlog=2048,
    )
    if not several:
        server = uvicorn.Server(config)
        server.run()
        if not server.started:
            sys.exit(STARTUP_FAILURE)
    elif not shares:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        address = (settings.host, settings.port)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            # Who shares a port does not notice that another program listens there already.
            _bound(address, family, shared=False).close()
        except OSError as error:
            sys.exit(f"{settings.host}:{settings.port}: {error.strerror}")
        Multiprocess(config, sockets=[_bound(address, family, shared=True)]).run()
