"""The web process: every lane of every domain, mounted under its prefix.

`create_app()` is what uvicorn runs. The order below is the order of the tower.
"""

import contextlib
import functools
import gc
import multiprocessing
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from litestar import Litestar, Response, Router
from litestar.response import Redirect

import siyu
from siyu.app import doctor, processes, prove
from siyu.commerce.after_sale import http_admin as after_sale_admin
from siyu.commerce.after_sale import http_shop as after_sale_shop
from siyu.commerce.bulk import http_admin as bulk_admin
from siyu.commerce.catalog import http_admin as catalog_admin
from siyu.commerce.catalog import http_shop as catalog_shop
from siyu.commerce.coupons import http_admin as coupons_admin
from siyu.commerce.coupons import http_shop as coupons_shop
from siyu.commerce.fulfilment import http_admin as fulfilment_admin
from siyu.commerce.fulfilment import http_shop as fulfilment_shop
from siyu.commerce.inventory import http_admin as inventory_admin
from siyu.commerce.ordering import http_admin as ordering_admin
from siyu.commerce.ordering import http_shop as ordering_shop
from siyu.commerce.promotions import http_admin as promotions_admin
from siyu.commerce.promotions import http_shop as promotions_shop
from siyu.commerce.reviews import http_admin as reviews_admin
from siyu.commerce.reviews import http_shop as reviews_shop
from siyu.compliance.approvals import http_admin as approvals_admin
from siyu.compliance.rulebook import http_admin as rulebook_admin
from siyu.growth.gifting import http_admin as gifting_admin
from siyu.growth.gifting import http_shop as gifting_shop
from siyu.insight.behaviour import http_admin as behaviour_admin
from siyu.insight.behaviour import http_shop as behaviour_shop
from siyu.insight.metrics import http_admin as metrics_admin
from siyu.kernel import audit, config, db, logs, metrics, static
from siyu.kernel import http_admin as kernel_admin
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.http import PUBLIC, build_app, get, with_patch
from siyu.kernel.observe import observed
from siyu.merchant.shops import http_admin as shops_admin
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import http_admin as staff_admin
from siyu.merchant.staff import service as staff
from siyu.money.ledger import http_admin as ledger_admin
from siyu.money.payments import http_admin as payments_admin
from siyu.money.payments import http_callback as payments_callback
from siyu.money.payouts import http_admin as payouts_admin
from siyu.money.payouts import http_shop as payouts_shop
from siyu.money.points import http_admin as points_admin
from siyu.money.points import http_shop as points_shop
from siyu.money.profit_sharing import http_admin as profit_sharing_admin
from siyu.money.profit_sharing import http_shop as profit_sharing_shop
from siyu.money.reconciliation import http_admin as reconciliation_admin
from siyu.money.stored_value import http_admin as stored_value_admin
from siyu.money.stored_value import http_shop as stored_value_shop
from siyu.people.consents import http_admin as consents_admin
from siyu.people.consents import http_shop as consents_shop
from siyu.people.experiments import http_admin as experiments_admin
from siyu.people.experiments import http_shop as experiments_shop
from siyu.people.members import http_admin as members_admin
from siyu.people.members import http_shop as members_shop
from siyu.people.outreach import http_admin as outreach_admin
from siyu.people.outreach import http_shop as outreach_shop
from siyu.people.privacy import http_admin as privacy_admin
from siyu.people.privacy import http_shop as privacy_shop
from siyu.people.profiles import http_admin as profiles_admin
from siyu.people.profiles import http_shop as profiles_shop
from siyu.people.segments import http_admin as segments_admin
from siyu.warehouse.compaction import http_admin as compaction_admin
from siyu.warehouse.registry import http_admin as registry_admin
from siyu.wechat.mini_program import http_admin as mini_program_admin
from siyu.wechat.mini_program import http_callback as mini_program_callback
from siyu.wechat.official_account import http_admin as official_account_admin
from siyu.wechat.official_account import http_callback as official_account_callback
from siyu.wechat.wecom import http_admin as wecom_admin
from siyu.wechat.wecom import http_callback as wecom_callback

WEB = Path(siyu.__file__).parent / "web"

