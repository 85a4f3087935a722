"""Log-in of customers, their profile, phone number and addresses."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.auth import (
    MEMBER_TOKEN_SECONDS,
    MemberIdentity,
    ShopIdentity,
    member_token,
)
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.errors import Unauthorized
from siyu.kernel.http import MEMBER, SHOP, delete, get, patch, post, put
from siyu.merchant.shops import service as shops
from siyu.people.members import service
from siyu.people.members.contracts import (
    Address,
    AddressText,
    Evidence,
    Identifier,
    IdentifierKind,
    Level,
    Member,
    MergeState,
    Platform,
)
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.official_account import service as official_account


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


_Code = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class LoginBody(_Body, frozen=True):
    """code: from wx.login; visitor: the key this browser collects behaviour under, if it does."""

    code: _Code
    platform: Platform
    visitor: UUID | None = None


class ProfileBody(_Body, frozen=True):
    """New profile values."""

    nickname: str


class PhoneBody(_Body, frozen=True):
    """code: from getPhoneNumber."""

    code: _Code


class AddressBody(_Body, frozen=True):
    """A delivery address."""

    receiver: str
    phone: str
    province: str
    city: str
    district: str
    detail: str
    is_default: bool = False


class MemberView(msgspec.Struct, frozen=True):
    """The member who is logged in."""

    member_id: UUID
    nickname: str
    avatar_url: str | None
    phone_masked: str | None
    level: Level
    joined_at: datetime


class MyIdentity(msgspec.Struct, frozen=True):
    """Something the shop knows the member by, masked; app: which of the shop's apps at WeChat knows
    an openid, null for what belongs to no app."""

    kind: IdentifierKind
    app: Literal["mini_program", "official_account", "other"] | None
    masked: str
    linked_at: datetime


class MyIdentities(msgspec.Struct, frozen=True):
    """What the shop knows the member by; is_waiting: staff look at what was given last."""

    items: list[MyIdentity]
    is_waiting: bool


class CardBody(_Body, frozen=True):
    """The number on a card of the store."""

    number: Annotated[str, msgspec.Meta(min_length=4, max_length=40)]


class LoginView(msgspec.Struct, frozen=True):
    """token: for `Authorization: Bearer`, good until expires_at; then log in again, silently."""

    token: str
    expires_at: datetime
    is_new: bool
    member: MemberView


class AddressList(msgspec.Struct, frozen=True):
    """The member's addresses, the default one first."""

    items: list[Address]


def _view(member: Member) -> MemberView:
    return MemberView(
        member.member_id,
        member.nickname,
        member.avatar_url,
        member.phone_masked,
        member.level,
        member.joined_at,
    )


def _text(data: AddressBody) -> AddressText:
    values: dict[str, Any] = msgspec.structs.asdict(data)
    del values["is_default"]
    return AddressText(**values)


@post("/login", access=SHOP)
async def log_in(data: LoginBody, shop: ShopIdentity) -> LoginView:
    """Log in with a code of wx.login; a person seen for the first time becomes a member."""
    credentials = await shops.mini_program_keys(shop.shop_id)
    session = await mini_program.code2session(credentials, data.code)
    async with transaction(shop.shop_id, replans=False) as tx:
        entered = await service.record_login(
            tx,
            credentials.appid,
            session.openid,
            union_id=session.unionid or None,
            platform=data.platform,
            visitor=data.visitor,
        )
    member = entered.member
    return LoginView(
        token=member_token(MemberIdentity(shop.shop_id, member.member_id, member.person_no)),
        expires_at=clock.now() + timedelta(seconds=MEMBER_TOKEN_SECONDS),
        is_new=entered.is_new,
        member=_view(member),
    )


