"""What servers are told about people: sealed, signed, three times repeated until they answer.

Official accounts and WeCom are told in XML, mini-programs in JSON, all in secure mode. Source:
消息推送, 接收普通消息 (5 s, then up to three repeats; `success` or nothing ends it).
"""

import asyncio
import secrets
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import httpx
import msgspec

from siyu.sandbox import faults, wire
from siyu.sandbox.world import App, World, get_app
from siyu.wechat.transport import service as transport

TRIES, PAUSE_SECONDS = 4, 5.0
AT_ONCE = 16


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an account's messages go, and what they are signed and sealed with."""

    account: str
    url: str
    token: str
    aes_key: str


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A message for a server; `body` is plain until it is sent."""

    push_id: int
    account: str
    openid: str
    body: str
    created_at: float
    next_at: float | None
    state: str
    failures: int
    answer: str


def get_target(world: World, account: str) -> Target | None:
    """Where this account's messages go, if anywhere."""
    return world.store.maybe(Target, "select * from push_targets where account = ?", account)


def tell(world: World, app: App, openid: str, fields: dict[str, Any]) -> None:
    """Write a message for the account's server down in the caller's transaction."""
    if get_target(world, app.appid) is None:
        return
    delay = faults.take(world, "delay", "notify.push", app.appid)
    now = world.at()
    message = {
        "ToUserName": app.appid if app.kind == "wecom" else f"gh_{app.appid[2:14]}",
        "FromUserName": openid,
        "CreateTime": int(now),
    } | fields
    body = to_xml(message) if app.kind != "mini_program" else wire.to_json(message).decode()
    world.store.run(
        """insert into pushes (account, openid, body, created_at, next_at, state)
           values (?, ?, ?, ?, ?, 'waiting')""",
        app.appid,
        openid,
        body,
        now,
        now + (delay.option("seconds", 30) if delay else 0),
    )
    world.push_due.set()


def to_xml(fields: dict[str, Any], name: str = "xml") -> str:
    """As WeChat writes it: texts in CDATA, numbers bare, a list as repeated elements."""
    return f"<{name}>{''.join(_element(key, value) for key, value in fields.items())}</{name}>"


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, one) for one in value)
    if isinstance(value, dict):
        return to_xml(value, name)
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    text = str(value)
    inner = escape(text) if "]]>" in text else f"<![CDATA[{text}]]>"
    return f"<{name}>{inner}</{name}>"


def envelope(
    world: World, app: App, target: Target, push: Push, *, broken: bool = False
) -> tuple[str, bytes]:
    """The address with its signature, and the sealed body."""
    sealed = transport.seal_message(
        target.aes_key, push.body.encode(), app.appid, secrets.token_bytes(16)
    )
    stamp, nonce = str(int(world.at())), str(secrets.randbelow(10**9))
    signature = transport.message_signature(target.token, stamp, nonce, sealed)
    query = {"msg_signature": signature, "timestamp": stamp, "nonce": nonce}
    if app.kind != "wecom":
        plain = transport.message_signature(target.token, stamp, nonce)
        query |= {"signature": plain, "openid": push.openid, "encrypt_type": "aes"}
    if broken:
        query["msg_signature"] = "0" * 40
    fields: dict[str, Any] = {"ToUserName": app.appid}
    if app.kind == "wecom":
        fields["AgentID"] = ""
    fields["Encrypt"] = sealed
    body = wire.to_json(fields) if app.kind == "mini_program" else to_xml(fields).encode()
    return f"{target.url}?{urlencode(query)}", body


