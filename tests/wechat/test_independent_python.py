"""Others' Python clients against the sandbox: wechatpayv3 buys, wechatpy logs in."""

import gzip
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import requests
from litestar import Litestar, Request, Response, post
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core
from wechatpy import WeChatClient
from wechatpy.client.api import WeChatWxa
from wechatpy.exceptions import WeChatClientException

from .conftest import Server, start_server


class Redirect(requests.adapters.HTTPAdapter):
    """Sends what is meant for WeChat's hosts to the sandbox; path and query stay."""

    def __init__(self, base: str) -> None:
        self._base = urlsplit(base)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        assert request.url is not None
        url = urlsplit(request.url)
        request.url = urlunsplit((self._base.scheme, self._base.netloc, url.path, url.query, ""))
        return super().send(request, *args, **kwargs)


class Shop:
    """A server that keeps every notification as wechatpayv3 reads it."""

    def __init__(self) -> None:
        self.pay: WeChatPay | None = None
        self.raw: list[tuple[dict[str, str], bytes]] = []
        self.read: list[dict[str, Any]] = []

        @post("/notify", status_code=200)
        async def notify(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
            body, headers = await request.body(), dict(request.headers)
            self.raw.append((headers, body))
            assert self.pay is not None
            read = self.pay.callback(headers, body)
            if not read:
                return Response({"code": "FAIL", "message": "失败"}, status_code=401)
            self.read.append(read)
            return Response({"code": "SUCCESS", "message": "成功"})

        self.server = start_server(Litestar([notify], openapi_config=None))
        self.url = f"{self.server.url}/notify"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.server.stop()


class Sandbox:
    """Plain calls to the sandbox's control API."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.http = httpx.Client(base_url=f"{server.url}/_sandbox", trust_env=False)
        self.keys = self.get("/credentials")

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def deliver(self, out_trade_no: str) -> dict[str, Any]:
        """Wait until a notification has been delivered or refused for good."""
        for _ in range(400):
            found = self.get(f"/notifications?out_trade_no={out_trade_no}")
            if found and found[0]["state"] == "delivered":
                return dict(found[0])
            self.post("/notifications/deliver")
        raise AssertionError(f"not delivered: {found}")


@pytest.fixture
def sandbox(served_sandbox: Server) -> Iterator[Sandbox]:
    sandbox = Sandbox(served_sandbox)
    sandbox.http.patch(f"/merchants/{sandbox.keys['mchid']}", json={"signing": "public_key"})
    yield sandbox
    sandbox.http.delete("/faults")
    sandbox.http.close()


def client_of(sandbox: Sandbox, shop: Shop, **more: Any) -> WeChatPay:
    keys = sandbox.keys
    with_key = {"public_key": keys["public_key_pem"], "public_key_id": keys["public_key_id"]}
    pay = WeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG,
        mchid=keys["mchid"],
        private_key=keys["private_key_pem"],
        cert_serial_no=keys["serial_no"],
        apiv3_key=keys["api_v3_key"],
        appid=keys["appid"],
        notify_url=shop.url,
        logger=logging.getLogger("wechatpayv3"),
        **(more or with_key),
    )
    pay._core._gate_way = sandbox.url
    return pay


def log_in(sandbox: Sandbox, person_id: str = "p1") -> str:
    keys = sandbox.keys
    code = sandbox.post(f"/people/{person_id}/login-code", appid=keys["appid"])["code"]
    answer = httpx.get(
        f"{sandbox.url}/sns/jscode2session?appid={keys['appid']}&secret={keys['secret']}"
        f"&js_code={code}&grant_type=authorization_code"
    )
    return str(answer.json()["openid"])


def buy(sandbox: Sandbox, shop: Shop, pay: WeChatPay) -> str:
    """Create, sign for the page, pay, hear of it, ask."""
    number = "PY" + secrets.token_hex(8)
    status, text = pay.pay(
        description="凤凰单丛 100g",
        out_trade_no=number,
        amount={"total": 16800},
        payer={"openid": log_in(sandbox)},
        attach="独立客户端",
    )
    assert status == 200, text
    package = "prepay_id=" + json.loads(text)["prepay_id"]
    stamp, nonce = "1700000000", "abcdef"
    args = {
        "timeStamp": stamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": pay.sign([sandbox.keys["appid"], stamp, nonce, package]),
    }
    sheet = sandbox.post("/people/p1/pay-sheet", appid=sandbox.keys["appid"], args=args)
    paid = sandbox.post("/people/p1/pay", prepay_id=sheet["ticket"])
    sandbox.deliver(number)
    [read] = [r for r in shop.read if r["resource"]["out_trade_no"] == number]
    assert read["event_type"] == "TRANSACTION.SUCCESS"
    assert read["resource"]["transaction_id"] == paid["transaction_id"]
    assert read["resource"]["amount"]["total"] == 16800
    status, text = pay.query(out_trade_no=number)
    assert (status, json.loads(text)["trade_state"]) == (200, "SUCCESS")
    status, text = pay.query(transaction_id=paid["transaction_id"])
    assert json.loads(text) == read["resource"]
    return number


def test_wechatpayv3_buys_with_the_public_key(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay = client_of(sandbox, shop)
    number = buy(sandbox, shop, shop.pay)
    status, text = shop.pay.close(number)
    assert (status, json.loads(text)["code"]) == (400, "ORDER_PAID")


def test_wechatpayv3_buys_with_platform_certificates(
    sandbox: Sandbox, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Its constructor downloads and decrypts the certificates; then they verify everything."""
    sandbox.http.patch(f"/merchants/{sandbox.keys['mchid']}", json={"signing": "certificate"})
    here = property(lambda _: sandbox.url, lambda *_: None)
    monkeypatch.setattr(Core, "_gate_way", here, raising=False)
    shop.pay = client_of(sandbox, shop, cert_dir=str(tmp_path / "certificates"))
    buy(sandbox, shop, shop.pay)
    sandbox.post("/keys/rotate", kind="certificate")
    buy(sandbox, shop, shop.pay)


def test_wechatpayv3_buys_while_the_merchant_migrates(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay = client_of(sandbox, shop)
    shop.pay._core._certificates = [_load(pem) for pem in sandbox.keys["certificates"].values()]
    sandbox.http.patch(f"/merchants/{sandbox.keys['mchid']}", json={"signing": "mixed"})
    serials: set[str] = set()
    for _ in range(60):  # each answer is signed by one of the two, as a coin falls
        buy(sandbox, shop, shop.pay)
        serials |= {headers["wechatpay-serial"] for headers, _ in shop.raw}
        if len(serials) == 2:
            break
    assert len(serials) == 2


def test_wechatpayv3_closes(sandbox: Sandbox, shop: Shop) -> None:
    pay = client_of(sandbox, shop)
    number = "PY" + secrets.token_hex(8)
    status, text = pay.pay(
        description="普洱", out_trade_no=number, amount={"total": 1},
        pay_type=WeChatPayType.NATIVE,
    )  # fmt: skip
    assert status == 200 and "code_url" in text
    assert pay.close(number)[0] == 204
    status, text = pay.query(out_trade_no=number)
    assert json.loads(text)["trade_state"] == "CLOSED"


def test_wechatpayv3_refuses_what_is_badly_signed(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay = client_of(sandbox, shop)
    for kind in ("probe", "bad_signature"):
        sandbox.post("/faults", kind=kind, operation="notify")
    number = buy(sandbox, shop, shop.pay)
    tries = sandbox.deliver(number)["tries"]
    assert [(t["kind"], t["verdict"]) for t in tries] == [
        ("probe", "refused"),
        ("tampered", "refused"),
        ("genuine", "accepted"),
    ]
    sandbox.post("/faults", kind="bad_signature", operation="pay.query")
    with pytest.raises(Exception, match="failed to verify the signature"):
        shop.pay.query(out_trade_no=number)


def buy_two_days_ago(sandbox: Sandbox, pay: WeChatPay, **more: Any) -> dict[str, Any]:
    """An order whose money is old enough to be split and to stand in a bill."""
    number = "PY" + secrets.token_hex(8)
    status, text = pay.pay(
        description="老白茶 350g",
        out_trade_no=number,
        amount={"total": 30_000},
        pay_type=WeChatPayType.NATIVE,
        **more,
    )
    assert status == 200, text
    sandbox.http.patch("/settings", json={"clock_skew_seconds": -2 * 86400})
    try:
        paid = sandbox.post("/people/p4/pay", prepay_id=json.loads(text)["code_url"])
    finally:
        sandbox.http.patch("/settings", json={"clock_skew_seconds": 0})
    return dict(paid)


def answered(status_and_text: Any) -> dict[str, Any]:
    status, text = status_and_text
    assert status == 200, text
    return dict(json.loads(text))


def wait_until(asked: Any, key: str, state: Any) -> dict[str, Any]:
    for _ in range(400):
        view = answered(asked())
        if view[key] == state:
            return view
        time.sleep(0.01)
    raise AssertionError(view)


def test_wechatpayv3_refunds(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay = pay = client_of(sandbox, shop)
    paid = buy_two_days_ago(sandbox, pay)
    number = "PR" + secrets.token_hex(8)
    amount = {"refund": 9_999, "total": 30_000, "currency": "CNY"}
    begun = answered(
        pay.refund(
            out_refund_no=number,
            amount=amount,
            transaction_id=paid["transaction_id"],
            reason="太苦",
            notify_url=shop.url,
        )
    )
    assert begun["status"] in ("PROCESSING", "SUCCESS")
    done = wait_until(lambda: pay.query_refund(number), "status", "SUCCESS")
    sandbox.deliver(number)
    [read] = [r for r in shop.read if r["event_type"] == "REFUND.SUCCESS"]
    assert read["resource"]["refund_status"] == "SUCCESS"
    assert read["resource"]["refund_id"] == done["refund_id"] == begun["refund_id"]
    assert read["resource"]["amount"]["payer_refund"] == 9_999
    status, text = pay.refund(
        out_refund_no=number, amount=amount | {"refund": 1}, transaction_id=paid["transaction_id"]
    )
    assert (status, json.loads(text)["code"]) == (400, "INVALID_REQUEST")


def test_wechatpayv3_splits(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay = pay = client_of(sandbox, shop)
    paid = buy_two_days_ago(sandbox, pay, settle_info={"profit_sharing": True})
    openid, number = log_in(sandbox, "p1"), "PS" + secrets.token_hex(8)
    answered(pay.profitsharing_add_receiver("PERSONAL_OPENID", openid, "DISTRIBUTOR", "林小满"))
    receiver = {
        "type": "PERSONAL_OPENID", "account": openid, "amount": 3_000, "description": "团长",
        "name": "林小满",
    }  # fmt: skip
    transaction = paid["transaction_id"]
    assert answered(pay.profitsharing_amount_query(transaction))["unsplit_amount"] == 29_820
    begun = answered(pay.profitsharing_order(transaction, number, [receiver], False))
    assert begun["state"] == "PROCESSING"
    done = wait_until(
        lambda: pay.profitsharing_order_query(transaction, number), "state", "FINISHED"
    )
    assert [one["result"] for one in done["receivers"]] == ["SUCCESS"]
    answered(pay.profitsharing_unfreeze(transaction, number + "U", "完结"))
    wait_until(lambda: pay.profitsharing_amount_query(transaction), "unsplit_amount", 0)


def test_wechatpayv3_transfers(sandbox: Sandbox, shop: Shop) -> None:
    shop.pay = pay = client_of(sandbox, shop)
    sandbox.post(f"/bank/{sandbox.keys['mchid']}/deposit", fen=1_000_000)
    infos = [
        {"info_type": "岗位类型", "info_content": "社群推广"},
        {"info_type": "报酬说明", "info_content": "佣金"},
    ]

    def transfer(number: str, name: str) -> dict[str, Any]:
        return answered(
            pay.mch_transfer_bills(
                number, "1005", log_in(sandbox, "p1"), 200_000, "佣金", name,
                transfer_scene_report_infos=infos, notify_url=shop.url,
            )
        )  # fmt: skip

    number, other = "PT" + secrets.token_hex(8), "PC" + secrets.token_hex(8)
    begun = transfer(number, "林小满")
    assert begun["state"] == "WAIT_USER_CONFIRM"
    sandbox.post("/people/p1/transfer", package=begun["package_info"])
    wait_until(lambda: pay.mch_transfer_bills_query(number), "state", "SUCCESS")
    sandbox.deliver(number)
    [read] = [r for r in shop.read if r["event_type"] == "MCHTRANSFER.BILL.FINISHED"]
    assert read["resource"]["transfer_amount"] == 200_000
    assert read["resource"]["state"] == "SUCCESS"
    transfer(other, "林小满")
    answered(pay.mch_transfer_bills_cancel(other))
    wait_until(lambda: pay.mch_transfer_bills_query(other), "state", "CANCELLED")


def test_wechatpayv3_downloads_bills(sandbox: Sandbox, shop: Shop) -> None:
    pay = client_of(sandbox, shop)
    paid = buy_two_days_ago(sandbox, pay)
    day = (datetime.now(timezone(timedelta(hours=8))) - timedelta(days=2)).date().isoformat()
    for asked in (pay.trade_bill(day), pay.fundflow_bill(day)):
        announced = answered(asked)
        file = announced["download_url"].partition("/v3/")[2]
        status, content = pay.download_bill(f"{sandbox.url}/v3/{file}")
        assert status == 200
        plain = gzip.decompress(content)
        assert hashlib.sha1(plain).hexdigest() == announced["hash_value"]
        assert paid["transaction_id"] in plain.decode()


def test_wechatpy_logs_in(sandbox: Sandbox) -> None:
    keys = sandbox.keys
    client = WeChatClient(keys["appid"], keys["secret"])
    client._http.mount("https://", Redirect(sandbox.url))
    wxa = WeChatWxa(client)
    code = sandbox.post("/people/p2/login-code", appid=keys["appid"])["code"]
    session = wxa.code_to_session(code)
    assert session["openid"] == log_in(sandbox, "p2")
    assert len(session["session_key"]) == 24 and session["unionid"]
    with pytest.raises(WeChatClientException) as used:
        wxa.code_to_session(code)
    assert used.value.errcode == 40163
    first = client.fetch_access_token()
    assert first["expires_in"] == 7200
    client.fetch_access_token()
    image = wxa.get_wxa_code_unlimited("a=1", page="pages/index/index")
    assert image.content[:3] == b"\xff\xd8\xff"


def test_wechatpy_is_told_what_is_wrong(sandbox: Sandbox) -> None:
    client = WeChatClient(sandbox.keys["appid"], "0" * 32)
    client._http.mount("https://", Redirect(sandbox.url))
    with pytest.raises(WeChatClientException) as wrong:
        client.fetch_access_token()
    assert wrong.value.errcode == 40125


def _load(pem: str) -> Any:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem.encode())
