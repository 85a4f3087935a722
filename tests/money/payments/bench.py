"""A shop configured for a local WeChat on a port, and what its tests do with both."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from litestar import Litestar, Router

from siyu.kernel import clock, config, db
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.money.ledger import invariants as ledger_truths
from siyu.money.payments import background, http_callback, invariants, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    ParkedRow,
    Payable,
    PaymentId,
    RefundOrigin,
    RefundRow,
)
from siyu.sandbox.client import SandboxClient
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.service import calling, public_key
from tests.wechat import conftest as wechat_tests
from tests.wechat.conftest import lonely_sandbox


@pytest.fixture(scope="module")
def wechat_url(sandbox_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sandbox on a port; it tells the shop nothing by itself."""
    with lonely_sandbox(sandbox_template, tmp_path_factory.mktemp("sandbox")) as server:
        yield server.url


@dataclass
class Market:
    """One shop, its WeChat, and the customer p1."""

    shop_id: ShopId
    person: SandboxClient
    keys: dict[str, Any]
    openid: str

    def payable(self, **change: Any) -> Payable:
        fields: dict[str, Any] = {
            "order_id": new_id(),
            "amount_fen": 8800,
            "description": "明前龙井 50g",
            "expires_at": clock.now() + timedelta(minutes=30),
            "person_no": 7,
            "payer": self.openid,
            "platform": "mp-weixin",
            "has_virtual": False,
        }
        return Payable(**(fields | change))

    async def intend(self, payable: Payable, channel: Channel = Channel.JSAPI) -> PaymentId:
        async with transaction(self.shop_id) as tx:
            return await payments.intend(tx, payable, channel)

    async def begin(
        self, payable: Payable, channel: Channel = Channel.JSAPI
    ) -> tuple[PaymentId, str]:
        """Intend and call; the attempt and the ticket by which the customer pays."""
        payment_id = await self.intend(payable, channel)
        started = await payments.call(self.shop_id, payment_id)
        if started.jsapi is not None:
            return payment_id, started.jsapi.package.removeprefix("prepay_id=")
        assert started.code_url is not None
        return payment_id, started.code_url

    async def pay(self, ticket: str) -> dict[str, Any]:
        return await self.person.pay("p1", ticket)

    async def attempts(self, order_id: UUID) -> list[queries.Attempt]:
        async with reading(self.shop_id) as tx:
            return await queries.list_attempts(tx, order_id)

    async def states(self, order_id: UUID) -> list[str]:
        return [str(one.state) for one in await self.attempts(order_id)]

    async def parked(self) -> list[ParkedRow]:
        async with reading(self.shop_id) as tx:
            return await payments.list_parked(tx, None, 100)

    async def events(self, name: str) -> list[dict[str, Any]]:
        async with reading(self.shop_id) as tx:
            rows = await tx.connection.fetch(
                "select payload from kernel.outbox where shop_id = $1 and name = $2"
                " order by event_id",
                self.shop_id,
                name,
            )
        return [row["payload"] for row in rows]

    async def successes(self) -> list[dict[str, Any]]:
        return await self.events("payments.payment_succeeded")

    async def paid(self, **change: Any) -> queries.Attempt:
        """An order that is paid through WeChat, and written down."""
        payable = self.payable(**change)
        _, ticket = await self.begin(payable)
        await self.pay(ticket)
        assert await payments.sync(self.shop_id, payable.order_id) is AttemptState.PAID
        return (await self.attempts(payable.order_id))[0]

    async def refund(self, order_id: UUID, amount_fen: int, **change: Any) -> UUID:
        """Intend a refund; WeChat hears of it from `work`."""
        refund_id = new_id()
        fields: dict[str, Any] = {"reason": "七天无理由", "origin": RefundOrigin.AFTER_SALE}
        async with transaction(self.shop_id) as tx:
            await payments.intend_refund(
                tx,
                refund_id=refund_id,
                order_id=order_id,
                amount_fen=amount_fen,
                **(fields | change),
            )
        return refund_id

    async def found(self, refund_id: UUID) -> RefundRow:
        async with reading(self.shop_id) as tx:
            row = await payments.get_refund_row(tx, refund_id)
        assert row is not None
        return row

    async def refunds(self, order_id: UUID) -> list[RefundRow]:
        async with reading(self.shop_id) as tx:
            return await payments.list_refunds(tx, order_id)

    async def told(self, refund_id: UUID) -> list[str]:
        """What happened to a refund, in order."""
        async with reading(self.shop_id) as tx:
            return [one.event for one in await payments.list_refund_entries(tx, [refund_id])]

    async def work(self, **later: float) -> None:
        """What the worker does about refunds, so much later."""
        with clock.turned(clock.now() + timedelta(**later)):
            await background.pursue_due_refunds()

    async def books(self, order_id: UUID | None = None) -> dict[str, int]:
        """Debit minus credit of every book that is not even, of an order or of the shop."""
        async with reading(self.shop_id) as tx:
            rows = await tx.connection.fetch(
                """select book, sum(units)::bigint as units from ledger.legs l
                   join ledger.entries e using (shop_id, entry_id)
                   where $1::uuid is null or e.order_id = $1
                   group by 1 having sum(units) <> 0""",
                order_id,
            )
        return {row["book"]: row["units"] for row in rows}

    async def fault(self, kind: str, operation: str, **options: Any) -> None:
        await self.person.order_fault(kind, operation, mchid=self.keys["mchid"], **options)


