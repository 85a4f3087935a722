"""`/_sandbox/…` who exists: merchants and what they are configured with, apps, people."""

from typing import Annotated, Literal

import msgspec
from litestar import Response, get, patch, post
from litestar.exceptions import NotFoundException
from msgspec import Meta

from siyu.sandbox import bank, pictures
from siyu.sandbox.world import (
    App,
    Merchant,
    Person,
    World,
    add_app,
    add_merchant,
    add_person,
    get_app,
    get_merchant,
    get_person,
    list_people,
    list_signers,
)

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be sent here; unknown fields are refused."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a shop has to be configured with to use this sandbox."""

    api_url: str
    pay_url: str
    appid: str | None
    secret: str | None
    mchid: str
    merchant_name: str
    serial_no: str
    private_key_pem: str | None
    certificate_pem: str
    api_v3_key: str
    public_key_id: str
    public_key_pem: str
    certificates: dict[str, str]
    signing: str


class NewMerchant(Body, frozen=True, kw_only=True):
    """What is missing is made. `public_pem` is a certificate, or a key with its `serial`."""

    name: Text
    mchid: Annotated[str, Meta(pattern=r"^\d{8,10}$")] | None = None
    api_v3_key: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{32}$")] | None = None
    public_pem: str | None = None
    serial: str | None = None
    signing: Literal["public_key", "certificate", "mixed"] = "public_key"


class MerchantChange(Body, frozen=True, kw_only=True):
    """What is given replaces what was; share_notify_url: where it hears of shares it received."""

    name: Text | None = None
    api_v3_key: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{32}$")] | None = None
    signing: Literal["public_key", "certificate", "mixed"] | None = None
    share_notify_url: Annotated[str, Meta(max_length=256)] | None = None


class NewApp(Body, frozen=True, kw_only=True):
    """What is missing is made; `shop_url` is the H5 that the phone opens."""

    name: Text
    appid: Annotated[str, Meta(pattern=r"^wx[0-9a-f]{16}$")] | None = None
    secret: Annotated[str, Meta(min_length=16, max_length=64)] | None = None
    tagline: str = ""
    icon_url: str | None = None
    shop_url: str | None = None
    mchid: str | None = None


class AppChange(Body, frozen=True, kw_only=True):
    """What is given replaces what was."""

    name: Text | None = None
    tagline: str | None = None
    icon_url: str | None = None
    shop_url: str | None = None
    mchid: str | None = None


class AppView(msgspec.Struct, frozen=True, kw_only=True):
    """A mini-program as the phone lists it."""

    appid: str
    name: str
    tagline: str
    icon_url: str
    shop_url: str | None
    mchid: str | None


class NewPerson(Body, frozen=True, kw_only=True):
    """Somebody with a phone; `listed` offers them on the page of the phone."""

    name: Text
    phone: Annotated[str, Meta(pattern=r"^\d{5,15}$")]
    balance_fen: Annotated[int, Meta(ge=0)] = 100_000
    listed: bool = True