SHOP = [
    members_shop,
    consents_shop,
    profiles_shop,
    privacy_shop,
    experiments_shop,
    outreach_shop,
    payouts_shop,
    profit_sharing_shop,
    points_shop,
    stored_value_shop,
    catalog_shop,
    promotions_shop,
    coupons_shop,
    ordering_shop,
    fulfilment_shop,
    reviews_shop,
    after_sale_shop,
    gifting_shop,
]
ADMIN = [
    wecom_admin,
    official_account_admin,
    mini_program_admin,
    registry_admin,
    compaction_admin,
    kernel_admin,
    audit,
    shops_admin,
    staff_admin,
    doctor,
    rulebook_admin,
    approvals_admin,
    members_admin,
    consents_admin,
    privacy_admin,
    experiments_admin,
    outreach_admin,
    profiles_admin,
    segments_admin,
    prove,
    ledger_admin,
    payments_admin,
    reconciliation_admin,
    payouts_admin,
    profit_sharing_admin,
    points_admin,
    stored_value_admin,
    catalog_admin,
    promotions_admin,
    inventory_admin,
    coupons_admin,
    ordering_admin,
    fulfilment_admin,
    reviews_admin,
    after_sale_admin,
    bulk_admin,
    gifting_admin,
    metrics_admin,
    behaviour_admin,
]
CALLBACKS = [
    wecom_callback,
    official_account_callback,
    mini_program_callback,
    payments_callback,
]


class _Hooks:
    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return await shops.resolve_shop(code)

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        return await staff.load_staff(token, shop_code)


@get("/", access=PUBLIC, include_in_schema=False)
async def start_page() -> Redirect:
    """The bare address leads to the console."""
    return Redirect("/console/")


@get("/health", access=PUBLIC, include_in_schema=False)
async def health() -> Response[dict[str, str]]:
    """200 while the database answers, 503 otherwise."""
    async with db.system_transaction() as tx:
        await tx.value("select 1")
    return Response({"status": "ok", "version": siyu.__version__})


@get("/metrics", access=PUBLIC, include_in_schema=False, media_type="text/plain")
async def show_metrics() -> bytes:
    """Prometheus text: counts and times, no personal data."""
    return metrics.render()


def _frame_ancestors() -> str:
    sandbox = config.settings().sandbox_url
    return f"'self' {sandbox}" if sandbox else "'self'"


def _lane(prefix: str, modules: list[Any]) -> Router:
    handlers = [handler for module in modules for handler in module.routes]
    return Router(prefix, route_handlers=handlers)


def create_litestar(max_body_kb: int | None = None, **options: Any) -> Litestar:
    """All lanes as one Litestar app; the database is the caller's affair. max_body_kb: as set."""
    return build_app(
        [
            start_page,
            health,
            show_metrics,
            _lane("/shop/v1", SHOP),
            _lane("/admin/v1", ADMIN),
            _lane("/callback", CALLBACKS),
            Router("/collect/v1", route_handlers=behaviour_shop.collect_routes),
            *static.site("/console", WEB / "console", lambda: "'none'"),
            *static.site("/h5", WEB / "h5", _frame_ancestors),
            *static.media("/media", lambda: config.settings().media_dir),
        ],
        _Hooks(),
        max_body_kb=max_body_kb or config.settings().max_body_kb,
        **options,
    )


@contextlib.asynccontextmanager
async def _connected(_: Litestar) -> AsyncIterator[None]:
    async with processes.program_database(config.settings()):
        # What lives from the start to the end is not looked at again by each collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        yield


@functools.cache
def assembled(max_body_kb: int) -> Litestar:
    """The app of a web process: a second's work, done before there is one (`forks`)."""
    return create_litestar(max_body_kb, lifespan=[_connected])


def create_app() -> Any:
    """The ASGI app of a web process: connects at start, observed from the outside.

    One of several ends with the process that watches over them, or it would keep the port.
    """
    if multiprocessing.parent_process() is not None:
        processes.die_with_parent()
    logs.set_up(config.settings().log_level)
    return observed(with_patch(assembled(config.settings().max_body_kb)))
