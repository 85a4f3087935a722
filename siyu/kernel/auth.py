"""Who is asking: identities of members, staff and shops, and what a route demands of them."""

from typing import Literal
from uuid import UUID

import msgspec

from siyu.kernel.crypto import vault
from siyu.kernel.errors import Forbidden, NotFound, Unauthorized
from siyu.kernel.ids import ShopId

MEMBER_TOKEN_SECONDS = 24 * 3600


class ShopIdentity(msgspec.Struct, frozen=True):
    """The shop a request speaks to."""

    shop_id: ShopId
    code: str
    name: str
    currency: str
    time_zone: str


class MemberIdentity(msgspec.Struct, frozen=True):
    """A logged-in customer; proven by the signed token alone, without a round trip."""

    shop_id: ShopId
    member_id: UUID
    person_no: int

    @property
    def actor(self) -> str:
        """Name for audit and idempotency: kind and id."""
        return f"member:{self.member_id}"

    @property
    def actor_name(self) -> str:
        """Members are not named in the trail; their number is enough."""
        return f"会员 {self.person_no}"

    def must_own(self, member_id: UUID) -> None:
        """Refuse as "not found" when the thing belongs to somebody else."""
        if member_id != self.member_id:
            raise NotFound


class StaffIdentity(msgspec.Struct, frozen=True):
    """A logged-in member of staff, in the shop of the request (shop_id 0: none chosen)."""

    staff_id: UUID
    session_id: UUID
    shop_id: ShopId
    name: str
    permissions: frozenset[str]

    @property
    def actor(self) -> str:
        """Name for audit and idempotency: kind and id."""
        return f"staff:{self.staff_id}"

    @property
    def actor_name(self) -> str:
        """The staff member's name as it stands now."""
        return self.name

    def must_have(self, permission: str) -> None:
        """Refuse unless the permission was granted; no permission is implied by another."""
        if permission not in self.permissions:
            raise Forbidden(permission=permission)


class Access(msgspec.Struct, frozen=True):
    """What a route demands. A route without one does not start (F082)."""

    kind: Literal["public", "shop", "member", "staff", "callback"]
    permission: str | None = None


PUBLIC = Access("public")
SHOP = Access("shop")
MEMBER = Access("member")
STAFF = Access("staff")
"""Any logged-in staff, whichever the shop: own session, own password."""
CALLBACK = Access("callback")
"""Proven by the signature over the raw bytes, inside the route."""


def staff(permission: str) -> Access:
    """Staff who hold this permission in the shop of the request."""
    return Access("staff", permission)


def member_token(member: MemberIdentity) -> str:
    """The bearer token of a member."""
    claims: dict[str, object] = {
        "s": member.shop_id,
        "m": member.member_id.hex,
        "p": member.person_no,
    }
    return vault().sign_token(claims, MEMBER_TOKEN_SECONDS)


def member_of(token: str) -> MemberIdentity:
    """The member a token speaks for; raises Unauthorized."""
    claims = vault().verify_token(token)
    shop, member, person = claims.get("s"), claims.get("m"), claims.get("p")
    if not (isinstance(shop, int) and isinstance(member, str) and isinstance(person, int)):
        raise Unauthorized
    return MemberIdentity(ShopId(shop), UUID(member), person)
