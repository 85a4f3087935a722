"""How a request becomes the call of its handler.

A handler that asks only for its body, its path, who asks and the key is called straight with these:
the body is decoded once, by its type. Others go Litestar's way, after the same checks.
"""

import functools
import json
from typing import Any
from uuid import UUID

import msgspec
from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.serialization import encode_json
from litestar.types import ASGIApp, Receive, Scope, Send

from siyu.kernel.auth import Access
from siyu.kernel.errors import BadInput
from siyu.kernel.idempotency import KeyInvalid, OnceKey

_GIVEN = {"data", "member", "staff", "shop", "once", "request"}
_IN_PATHS = (UUID, int, str)


def header(connection: "ASGIConnection[Any, Any, Any, Any]", name: bytes) -> str | None:
    """The first header of a name, out of the few there are: to sort them all would cost more."""
    found = next((value for known, value in connection.scope["headers"] if known == name), None)
    return None if found is None else found.decode("latin-1")


class JsonRefused(BadInput):
    """Not JSON, a key twice, nested too deep, or a NUL character (F068, F071)."""

    code = "request.json_refused"
    zh = "请求内容不是可接受的 JSON"
    en = "The body is not acceptable JSON"


_MAX_DEPTH = 32


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def check_json(body: bytes) -> None:
    """Refuse JSON that two readers could understand differently, or that is a bomb."""
    depth = deepest = 0
    if body.count(b"[") + body.count(b"{") > _MAX_DEPTH:
        for byte in body:
            if byte in b"[{":
                depth += 1
                deepest = max(deepest, depth)
            elif byte in b"]}":
                depth -= 1
    if deepest > _MAX_DEPTH or b"\\u0000" in body:
        raise JsonRefused
    try:
        json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise JsonRefused from None


@functools.cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


async def once_of(request: Request[Any, Any, Any]) -> OnceKey:
    """The key of a request, under the name of who sends it; raises KeyInvalid."""
    kept = request.scope["state"]
    identity = kept.get("member") or kept.get("staff")
    if identity is None:
        raise KeyInvalid
    return OnceKey.of(
        identity.actor,
        header(request, b"idempotency-key"),
        request.method,
        request.url.path,
        await request.body(),
    )


class _Told:
    """An answer in JSON: an ASGI app, as Litestar wants one."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = str(len(self.body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Route(HTTPRouteHandler):
    """A route whose guards get it as it is (Litestar would copy it for each of them), and whose
    views are told without what Litestar allows for.
    """

    path_names: frozenset[str] | None = None
    """What the handler takes from its path, if it can be called straight."""

    def on_registration(self, app: Litestar) -> None:
        """See how the handler can be called."""
        super().on_registration(app)
        parameters = self.parsed_fn_signature.parameters
        data = parameters.get("data")
        from_path = [one for name, one in parameters.items() if name not in _GIVEN]
        if (
            _is_struct(self.parsed_fn_signature.return_type.annotation)
            and (data is None or (_is_struct(data.annotation) and data.kwarg_definition is None))
            and all(one.annotation in _IN_PATHS for one in from_path)
            and all(one.kwarg_definition is None and not one.has_default for one in from_path)
        ):
            self.path_names = frozenset(one.name for one in from_path)

    async def authorize_connection(self, connection: "ASGIConnection[Any, Any, Any, Any]") -> None:
        """Run the guards of this route."""
        for guard in self.resolve_guards():
            await guard(connection, self)  # type: ignore[misc]

    async def to_response(
        self, app: Litestar, data: Any, request: Request[Any, Any, Any]
    ) -> ASGIApp:
        """The answer of the handler as an ASGI app."""
        if isinstance(data, msgspec.Struct):
            return _Told(self.status_code, encode_json(data))
        if isinstance(data, msgspec.Raw):
            return _Told(self.status_code, bytes(data))
        return await super().to_response(app, data, request)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _decode_strictly(annotation: Any, body: bytes) -> Any:
    try:
        return _decoder(annotation).decode(body)
    except msgspec.ValidationError as error:
        what, _, field = str(error).partition(" - at `$.")
        raise BadInput(fields=[{"field": field.rstrip("`"), "message": what}]) from None
    except msgspec.DecodeError:
        raise JsonRefused from None


async def check_and_run(request: Request[Any, Any, Any]) -> Any:
    """Check the body, and call the handler if it can be called straight; else None, and Litestar
    calls it.
    """
    handler: Any = request.route_handler
    parameters = handler.parsed_fn_signature.parameters
    data = parameters.get("data")
    decoded: Any = None
    if request.method in ("POST", "PUT", "PATCH", "DELETE"):
        access: Access = handler.opt["access"]
        content_type = header(request, b"content-type") or ""
        if access.kind != "callback" and not content_type.startswith("multipart/"):
            body = await request.body()
            if body:
                check_json(body)
                # Litestar converts leniently ("1" would pass for 1): a body is decoded by its type.
                if data is not None:
                    decoded = _decode_strictly(data.annotation, body)
    names = getattr(handler, "path_names", None)
    found = request.scope["path_params"]
    if names is None or names != found.keys() or (data is not None and decoded is None):
        return None
    if any(type(found[name]) is not parameters[name].annotation for name in names):
        return None
    given: dict[str, Any] = dict(found)
    for name in parameters:
        if name == "data":
            given[name] = decoded
        elif name == "request":
            given[name] = request
        elif name == "once":
            given[name] = await once_of(request)
        elif name in _GIVEN:
            given[name] = request.scope["state"].get(name)
    return await handler.fn(**given)
