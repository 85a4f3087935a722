"""A shop, its staff, and tables of all kinds; runs are run as the worker does."""

import contextlib
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import httpx
from litestar import Router
from openpyxl import Workbook
from openpyxl.drawing.image import Image as SheetImage

from siyu.commerce.bulk import http_admin, invariants
from siyu.commerce.bulk import service as bulk
from siyu.commerce.catalog import http_admin as catalog_admin
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.db import reading
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from tests.commerce.catalog.pictures import png

ALL = frozenset({
    "shop.read", "shop.write", "products.read", "products.write", "stock.read", "stock.write",
    "orders.export",
})  # fmt: skip


class _Hooks:
    def __init__(self, shop_id: ShopId, permissions: frozenset[str]) -> None:
        self.shop_id = shop_id
        self.permissions = permissions

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return ShopIdentity(self.shop_id, code, "测试店", "CNY", "Asia/Shanghai")

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        who = uuid5(NAMESPACE_OID, token)
        return StaffIdentity(who, who, self.shop_id, token, self.permissions)


class Clerk:
    """Somebody at the console with tables."""

    def __init__(self, shop: ShopId, http: httpx.AsyncClient) -> None:
        self.shop = shop
        self.http = http

    async def upload(self, kind: str, raw: bytes, name: str = "../goods.csv") -> httpx.Response:
        return await self.http.post(
            f"/admin/v1/bulk/uploads?kind={kind}", files={"file": (name, raw)}
        )

    async def start(
        self, uploaded: dict[str, Any], *, dry: bool = False, **more: Any
    ) -> dict[str, Any]:
        task_id = uploaded["task"]["task_id"]
        body = {"mapping": uploaded["mapping"], "is_dry_run": dry} | more
        return ok(await self.http.post(f"/admin/v1/bulk/{task_id}/start", json=body))

    async def run(self, task: dict[str, Any]) -> dict[str, Any]:
        """The worker's part; the task as it is then."""
        async with reading(self.shop) as tx:
            run_no = (await bulk.get_task(tx, UUID(task["task_id"]))).run_no
        await bulk.run_task(self.shop, UUID(task["task_id"]), run_no)
        return ok(await self.http.get(f"/admin/v1/bulk/{task['task_id']}"))

    async def take_in(
        self, kind: str, raw: bytes, *, dry: bool = False, pictures: bytes | None = None,
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Upload, map as recognised, run."""
        uploaded = ok(await self.upload(kind, raw))
        if pictures is not None:
            path = f"/admin/v1/bulk/{uploaded['task']['task_id']}/pictures"
            ok(await self.http.post(path, files={"file": ("p.zip", pictures)}))
        return await self.run(await self.start(uploaded, dry=dry, **more))

    async def export(
        self, kind: str, form: str = "csv", *, headers: dict[str, str] | None = None, **more: Any
    ) -> bytes:
        body = {"kind": kind, "format": form, "reason": "对账"} | more
        task = ok(await self.http.post("/admin/v1/bulk/exports", json=body, headers=headers))
        done = await self.run(task)
        assert done["state"] == "done" and done["has_file"], done
        answer = await self.http.get(f"/admin/v1/bulk/{task['task_id']}/file")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def refusals(self, task: dict[str, Any]) -> list[tuple[int, str, str]]:
        page = ok(await self.http.get(f"/admin/v1/bulk/{task['task_id']}/refusals"))
        return [(one["line_no"], one["column"], one["reason"]) for one in page["items"]]

    async def value(self, sql: str, *args: Any) -> Any:
        async with reading(self.shop) as tx:
            return await tx.value(sql, *args)

    async def broken(self) -> list[str]:
        async with reading(self.shop) as tx:
            return [
                name
                for name, sql in invariants.INVARIANTS.items()
                if await tx.connection.fetch(sql)
            ]


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str, Any]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["details"].get("why")


def counts(task: dict[str, Any]) -> tuple[int, int, int, int]:
    """(created, changed, same, refused)."""
    return tuple(task[f"{word}_count"] for word in ("created", "changed", "same", "refused"))


def table(*rows: list[Any]) -> bytes:
    """A CSV as Excel saves it."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def read_table(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))


def book(*rows: list[Any], pictures: dict[str, bytes] | None = None) -> bytes:
    """An XLSX; pictures stand at cells such as `P2`."""
    made = Workbook()
    sheet = made.active
    for row in rows:
        sheet.append(row)
    for place, raw in (pictures or {}).items():
        sheet.add_image(SheetImage(io.BytesIO(raw)), place)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


def colour(number: int) -> bytes:
    """A picture that is like no other."""
    return png(20, 20, f"#{number * 0x2F4F1F % 0xFFFFFF:06x}")


@contextlib.asynccontextmanager
async def at_work(shop: ShopId, permissions: frozenset[str] = ALL) -> AsyncIterator[Clerk]:
    """Staff of a fresh shop."""
    lanes = [Router("/admin/v1", route_handlers=[*http_admin.routes, *catalog_admin.routes])]
    transport = httpx.ASGITransport(app=build_app(lanes, _Hooks(shop, permissions)))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://test", headers={"X-Siyu-Shop": "test"}
    ) as http:
        http.cookies.set("__Host-siyu", "xiaoli")
        yield Clerk(shop, http)
