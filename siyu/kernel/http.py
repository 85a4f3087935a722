"""HTTP lanes: routes that declare their access, identities as parameters, errors in one shape.

A domain writes `@get("/orders", access=staff("orders.read"))` and lists its handlers in `routes`;
`app/http.py` mounts them. Identity is proven in one guard before the body is looked at. Bodies are
JSON without duplicate keys, NUL or depth bombs; every error is `{"error": {code, message,
details}}` in the caller's language.
"""

import asyncio
import base64
import functools
import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import litestar
import msgspec
from litestar import Litestar, MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import (
    ClientException,
    HTTPException,
    ValidationException,
)
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from siyu import __version__
from siyu.kernel.auth import (
    CALLBACK,
    MEMBER,
    PUBLIC,
    SHOP,
    STAFF,
    Access,
    MemberIdentity,
    ShopIdentity,
    StaffIdentity,
    member_of,
    staff,
)
from siyu.kernel.db import Deadlocked
from siyu.kernel.errors import BadInput, Forbidden, NotFound, SiyuError, TooLarge, Unauthorized
from siyu.kernel.handling import Route, check_and_run, header, once_of
from siyu.kernel.i18n import language_of
from siyu.kernel.idempotency import OnceKey, Replayed
from siyu.kernel.ids import ShopId

__all__ = [
    "CALLBACK", "MEMBER", "PUBLIC", "SHOP", "STAFF", "Access", "MemberIdentity", "OnceKey", "Page",
    "Request", "Response", "ShopIdentity", "StaffIdentity", "build_app", "delete", "get", "patch",
    "post", "put", "staff",
]  # fmt: skip

log = logging.getLogger("siyu.http")
T = TypeVar("T")
SHOP_HEADER = b"x-siyu-shop"
SESSION_COOKIES = ("__Host-siyu", "siyu")
"""The second name is used only where public_url is plain http."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; `next_cursor` asks for the following one, null at the end."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def of(cls, rows: list[T], limit: int, key: Callable[[T], list[Any]]) -> "Page[T]":
        """Cut `rows` (fetched with limit + 1) to a page; `key` gives the last row's sort values."""
        shown = rows[:limit]
        return cls(shown, encode_cursor(key(shown[-1])) if len(rows) > limit else None)


def encode_cursor(values: list[Any]) -> str:
    """Sort values of the last row, opaque to the client."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


class CursorInvalid(BadInput):
    """The cursor did not come from this list."""

    code = "request.cursor_invalid"
    zh = "翻页游标无效"
    en = "The page cursor is invalid"


def decode_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """The sort values of a cursor as `kind` (a tuple type); raises CursorInvalid."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise CursorInvalid from None


class Hooks(Protocol):
    """What the lanes need from floors above."""

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        """The shop of a code."""

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        """The staff member of a session token, with the permissions held in that shop."""


# --- routes -----------------------------------------------------------------------------------