def pem(kind: str, body: str) -> str:
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


_VECTOR = json.loads(
    (Path(wechat_tests.__file__).parent / "vectors/pay_v3.json").read_text("utf-8")
)
KEY = pem("PRIVATE KEY", _VECTOR["signing"]["private_key"])
CERTIFICATE = pem("CERTIFICATE", _VECTOR["signing"]["certificate"])
PUBLIC_KEY = (
    public_key(CERTIFICATE).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
KEY_ID = "PUB_KEY_ID_0110000000000000000000000000000000"
V3_KEY = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"


@dataclass
class Pen:
    """Writes notifications as WeChat would, with a key of the published vectors."""

    http: httpx.AsyncClient
    shop_id: ShopId
    mchid: str
    appid: str

    def trade(self, number: str, **change: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "appid": self.appid,
            "mchid": self.mchid,
            "out_trade_no": number,
            "transaction_id": "42" + number[-26:],
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "success_time": clock.now().isoformat(timespec="seconds"),
            "payer": {"openid": "o-1"},
            "amount": {"total": 8800, "payer_total": 8800, "currency": "CNY"},
        }
        return fields | change

    def body(self, trade: dict[str, Any], key: str = V3_KEY, **change: Any) -> bytes:
        """The raw notification; its key order and spaces are not what a serialiser would write."""
        sealed = transport.seal(
            json.dumps(trade).encode(),
            key,
            nonce=secrets.token_hex(6),
            associated_data="transaction",
            original_type="transaction",
        )
        envelope = {
            "summary": "\u652f\u4ed8\u6210\u529f",
            "event_type": "TRANSACTION.SUCCESS",
            "resource": msgspec.to_builtins(sealed),
            "id": f"EV-{secrets.token_hex(8)}",
            "create_time": "2026-03-01T10:00:05+08:00",
        }
        return json.dumps(envelope | change, indent=3).encode()

    def headers(self, body: bytes, **change: Any) -> dict[str, str]:
        fields: dict[str, Any] = {
            "serial": KEY_ID,
            "private_key_pem": KEY,
            "timestamp": int(clock.now().timestamp()),
            "nonce": secrets.token_hex(16),
        }
        return transport.signature_headers(body, **(fields | change))

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None, shop_id: int | None = None
    ) -> httpx.Response:
        return await self.http.post(
            f"/callback/wechat/pay/{shop_id or self.shop_id}",
            content=body,
            headers={"Content-Type": "application/json"} | (headers or self.headers(body)),
        )

    async def stored(self) -> int:
        async with reading(self.shop_id) as tx:
            return int(
                await tx.value("select count(*) from kernel.inbox where shop_id = $1", self.shop_id)
            )


