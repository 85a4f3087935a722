"""Who and what exists in the sandbox: merchants, apps, people, WeChat's own keys and its clock."""

import asyncio
import base64
import hashlib
import random
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from siyu.kernel import clock
from siyu.sandbox import bank, wire
from siyu.sandbox.store import Store
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ChannelUnusable

KEPT_SECONDS = 30 * 86400  # how long the log of deliveries is kept


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`time_factor` divides the waiting times of the notification schedule (60: 15 s are 0.25 s).

    `seed` makes the choice of keys in "mixed" signing repeatable.
    """

    data_dir: Path
    public_url: str = "http://127.0.0.1:8090"
    time_factor: float = 1.0
    answer_timeout_seconds: float = 5.0
    seed: int | None = None


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant of WeChat Pay. `signing`: the key kind that signs answers and notifications."""

    mchid: str
    name: str
    api_v3_key: str
    serial: str
    public_pem: str
    private_pem: str | None
    signing: str


class App(msgspec.Struct, frozen=True, kw_only=True):
    """A mini-program, official account or corporation; `mchid` is the merchant it is bound to."""

    appid: str
    secret: str
    name: str
    tagline: str
    icon_url: str | None
    shop_url: str | None
    mchid: str | None
    kind: str = "mini_program"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a phone."""

    person_id: str
    name: str
    phone: str
    look: int
    balance_fen: int
    risky: int
    listed: int
    unionid: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A person as one app knows her."""

    appid: str
    person_id: str
    openid: str
    session_key: str


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """One of WeChat's own signing keys."""

    serial: str
    kind: str
    private_pem: str
    public_pem: str
    effective_at: float
    expires_at: float

    @property
    def pair(self) -> wire.KeyPair:
        """Serial and PEM texts, as the wire takes them."""
        return wire.KeyPair(self.serial, self.private_pem, self.public_pem)


@dataclass
class World:
    """Everything a request needs; one per running sandbox."""

    settings: SandboxSettings
    store: Store
    dice: random.Random = field(default_factory=random.Random)
    due: asyncio.Event = field(default_factory=asyncio.Event)  # a notification may be waiting
    push_due: asyncio.Event = field(default_factory=asyncio.Event)  # a pushed message, too

    def now(self) -> datetime:
        """WeChat's clock: the kernel's, off by what was ordered."""
        return clock.now() + timedelta(seconds=float(self.setting("clock_skew_seconds", "0")))

    def at(self) -> float:
        """WeChat's clock in seconds since 1970."""
        return self.now().timestamp()

    def setting(self, name: str, default: str) -> str:
        """What operators have set."""
        found = self.store.value("select value from settings where name = ?", name)
        return default if found is None else str(found)

    def set_setting(self, name: str, value: str) -> None:
        """Keep what operators set."""
        self.store.run("insert or replace into settings values (?, ?)", name, value)

    def time_factor(self) -> float:
        """How much faster than real the schedule runs."""
        return float(self.setting("time_factor", str(self.settings.time_factor)))


def open_world(settings: SandboxSettings) -> World:
    """Open the data directory; the first time, make WeChat's keys and the demo's cast."""
    world = World(
        settings,
        Store(settings.data_dir / "sandbox.sqlite"),
        random.Random(settings.seed),  # not for secrets
    )
    if not world.store.value("select 1 from movements"):
        with world.store.writing():
            _open_books(world)
    world.store.run(
        """delete from tries where notification_id in (
             select notification_id from notifications where next_at is null and created_at < ?)""",
        world.at() - KEPT_SECONDS,
    )
    if not world.store.value("select 1 from signers"):
        with world.store.writing():
            rotate_signer(world, "certificate")
            rotate_signer(world, "public_key")
            merchant = add_merchant(world, mchid="1900006891", name="思屿茶事")
            add_app(
                world,
                appid="wx7c1e5a90b2d4f683",
                name="思屿茶事",
                tagline="一盏好茶，慢慢来",
                mchid=merchant.mchid,
            )
            for name, phone, balance_fen, look in _CAST:
                add_person(world, name=name, phone=phone, balance_fen=balance_fen, look=look)
    return world


class _Paid(msgspec.Struct, frozen=True):
    mchid: str
    out_trade_no: str
    transaction_id: str
    total_fen: int
    paid_at: float


def _open_books(world: World) -> None:
    """Files of earlier versions have paid orders and full purses, but no bank yet."""
    store, at = world.store, world.at()
    store.run(
        """insert into movements (at, kind, source, target, fen, number, wechat_no, note)
           select ?, 'purse', 'outside', 'person:' || person_id, balance_fen, '', '', ''
             from people where balance_fen > 0""",
        at,
    )
    store.run(
        """insert into accounts
           select 'outside', -sum(balance_fen) from people having sum(balance_fen) > 0"""
    )
    for paid in store.all(
        _Paid,
        """select mchid, out_trade_no, transaction_id, total_fen, paid_at from orders
            where state = 'SUCCESS' order by paid_at""",
    ):
        ours, fee = bank.basic(paid.mchid), bank.fee_of(paid.total_fen, bank.FEE_BPS)
        for kind, source, target, fen in (
            ("payment", bank.OUTSIDE, ours, paid.total_fen),
            ("fee", ours, bank.FEES, fee),
        ):
            bank.move(
                store, kind, source, target, fen, at=paid.paid_at, mchid=paid.mchid,
                number=paid.out_trade_no, wechat_no=paid.transaction_id,
            )  # fmt: skip


_CAST = [
    ("林小满", "13800138001", 66_600, 3),
    ("周予安", "13800138002", 128_000, 1),
    ("陈知夏", "13800138003", 9_900, 2),
    ("王建国", "13800138004", 520_000, 4),
    ("Ana Torres", "13800138005", 30_000, 5),
    ("赵一鸣", "13800138006", 0, 7),
]