class Postman:
    """Delivers what is due. `run` goes on until cancelled; `deliver_due` does one round."""

    def __init__(self, world: World, carrier: httpx.AsyncBaseTransport | None = None) -> None:
        self._world = world
        self._client = httpx.AsyncClient(
            transport=carrier,
            timeout=world.settings.answer_timeout_seconds,
            headers={"User-Agent": "Mozilla/4.0", "Content-Type": "text/xml"},
            trust_env=False,
        )
        self._busy: set[int] = set()

    async def run(self) -> None:
        """Wait for work and do it."""
        while True:
            self._world.push_due.clear()
            if await self.deliver_due():
                continue
            next_at = self._world.store.value("select min(next_at) from pushes")
            pause = None if next_at is None else max(float(next_at) - self._world.at(), 0.02)
            try:
                await asyncio.wait_for(self._world.push_due.wait(), pause)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Let go of the connections; what is under way is due again at the next start."""
        await self._client.aclose()

    async def deliver_due(self) -> int:
        """Deliver everything due now and wait for the answers; returns how many were tried."""
        found = self._world.store.all(
            Push,
            "select * from pushes where next_at <= ? order by next_at, push_id limit ?",
            self._world.at(),
            AT_ONCE + len(self._busy),
        )
        due = [push for push in found if push.push_id not in self._busy]
        self._busy.update(push.push_id for push in due)
        try:
            await asyncio.gather(*(self._deliver(push) for push in due))
        finally:
            self._busy.difference_update(push.push_id for push in due)
        return len(due)

    async def check(self, target: Target, app: App) -> str:
        """What the platform does before it takes an address; "" or why it refuses."""
        echo = str(secrets.randbelow(10**19))
        stamp, nonce = str(int(self._world.at())), str(secrets.randbelow(10**9))
        query = {"timestamp": stamp, "nonce": nonce}
        if app.kind == "wecom":
            sealed = transport.seal_message(
                target.aes_key, echo.encode(), app.appid, secrets.token_bytes(16)
            )
            signature = transport.message_signature(target.token, stamp, nonce, sealed)
            query |= {"msg_signature": signature, "echostr": sealed}
        else:
            signature = transport.message_signature(target.token, stamp, nonce)
            query |= {"signature": signature, "echostr": echo}
        try:
            answer = await self._client.get(f"{target.url}?{urlencode(query)}")
        except httpx.HTTPError as failed:
            return type(failed).__name__
        if answer.status_code != 200 or answer.text != echo:
            return f"{answer.status_code} {answer.text[:80]}"
        return ""

    async def _deliver(self, push: Push) -> None:
        world, app = self._world, get_app(self._world, push.account)
        target = get_target(world, push.account)
        if app is None or target is None:
            self._settle(push, "given_up", None, "nobody to tell")
            return
        if faults.take(world, "bad_signature", "notify.push", app.appid):
            forged = envelope(world, app, target, push, broken=True)
            taken, _ = await self._post(*forged)
            if taken:
                self._settle(push, "conformance_failed", None, "took a forged message")
                return
        if faults.take(world, "drop", "notify.push", app.appid):
            self._again(push, "dropped")
            return
        repeat = faults.take(world, "repeat", "notify.push", app.appid)
        taken, said = False, ""
        for _ in range(1 + (repeat.option("copies", 1) if repeat else 0)):
            now, said = await self._post(*envelope(world, app, target, push))
            taken = taken or now
        if taken:
            self._settle(push, "delivered", None, said)
        else:
            self._again(push, said)

    async def _post(self, url: str, body: bytes) -> tuple[bool, str]:
        """Whether the server took it, and what it said."""
        try:
            answer = await self._client.post(url, content=body)
        except httpx.HTTPError as failed:
            return False, type(failed).__name__
        said = answer.text[:200]
        return answer.status_code == 200 and said in ("", "success"), f"{answer.status_code} {said}"

    def _again(self, push: Push, said: str) -> None:
        if push.failures + 1 >= TRIES:
            self._settle(push, "given_up", None, said)
            return
        pause = PAUSE_SECONDS / self._world.time_factor()
        self._settle(push, "waiting", self._world.at() + pause, said)

    def _settle(self, push: Push, state: str, next_at: float | None, said: str) -> None:
        self._world.store.run(
            """update pushes set state = ?, next_at = ?, answer = ?,
                 failures = failures + (? in ('waiting', 'given_up')) where push_id = ?""",
            state,
            next_at,
            said,
            state,
            push.push_id,
        )
