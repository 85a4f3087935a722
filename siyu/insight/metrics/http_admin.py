"""Dashboard, catalogue, north star and diagnosis in the console."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar.params import Parameter

from siyu.insight.metrics import service
from siyu.insight.metrics.contracts import (
    CatalogueView,
    DashboardView,
    Drafted,
    MetricPage,
    NorthStarBody,
    NorthStarView,
    PlaybooksView,
)
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import BadInput
from siyu.kernel.http import Request, StaffIdentity, get, post, put, staff
from siyu.kernel.i18n import Language, language_of
from siyu.merchant.shops import service as shops

READ = staff("insight.read")
Key = Annotated[str, Parameter(pattern=r"^[a-z0-9_]+$", max_length=40)]


def _speech(request: Request[Any, Any, Any]) -> Language:
    return language_of(request.headers.get("accept-language"))


async def _zone(staff: StaffIdentity) -> str:
    async with reading(staff.shop_id) as tx:
        return (await shops.get_shop(tx)).time_zone


@get("/dashboard", access=READ)
async def get_dashboard(
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    days: Literal[7, 30, 90] = 30,
    as_of: Literal["auto", "now"] = "auto",
    until: Annotated[datetime | None, Parameter(description="RFC 3339 with offset")] = None,
) -> DashboardView:
    """The shop's figures with trend, health and suggested action, the funnel and the last minutes.

    The period is `days` business days in the shop's time zone and ends at `until` (default: now);
    with as_of "auto" it ends at the last event when nothing happened in these days.
    """
    if until is not None and (until.tzinfo is None or not 1990 <= until.year < 2100):
        raise BadInput(fields=[{"field": "until", "message": "1990 to 2099, with offset"}])
    return await service.get_dashboard(
        staff.shop_id,
        await _zone(staff),
        _speech(request),
        days=days,
        until=until,
        auto=as_of == "auto",
    )


@get("/insight/metrics", access=READ)
async def list_metrics(staff: StaffIdentity, request: Request[Any, Any, Any]) -> CatalogueView:
    """Every figure: definition, twelve weeks, against the trade and against itself."""
    return await service.list_metrics(staff.shop_id, await _zone(staff), _speech(request))


@get("/insight/metrics/{key:str}", access=READ)
async def show_metric(
    key: Key, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> MetricPage:
    """One figure with its break-downs."""
    return await service.get_metric(staff.shop_id, await _zone(staff), key, _speech(request))


@get("/insight/north-star", access=READ)
async def show_north_star(
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    key: Key | None = None,
    days: Literal[7, 28] = 7,
) -> NorthStarView:
    """The north star (or another figure with a tree), and what moved it."""
    async with reading(staff.shop_id) as tx:
        zone = (await shops.get_shop(tx)).time_zone
        choice = await service.get_choice(tx)
    speech = _speech(request)
    return await service.get_north_star(
        staff.shop_id, zone, choice, speech, key=key or choice.key, days=days
    )


@put("/insight/north-star", access=staff("insight.write"))
async def choose_north_star(
    data: NorthStarBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> NorthStarView:
    """Choose what the shop steers by."""
    async with transaction(staff.shop_id) as tx:
        zone = (await shops.get_shop(tx)).time_zone
        choice = await service.choose(tx, staff, data.key, data.goal)
    speech = _speech(request)
    return await service.get_north_star(staff.shop_id, zone, choice, speech, key=choice.key, days=7)


@get("/insight/playbooks", access=READ)
async def list_playbooks(staff: StaffIdentity, request: Request[Any, Any, Any]) -> PlaybooksView:
    """Diagnosis: each problem with its checks, evaluated on the shop's own data."""
    return await service.list_playbooks(staff.shop_id, await _zone(staff), _speech(request))


@post("/insight/playbooks/{playbook:str}/{check:str}/experiment", access=staff("experiments.write"))
async def draft_experiment(
    playbook: Key, check: Key, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> Drafted:
    """Write an experiment down for a check; it runs once somebody starts it."""
    return await service.draft_experiment(
        staff.shop_id, await _zone(staff), staff, playbook, check, _speech(request)
    )


@post("/insight/playbooks/{playbook:str}/{check:str}/campaign", access=staff("prices.write"))
async def draft_campaign(
    playbook: Key, check: Key, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> Drafted:
    """Write a price campaign down for a check; it works once somebody starts it."""
    return await service.draft_campaign(
        staff.shop_id, await _zone(staff), staff, playbook, check, _speech(request)
    )


routes = [
    get_dashboard,
    list_metrics,
    show_metric,
    show_north_star,
    choose_north_star,
    list_playbooks,
    draft_experiment,
    draft_campaign,
]
