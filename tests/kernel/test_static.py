"""What the program serves itself: built pages and re-encoded pictures."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from siyu.kernel import static
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.http import build_app

KEY = "0123456789abcdef0123456789abcdef"


class Hooks:
    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        return None


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    root, pictures = tmp_path / "site", tmp_path / "media"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<script>start()</script><script src=a.js></script>")
    (root / "assets" / "app-a1b2c3d4.js").write_text("run()")
    (root / "assets" / "app-a1b2c3d4.js.gz").write_bytes(gzip.compress(b"run()"))
    (tmp_path / "keys.json").write_text("secret")
    (pictures / KEY[:2]).mkdir(parents=True)
    (pictures / KEY[:2] / f"{KEY}-600.webp").write_bytes(b"RIFF")
    routes = [
        *static.site("/h5", root, lambda: "'self' http://127.0.0.1:9"),
        *static.media("/media", lambda: pictures),
    ]
    transport = httpx.ASGITransport(build_app(routes, Hooks()))
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.test") as made:
        yield made


async def test_any_page_of_the_application_is_its_index(client: httpx.AsyncClient) -> None:
    for path in ("/h5", "/h5/", "/h5/orders/12"):
        page = await client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"


async def test_the_policy_allows_the_pages_own_script_and_no_foreign_host(
    client: httpx.AsyncClient,
) -> None:
    policy = (await client.get("/h5/")).headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "frame-ancestors 'self' http://127.0.0.1:9" in policy
    assert "unsafe-eval" not in policy
    assert "https:" not in policy


async def test_hashed_assets_are_kept_for_ever_and_go_out_packed(
    client: httpx.AsyncClient,
) -> None:
    path = "/h5/assets/app-a1b2c3d4.js"
    packed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == "run()"
    assert "immutable" in packed.headers["cache-control"]
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    tag = plain.headers["etag"]
    assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/h5/../keys.json",
        "/h5/..%2fkeys.json",
        "/h5/assets/%2e%2e/%2e%2e/keys.json",
        "/h5/assets/nothing.js",
        "/media/../keys.json",
        "/media/keys.json",
        f"/media/{KEY}-601.webp",
        f"/media/..%2f{KEY}-600.webp",
    ],
)
async def test_F072_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404 or "secret" not in answer.text
    assert "secret" not in answer.text


async def test_F072_a_picture_cannot_run_anything(client: httpx.AsyncClient) -> None:
    picture = await client.get(f"/media/{KEY}-600.webp")
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/webp"
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