class _NoHooks:
    async def resolve_shop(self, code: str) -> None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> None:
        return None


def callback_app() -> Litestar:
    return build_app([Router("/callback", route_handlers=http_callback.routes)], _NoHooks())


@pytest.fixture
async def pen(market: "Market") -> AsyncIterator[Pen]:
    """The shop's callback, and WeChat's pen: the shop trusts the key of the vectors."""
    await configure(
        market.shop_id,
        market.keys,
        public_key_id=KEY_ID,
        public_key_pem=PUBLIC_KEY,
        api_v3_key=V3_KEY,
    )
    wire = httpx.ASGITransport(callback_app())
    async with httpx.AsyncClient(transport=wire, base_url="https://shop.test") as http:
        yield Pen(http, market.shop_id, market.keys["mchid"], market.keys["appid"])


async def configure(shop_id: ShopId, keys: dict[str, Any], **change: Any) -> None:
    """Write the sandbox's credentials into a shop's settings."""
    fields: dict[str, Any] = {
        "environment": Environment.SANDBOX,
        "appid": keys["appid"],
        "mchid": keys["mchid"],
        "certificate_serial": keys["serial_no"],
        "public_key_id": keys["public_key_id"],
        "public_key_pem": keys["public_key_pem"],
        "app_secret": keys["secret"],
        "private_key": keys["private_key_pem"],
        "api_v3_key": keys["api_v3_key"],
    }
    async with transaction(shop_id) as tx:
        await shops.set_wechat(tx, System(), WeChatChange(**(fields | change)))


async def log_in(url: str, person: SandboxClient, keys: dict[str, Any], who: str = "p1") -> str:
    """Somebody's openid."""
    query = {
        "appid": keys["appid"],
        "secret": keys["secret"],
        "js_code": await person.login_code(who, keys["appid"]),
        "grant_type": "authorization_code",
    }
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as http:
        return str((await http.get("/sns/jscode2session", params=query)).json()["openid"])


async def leave_the_others(shop_id: ShopId) -> None:
    """What earlier tests left open is not this one's to ask WeChat about."""
    async with db.system_transaction() as tx:
        for table, column in (("attempts", "next_query_at"), ("refunds", "next_call_at")):
            await tx.run(
                f"""update payments.{table} set {column} = {column} + interval '10 years'
                    where shop_id <> $1 and {column} < now() + interval '5 years'""",
                shop_id,
            )


@pytest.fixture
async def market(
    shop: ShopId, wechat_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Market]:
    """A fresh shop of the sandbox's merchant; faults of earlier tests are gone."""
    before = config.settings()
    config.use(msgspec.structs.replace(before, sandbox_url=wechat_url, data_dir=tmp_path))
    calling._lanes.clear()
    calling._budgets.clear()
    await leave_the_others(shop)
    real = calling._send

    async def send(*args: Any) -> Any:
        assert not db._open.get(), "the network is never asked inside a transaction"
        return await real(*args)

    monkeypatch.setattr(calling, "_send", send)
    async with SandboxClient(wechat_url) as person:
        for fault in await person.call("GET", "/faults"):
            await person.call("DELETE", f"/faults/{fault['fault_id']}")
        keys = await person.credentials()
        await configure(shop, keys)
        yield Market(shop, person, keys, await log_in(wechat_url, person, keys))
    config.use(before)


async def broken_truths(shop_id: ShopId) -> list[str]:
    """The truths of payments and of the ledger that do not hold in a shop."""
    async with reading(shop_id) as tx:
        truths = {**invariants.INVARIANTS, **ledger_truths.INVARIANTS}
        return [name for name, sql in truths.items() if await tx.connection.fetch(sql)]


@pytest.fixture
async def truths(shop: ShopId) -> AsyncIterator[None]:
    """After each story all truths hold."""
    yield
    assert await broken_truths(shop) == []