@get("/me", access=MEMBER)
async def show_me(member: MemberIdentity) -> MemberView:
    """The member who is logged in. 401 when their record was merged since: log in again, silently,
    as who they are now."""
    async with reading(member.shop_id) as tx:
        if await service.person_of(tx, member.member_id) != member.member_id:
            raise Unauthorized
        return _view(await service.get_member(tx, member.member_id))


@patch("/me", access=MEMBER)
async def edit_me(data: ProfileBody, member: MemberIdentity) -> MemberView:
    """Change the nickname."""
    async with transaction(member.shop_id) as tx:
        return _view(await service.edit_profile(tx, member.member_id, data.nickname))


@post("/phone", access=MEMBER)
async def give_phone(data: PhoneBody, member: MemberIdentity) -> MemberView:
    """Keep the phone number the member released with a code of getPhoneNumber."""
    async with reading(member.shop_id) as tx:
        credentials = await shops.mini_program_credentials(tx)
    released = await mini_program.phone_number(member.shop_id, credentials, data.code)
    async with transaction(member.shop_id) as tx:
        return _view(
            await service.give_phone(
                tx, member.member_id, f"+{released.country_code}{released.number}"
            )
        )


@get("/me/identities", access=MEMBER)
async def list_my_identities(member: MemberIdentity) -> MyIdentities:
    """What the shop knows the member by: WeChat, phone number, store cards, address for mail."""
    async with reading(member.shop_id) as tx:
        return await _identities(tx, member.member_id)


@post("/me/cards", access=MEMBER, status_code=200)
async def link_my_card(data: CardBody, member: MemberIdentity) -> MyIdentities:
    """Bind a card of the store. One that somebody else has is looked at by staff."""
    async with transaction(member.shop_id) as tx:
        await service.link(
            tx, member.member_id, IdentifierKind.CARD, data.number, Evidence.MEMBER, member
        )
        return await _identities(tx, member.member_id)


async def _identities(tx: ReadTx, member_id: UUID) -> MyIdentities:
    person = await service.get_identities(tx, member_id)
    mini, account = await shops.get_wechat(tx), await official_account.get_settings(tx)

    def app_of(one: Identifier) -> Literal["mini_program", "official_account", "other"] | None:
        if one.app_id is None:
            return None
        if one.app_id == mini.appid:
            return "mini_program"
        return "official_account" if account and one.app_id == account.appid else "other"

    return MyIdentities(
        [
            MyIdentity(one.kind, app_of(one), one.masked, one.linked_at)
            for record in person.records
            for one in record.identifiers
        ],
        any(merge.state is MergeState.PROPOSED for merge in person.merges),
    )


@get("/addresses", access=MEMBER)
async def list_addresses(member: MemberIdentity) -> AddressList:
    """The member's own addresses, in clear."""
    async with reading(member.shop_id) as tx:
        return AddressList(await service.list_addresses(tx, member.member_id))


@post("/addresses", access=MEMBER, status_code=201)
async def add_address(data: AddressBody, member: MemberIdentity) -> Address:
    """Keep an address; the first one is the default."""
    async with transaction(member.shop_id, replans=False) as tx:
        return await service.add_address(tx, member.member_id, _text(data), data.is_default)


@put("/addresses/{address_id:uuid}", access=MEMBER)
async def edit_address(address_id: UUID, data: AddressBody, member: MemberIdentity) -> Address:
    """Rewrite one of the member's own addresses."""
    async with transaction(member.shop_id) as tx:
        return await service.edit_address(
            tx, member.member_id, address_id, _text(data), data.is_default
        )


@delete("/addresses/{address_id:uuid}", access=MEMBER)
async def remove_address(address_id: UUID, member: MemberIdentity) -> None:
    """Forget one of the member's own addresses."""
    async with transaction(member.shop_id) as tx:
        await service.remove_address(tx, member.member_id, address_id)


routes = [
    log_in,
    show_me,
    edit_me,
    list_my_identities,
    link_my_card,
    give_phone,
    list_addresses,
    add_address,
    edit_address,
    remove_address,
]