def _again(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Run the handler again after a deadlock, at most three times in all (F118)."""

    @functools.wraps(handler)
    async def run(*args: Any, **kwargs: Any) -> Any:
        for attempt in range(3):
            try:
                return await handler(*args, **kwargs)
            except Deadlocked:
                if attempt == 2:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.03) * (attempt + 1))
        raise AssertionError("unreachable")

    return run


_Get, _Post, _Put, _Patch, _Delete = (
    type(kind.__name__, (Route, kind), {})
    for kind in (litestar.get, litestar.post, litestar.put, litestar.patch, litestar.delete)
)


def _route(method: Any, path: str, access: Access, **options: Any) -> Callable[[Any], Any]:
    def wrap(handler: Any) -> Any:
        returns = inspect.signature(handler).return_annotation
        if returns is None:
            options.setdefault("status_code", 204)
        options.setdefault("status_code", 200)
        options.setdefault("operation_id", handler.__name__)
        # What a reader of the API documents sees first: the sentence that the handler begins with.
        said = " ".join(inspect.cleandoc(handler.__doc__ or handler.__name__).split())
        options.setdefault("summary", said.partition(". ")[0].rstrip("."))
        options.setdefault("tags", [handler.__module__.removeprefix("siyu.").rpartition(".")[0]])
        return method(path, opt={"access": access}, **options)(_again(handler))

    return wrap


def get(path: str, *, access: Access, **options: Any) -> Callable[[Any], Any]:
    """A reading route."""
    return _route(_Get, path, access, **options)


def post(path: str, *, access: Access, **options: Any) -> Callable[[Any], Any]:
    """A writing route."""
    return _route(_Post, path, access, **options)


def put(path: str, *, access: Access, **options: Any) -> Callable[[Any], Any]:
    """A route that replaces."""
    return _route(_Put, path, access, **options)


def patch(path: str, *, access: Access, **options: Any) -> Callable[[Any], Any]:
    """A route that changes some fields."""
    return _route(_Patch, path, access, **options)


def delete(path: str, *, access: Access, **options: Any) -> Callable[[Any], Any]:
    """A route that removes."""
    return _route(_Delete, path, access, **options)


# --- who is asking ----------------------------------------------------------------------------


class CrossSite(Forbidden):
    """A browser sent this from another site (F087)."""

    code = "auth.cross_site"
    zh = "已拒绝跨站请求"
    en = "A cross-site request was refused"


class ShopUnknown(NotFound):
    """No shop has the code of the X-Siyu-Shop header."""

    code = "shops.unknown"
    zh = "没有这家店铺"
    en = "There is no such shop"


def session_token(connection: "ASGIConnection[Any, Any, Any, Any]") -> str | None:
    """The staff session token of the request's cookie."""
    return next((connection.cookies[n] for n in SESSION_COOKIES if n in connection.cookies), None)


async def _prove(connection: "ASGIConnection[Any, Any, Any, Any]", _: BaseRouteHandler) -> None:
    """Prove the identity a route demands, and keep it for its parameters."""
    access: Access = connection.route_handler.opt["access"]
    hooks: Hooks = connection.app.state.hooks
    code = header(connection, SHOP_HEADER)
    kept = connection.scope["state"]
    if access.kind == "staff":
        site = header(connection, b"sec-fetch-site")
        if site not in (None, "same-origin", "none"):
            raise CrossSite
        token = session_token(connection)
        found = await hooks.load_staff(token, code) if token else None
        if found is None:
            raise Unauthorized
        if access.permission is not None:
            if not found.shop_id:
                raise ShopUnknown
            found.must_have(access.permission)
        kept["staff"] = found
    elif access.kind in ("member", "shop"):
        scheme, __, bearer = (header(connection, b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            kept["member"] = member_of(bearer)
        elif access.kind == "member":
            raise Unauthorized
        if access.kind == "shop":
            shop = await hooks.resolve_shop(code) if code and len(code) <= 64 else None
            if shop is None:
                raise ShopUnknown
            kept["shop"] = shop
            member = kept.get("member")
            if member is not None and member.shop_id != shop.shop_id:
                raise Unauthorized


async def _provide_member(request: Request[Any, Any, Any]) -> MemberIdentity | None:
    return request.scope["state"].get("member")


async def _provide_staff(request: Request[Any, Any, Any]) -> StaffIdentity:
    return request.scope["state"]["staff"]  # type: ignore[no-any-return]


async def _provide_shop(request: Request[Any, Any, Any]) -> ShopIdentity:
    return request.scope["state"]["shop"]  # type: ignore[no-any-return]


async def _provide_once(request: Request[Any, Any, Any], member: MemberIdentity | None) -> OnceKey:
    # Asking for `member` puts the two in a row; side by side they would cost a task group a time.
    return await once_of(request)


# --- answers ----------------------------------------------------------------------------------


def error_response(
    request: Request[Any, Any, Any], error: SiyuError, status: int | None = None
) -> Response[Any]:
    """An error in the one shape, in the caller's language."""
    language = language_of(request.headers.get("accept-language"))
    headers = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    body = {"code": error.code, "message": error.message(language), "details": error.details}
    return Response(
        {"error": body},
        status_code=status or error.status,
        headers=headers,
        media_type=MediaType.JSON,
    )


def _on_siyu_error(request: Request[Any, Any, Any], error: SiyuError) -> Response[Any]:
    return error_response(request, error)


def _on_replayed(_: Request[Any, Any, Any], replay: Replayed) -> Response[Any]:
    return Response(
        replay.answer,
        status_code=replay.status,
        media_type=MediaType.JSON,
        headers={"Idempotency-Replayed": "true"},
    )


def _on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    fields = [
        {"field": str(item.get("key", "")), "message": str(item.get("message", ""))}
        for item in (error.extra if isinstance(error.extra, list) else [])
        if isinstance(item, dict)
    ]
    return error_response(request, BadInput(fields=fields))


class MethodRefused(SiyuError):
    """The path exists, the method does not."""

    status = 405
    code = "request.method_not_allowed"
    zh = "不支持此请求方法"
    en = "This method is not allowed here"


def _on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    known: dict[int, SiyuError] = {
        401: Unauthorized(), 404: NotFound(), 405: MethodRefused(), 413: TooLarge(),
    }  # fmt: skip
    if error.status_code in known:
        return error_response(request, known[error.status_code])
    if isinstance(error, ClientException):
        return error_response(request, BadInput())
    return _on_bug(request, error)


class Failed(SiyuError):
    """A bug of ours; the log holds the story under the request id."""

    status = 500
    code = "service.failed"
    zh = "服务出错,我们已记录"
    en = "Something failed on our side; it has been logged"


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    # The text of an exception may quote personal data; its type and place do not.
    log.error("request failed", exc_info=error, extra={"path": request.scope.get("path_template")})
    return error_response(request, Failed())


def _encode_uuid(value: Any) -> str:
    return str(value)


def build_app(
    routers: list[ControllerRouterHandler],
    hooks: Hooks,
    *,
    max_body_kb: int = 1024,
    **options: Any,
) -> Litestar:
    """The ASGI app of these routers; refuses to start when a route declares no access (F082)."""
    app = Litestar(
        routers,
        guards=[_prove],
        before_request=check_and_run,
        dependencies={
            "member": Provide(_provide_member),
            "staff": Provide(_provide_staff),
            "shop": Provide(_provide_shop),
            "once": Provide(_provide_once),
        },
        exception_handlers={
            SiyuError: _on_siyu_error,
            Replayed: _on_replayed,
            ValidationException: _on_validation,
            HTTPException: _on_http_exception,
            Exception: _on_bug,
        },
        type_encoders={UUID: _encode_uuid},
        request_max_body_size=max_body_kb * 1024,
        openapi_config=OpenAPIConfig(
            title="siyu", version=__version__, path="/openapi", use_handler_docstrings=True
        ),
        logging_config=None,
        **options,
    )
    app.state.hooks = hooks
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            if isinstance(handler, HTTPRouteHandler):
                _must_declare_access(handler)
    return app


def _must_declare_access(handler: HTTPRouteHandler) -> None:
    if handler.fn.__module__.startswith("litestar."):
        return
    if not isinstance(handler.opt.get("access"), Access):
        raise TypeError(f"{handler.fn.__module__}.{handler.fn.__name__} declares no access")


def with_patch(app: Any) -> Any:
    """Let `POST` with `X-HTTP-Method-Override: PATCH` be a PATCH: mini-programs cannot send one."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            for name, value in scope["headers"]:
                if name == b"x-http-method-override" and value == b"PATCH":
                    scope = {**scope, "method": "PATCH"}
        await app(scope, receive, send)

    return run


def shop_of(connection: "ASGIConnection[Any, Any, Any, Any]") -> ShopId:
    """The shop a proven request belongs to."""
    state = connection.state
    found = state.get("staff") or state.get("member") or state.get("shop")
    assert found is not None
    return found.shop_id  # type: ignore[no-any-return]
