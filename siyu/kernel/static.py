"""Built front ends and pictures, served by the program itself.

Text assets that carry a hash in their name never change and are cached for a year; pages are
asked for again each time. `file.js.br` or `file.js.gz` beside `file.js` goes out when the browser
takes it.
"""

import base64
import hashlib
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response import File

from siyu.kernel.errors import NotFound
from siyu.kernel.http import PUBLIC, get

_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.(js|css|woff2?|png|svg|webp|jpg)$")
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_MEDIA_NAME = re.compile(r"^[0-9a-f]{32}-(1200|600|200)\.webp$")


class _Asset(msgspec.Struct, frozen=True):
    body: bytes
    encodings: dict[str, bytes]
    headers: dict[str, str]


def content_security_policy(page: bytes, frame_ancestors: str) -> str:
    """A policy without foreign hosts; the page's own inline scripts are allowed by their hash."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(page)
        if script.strip()
    ]
    return "; ".join(
        [
            "default-src 'self'",
            " ".join(["script-src 'self'", *hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {frame_ancestors}",
        ]
    )


def site(prefix: str, root: Path, frame_ancestors: Callable[[], str]) -> list[HTTPRouteHandler]:
    """A built single-page application below `prefix`; unknown paths without a dot get its page."""
    assets: dict[str, _Asset] = {}

    def load(name: str) -> _Asset:
        if name not in assets:
            file = (root / name).resolve()
            if not file.is_relative_to(root.resolve()) or not file.is_file():
                raise NotFound
            body = file.read_bytes()
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            headers = {
                "Content-Type": f"{kind}; charset=utf-8" if _is_text(kind) else kind,
                "Vary": "Accept-Encoding",
                "ETag": f'"{hashlib.sha256(body).hexdigest()[:20]}"',
                "Cache-Control": "public, max-age=31536000, immutable"
                if _HASHED.search(name)
                else "no-cache",
            }
            if file.suffix == ".html":
                headers["Content-Security-Policy"] = content_security_policy(
                    body, frame_ancestors()
                )
            encodings = {
                encoding: packed.read_bytes()
                for encoding, suffix in (("br", ".br"), ("gzip", ".gz"))
                if (packed := file.with_name(file.name + suffix)).is_file()
            }
            assets[name] = _Asset(body, encodings, headers)
        return assets[name]

    async def serve(request: Request[Any, Any, Any], file: str) -> Response[bytes]:
        name = str(file).strip("/")
        if not name or "." not in name.rpartition("/")[2]:
            name = "index.html"
        asset = load(name)
        if request.headers.get("if-none-match") == asset.headers["ETag"]:
            return Response(b"", status_code=304, headers=asset.headers)
        accepted = request.headers.get("accept-encoding", "")
        for encoding, packed in asset.encodings.items():
            if encoding in accepted:
                return Response(packed, headers={**asset.headers, "Content-Encoding": encoding})
        return Response(asset.body, headers=asset.headers)

    @get(prefix, access=PUBLIC, include_in_schema=False)
    async def serve_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await serve(request, "")

    @get(f"{prefix}/{{file:path}}", access=PUBLIC, include_in_schema=False)
    async def serve_file(request: Request[Any, Any, Any], file: str) -> Response[bytes]:
        return await serve(request, file)

    return [serve_page, serve_file]


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind.endswith(("javascript", "json", "svg+xml"))


def media(prefix: str, root: Callable[[], Path]) -> list[HTTPRouteHandler]:
    """Re-encoded pictures, content-addressed: they never change and run no script (F072)."""

    @get(f"{prefix}/{{name:str}}", access=PUBLIC, include_in_schema=False)
    async def serve_media(name: str) -> File:
        path = root() / name[:2] / name
        if not _MEDIA_NAME.match(name) or not path.is_file():
            raise NotFound
        return File(
            path,
            media_type="image/webp",
            content_disposition_type="inline",
            headers={
                "Cache-Control": "public, max-age=31536000, immutable",
                "Content-Security-Policy": "default-src 'none'; sandbox",
            },
        )

    return [serve_media]