class PersonChange(Body, frozen=True, kw_only=True):
    """What is given replaces what was; a risky person cannot log in."""

    name: Text | None = None
    phone: Annotated[str, Meta(pattern=r"^\d{5,15}$")] | None = None
    balance_fen: Annotated[int, Meta(ge=0)] | None = None
    risky: Literal[0, 1] | None = None


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody as the phone lists them; `unread` counts messages."""

    person_id: str
    name: str
    phone: str
    avatar_url: str
    balance_fen: int
    unread: int


def _change(world: World, table: str, key: str, value: str, change: Body) -> None:
    given = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not None}
    if given:
        columns = ", ".join(f"{name} = ?" for name in given)
        world.store.run(
            f"update {table} set {columns} where {key} = ?",
            *given.values(),
            value,
        )


def find_merchant(world: World, mchid: str | None) -> Merchant:
    """The merchant, the first one without a number; 404 if there is none."""
    found = (
        get_merchant(world, mchid)
        if mchid
        else world.store.maybe(Merchant, "select * from merchants order by rowid limit 1")
    )
    if found is None:
        raise NotFoundException("no such merchant")
    return found


def find_app(world: World, appid: str) -> App:
    """The app; 404 if there is none."""
    found = get_app(world, appid)
    if found is None:
        raise NotFoundException("no such app")
    return found


def find_person(world: World, person_id: str) -> Person:
    """The person; 404 if there is none."""
    found = get_person(world, person_id)
    if found is None:
        raise NotFoundException("no such person")
    return found


def _credentials(world: World, merchant: Merchant, appid: str | None = None) -> Credentials:
    app = world.store.maybe(
        App,
        "select * from apps where mchid = ?1 and (?2 is null or appid = ?2) order by rowid limit 1",
        merchant.mchid,
        appid,
    )
    public = list_signers(world, "public_key")[0]
    return Credentials(
        api_url=world.settings.public_url,
        pay_url=world.settings.public_url,
        appid=app.appid if app else None,
        secret=app.secret if app else None,
        mchid=merchant.mchid,
        merchant_name=merchant.name,
        serial_no=merchant.serial,
        private_key_pem=merchant.private_pem,
        certificate_pem=merchant.public_pem,
        api_v3_key=merchant.api_v3_key,
        public_key_id=public.serial,
        public_key_pem=public.public_pem,
        certificates={
            signer.serial: signer.public_pem for signer in list_signers(world, "certificate")
        },
        signing=merchant.signing,
    )


def _app_view(app: App) -> AppView:
    return AppView(
        appid=app.appid,
        name=app.name,
        tagline=app.tagline,
        icon_url=app.icon_url or f"/_sandbox/apps/{app.appid}/icon.svg",
        shop_url=app.shop_url,
        mchid=app.mchid,
    )


def _person_view(world: World, person: Person) -> PersonView:
    return PersonView(
        person_id=person.person_id,
        name=person.name,
        phone=person.phone,
        avatar_url=f"/_sandbox/people/{person.person_id}/avatar.svg",
        balance_fen=person.balance_fen,
        unread=world.store.value(
            "select count(*) from messages where person_id = ? and read_at is null",
            person.person_id,
        ),
    )


@get("/health")
async def get_health() -> dict[str, str]:
    """It runs."""
    return {"status": "ok"}


@get("/credentials")
async def get_credentials(
    world: World, mchid: str | None = None, appid: str | None = None
) -> Credentials:
    """A merchant's full set (the first one's without `mchid`)."""
    return _credentials(world, find_merchant(world, mchid), appid)


@post("/merchants")
async def post_merchant(world: World, data: NewMerchant) -> Credentials:
    """Register a merchant."""
    with world.store.writing():
        merchant = add_merchant(world, **msgspec.structs.asdict(data))
    return _credentials(world, merchant)


@patch("/merchants/{mchid:str}")
async def patch_merchant(world: World, mchid: str, data: MerchantChange) -> Credentials:
    """Change a merchant."""
    merchant = find_merchant(world, mchid)
    if data.share_notify_url is not None:
        world.set_setting(f"share_notify_url:{merchant.mchid}", data.share_notify_url)
        data = msgspec.structs.replace(data, share_notify_url=None)
    _change(world, "merchants", "mchid", merchant.mchid, data)
    return _credentials(world, find_merchant(world, mchid))


@get("/apps")
async def get_apps(world: World) -> list[AppView]:
    """All mini-programs."""
    found = world.store.all(App, "select * from apps where kind = 'mini_program' order by rowid")
    return [_app_view(app) for app in found]


@post("/apps")
async def post_app(world: World, data: NewApp) -> dict[str, str]:
    """Register a mini-program; its appid and secret."""
    with world.store.writing():
        app = add_app(world, **msgspec.structs.asdict(data))
    return {"appid": app.appid, "secret": app.secret}


@patch("/apps/{appid:str}")
async def patch_app(world: World, appid: str, data: AppChange) -> AppView:
    """Change a mini-program."""
    _change(world, "apps", "appid", find_app(world, appid).appid, data)
    return _app_view(find_app(world, appid))


@get("/apps/{appid:str}/icon.svg")
async def get_icon(world: World, appid: str) -> Response[str]:
    """The picture of an app without a logo."""
    return Response(pictures.draw_icon(find_app(world, appid).name), media_type="image/svg+xml")


@get("/people")
async def get_people(world: World) -> list[PersonView]:
    """Those who may be chosen on the phone."""
    return [_person_view(world, person) for person in list_people(world)]


@post("/people")
async def post_person(world: World, data: NewPerson) -> PersonView:
    """Register a person."""
    with world.store.writing():
        person = add_person(world, **msgspec.structs.asdict(data))
    return _person_view(world, person)


@patch("/people/{person_id:str}")
async def patch_person(world: World, person_id: str, data: PersonChange) -> PersonView:
    """Change a person."""
    person = find_person(world, person_id)
    with world.store.writing():
        if data.balance_fen is not None:
            bank.set_person_balance(world.store, person_id, data.balance_fen, world.at())
        _change(
            world,
            "people",
            "person_id",
            person.person_id,
            msgspec.structs.replace(data, balance_fen=None),
        )
    return _person_view(world, find_person(world, person_id))


@get("/people/{person_id:str}/avatar.svg")
async def get_avatar(world: World, person_id: str) -> Response[str]:
    """A portrait."""
    return Response(
        pictures.draw_portrait(find_person(world, person_id).look), media_type="image/svg+xml"
    )


routes = [
    get_health,
    get_credentials,
    post_merchant,
    patch_merchant,
    get_apps,
    post_app,
    patch_app,
    get_icon,
    get_people,
    post_person,
    patch_person,
    get_avatar,
]
