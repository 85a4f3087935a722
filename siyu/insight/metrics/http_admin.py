"""`GET /admin/v1/dashboard`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar.params import Parameter

from siyu.insight.metrics import service
from siyu.insight.metrics.contracts import DashboardView
from siyu.kernel.db import reading
from siyu.kernel.errors import BadInput
from siyu.kernel.http import Request, StaffIdentity, get, staff
from siyu.kernel.i18n import language_of
from siyu.merchant.shops import service as shops


@get("/dashboard", access=staff("insight.read"))
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
    async with reading(staff.shop_id) as tx:
        shop = await shops.get_shop(tx)
    return await service.get_dashboard(
        staff.shop_id,
        shop.time_zone,
        language_of(request.headers.get("accept-language")),
        days=days,
        until=until,
        auto=as_of == "auto",
    )


routes = [get_dashboard]
