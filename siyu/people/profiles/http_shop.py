"""What the shop knows of its customer, in short, for the customer."""

from typing import Any

import msgspec
from litestar import Request

from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading
from siyu.kernel.http import MEMBER, get
from siyu.kernel.i18n import language_of
from siyu.people.profiles import rules, service
from siyu.people.profiles.contracts import FieldKind

SHOWN = (
    "joined_first_on", "logins_last_on", "orders", "orders_fen", "orders_last_on",
    "items_top_band", "coupons_used", "points_earned_total", "gifts_sent", "reviews", "refunds",
    "visits_30d", "products_30d", "visits_last_on",
)  # fmt: skip


class KnownView(msgspec.Struct, frozen=True):
    """A thing the shop knows; value: int, text or "YYYY-MM-DD", by `kind`; text: the value in
    words, but for money and dates, which the phone writes in its own way."""

    key: str
    label: str
    kind: FieldKind
    unit: str
    value: int | bool | str | list[str]
    text: str


class KnownList(msgspec.Struct, frozen=True):
    """tracks: whether what the customer looks at is counted. total: how many things are known."""

    tracks: bool
    total: int
    items: list[KnownView]


@get("/me/profile", access=MEMBER)
async def show_known(member: MemberIdentity, request: Request[Any, Any, Any]) -> KnownList:
    """What the shop knows of the customer, in short."""
    language = language_of(request.headers.get("accept-language"))
    async with reading(member.shop_id) as tx:
        _, profile = await service.get_profile(tx, member.member_id, reveals=True)
    known = {one.key: one.value for one in profile.values if one.state == "known" and one.value}
    items = []
    for key in SHOWN:
        if (value := known.get(key)) is not None:
            field = rules.FIELDS[key]
            label = field.zh if language == "zh-CN" else field.en
            text = rules.value_words(field, value, language)
            items.append(KnownView(key, label, field.kind, field.unit, value, text))
    return KnownList(profile.tracks, len(known), items)


routes = [show_known]