def rotate_signer(world: World, kind: str) -> Signer:
    """A new key of this kind signs from now on; the one before stays valid and downloadable."""
    now = world.now()
    pair = (
        wire.make_certificate("WeChat Pay platform (sandbox)", now)
        if kind == "certificate"
        else wire.make_public_key()
    )
    signer = Signer(
        serial=pair.serial,
        kind=kind,
        private_pem=pair.private_pem,
        public_pem=pair.public_pem,
        effective_at=now.timestamp(),
        expires_at=(now + timedelta(days=365 * 5)).timestamp(),
    )
    world.store.insert("signers", signer)
    return signer


def list_signers(world: World, kind: str) -> list[Signer]:
    """The two newest of a kind, newest (the one in use) first."""
    return world.store.all(
        Signer,
        "select * from signers where kind = ? order by effective_at desc, rowid desc limit 2",
        kind,
    )


def choose_signer(world: World, merchant: Merchant, wanted_serial: str | None) -> Signer:
    """The key for one answer: the one the request asked for, else as the merchant is set.

    While a merchant migrates ("mixed"), notifications come signed by either key at random.
    """
    if wanted_serial:
        known = world.store.maybe(Signer, "select * from signers where serial = ?", wanted_serial)
        if known:
            return known
    kind = merchant.signing
    if kind == "mixed":
        kind = world.dice.choice(["public_key", "certificate"])
    return list_signers(world, kind)[0]


def add_merchant(
    world: World,
    *,
    mchid: str | None = None,
    name: str,
    api_v3_key: str | None = None,
    public_pem: str | None = None,
    serial: str | None = None,
    signing: str = "public_key",
) -> Merchant:
    """Register a merchant; what is not given is made. A bare public key needs its `serial`.

    Raises ChannelUnusable when the key is none.
    """
    mchid = mchid or f"19{secrets.randbelow(10**8):08d}"
    private_pem = None
    if public_pem is None:
        pair = wire.make_certificate(f"{mchid} (sandbox merchant)", world.now())
        serial, public_pem, private_pem = pair.serial, pair.public_pem, pair.private_pem
    else:
        transport.public_key(public_pem)
        if serial is None and "BEGIN CERTIFICATE" not in public_pem:
            raise ChannelUnusable(missing="serial")
        serial = serial or transport.certificate_serial(public_pem)
    merchant = Merchant(
        mchid=mchid,
        name=name,
        api_v3_key=api_v3_key or secrets.token_hex(16),
        serial=serial,
        public_pem=public_pem,
        private_pem=private_pem,
        signing=signing,
    )
    world.store.insert("merchants", merchant)
    return merchant


def add_app(
    world: World,
    *,
    appid: str | None = None,
    secret: str | None = None,
    name: str,
    tagline: str = "",
    icon_url: str | None = None,
    shop_url: str | None = None,
    mchid: str | None = None,
    kind: str = "mini_program",
) -> App:
    """Register a mini-program, official account or corporation, bound to a merchant or to none."""
    app = App(
        appid=appid or f"{'ww' if kind == 'wecom' else 'wx'}{secrets.token_hex(8)}",
        secret=secret or secrets.token_hex(16),
        name=name,
        tagline=tagline,
        icon_url=icon_url,
        shop_url=shop_url,
        mchid=mchid,
        kind=kind,
    )
    world.store.insert("apps", app)
    return app


def add_person(
    world: World,
    *,
    name: str,
    phone: str,
    balance_fen: int = 100_000,
    look: int | None = None,
    listed: bool = True,
) -> Person:
    """Somebody new, who may be chosen on the phone if `listed`; ids are p1, p2, … by arrival."""
    number = int(world.store.value("select count(*) from people")) + 1
    person = Person(
        person_id=f"p{number}",
        name=name,
        phone=phone,
        look=number if look is None else look,
        balance_fen=0,
        risky=0,
        listed=int(listed),
        unionid="o6" + secrets.token_urlsafe(20)[:26],
    )
    world.store.insert("people", person)
    bank.set_person_balance(world.store, person.person_id, balance_fen, world.at())
    return msgspec.structs.replace(person, balance_fen=balance_fen)


def list_people(world: World) -> list[Person]:
    """Those who may be chosen on the phone, by arrival."""
    return world.store.all(Person, "select * from people where listed = 1 order by rowid limit 60")


def get_merchant(world: World, mchid: str) -> Merchant | None:
    """The merchant, if registered."""
    return world.store.maybe(Merchant, "select * from merchants where mchid = ?", mchid)


def get_app(world: World, appid: str) -> App | None:
    """The app, if registered."""
    return world.store.maybe(App, "select * from apps where appid = ?", appid)


def get_person(world: World, person_id: str) -> Person | None:
    """The person, if registered."""
    return world.store.maybe(Person, "select * from people where person_id = ?", person_id)


def identify(world: World, appid: str, person_id: str) -> Identity:
    """The person's openid in this app, made at the first meeting and never changed."""
    known = world.store.maybe(
        Identity,
        "select * from identities where appid = ? and person_id = ?",
        appid,
        person_id,
    )
    if known:
        return known
    digest = hashlib.sha256(f"{appid}\n{person_id}\n{secrets.token_hex(8)}".encode()).digest()
    identity = Identity(
        appid=appid,
        person_id=person_id,
        openid="o" + base64.urlsafe_b64encode(digest).decode()[:27],
        session_key=base64.b64encode(secrets.token_bytes(16)).decode(),
    )
    world.store.insert("identities", identity)
    return identity
