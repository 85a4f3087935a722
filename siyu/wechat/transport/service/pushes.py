"""What WeChat pushes to a server's address: proven, opened, and told apart from repeats.

Encrypted messages only: in plain mode the signature covers neither body nor event, so whoever has
seen one could send any. Source: 消息推送, 接收消息与事件; 企业微信 回调配置.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from siyu.kernel import inbox
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.errors import SiyuError, TooLarge
from siyu.kernel.http import CALLBACK, Request, get, post
from siyu.kernel.ids import ShopId
from siyu.wechat.transport import rules
from siyu.wechat.transport.contracts import (
    MAX_PUSH_BYTES,
    PushKeys,
    SealBroken,
    SignatureRefused,
)
from siyu.wechat.transport.service.messages import open_message, verify_message


def push_routes(
    path: str,
    source: str,
    find_keys: Callable[[ReadTx], Awaitable[PushKeys | None]],
    not_set: Callable[[], SiyuError],
) -> list[Any]:
    """The two routes of an address that WeChat pushes to; path ends in the shop's number.

    source: under which the inbox keeps the messages; not_set: the error when there are no keys.
    """
    name = source.replace(".", "_")

    async def load_keys(shop_id: int) -> PushKeys:
        async with reading(ShopId(shop_id)) as tx:
            keys = await find_keys(tx)
        if keys is None:
            raise not_set()
        return keys

    @get(
        path,
        access=CALLBACK,
        include_in_schema=False,
        media_type="text/plain",
        operation_id=f"check_{name}_push",
    )
    async def check_address(shop_id: int, request: Request[Any, Any, Any]) -> str:
        """Answers the check of the address with its `echostr`; 401 unless it is WeChat's."""
        return answer_check(await load_keys(shop_id), request.query_params)

    @post(
        path,
        access=CALLBACK,
        include_in_schema=False,
        media_type="text/plain",
        operation_id=f"receive_{name}_push",
    )
    async def receive(shop_id: int, request: Request[Any, Any, Any]) -> str:
        """Answers `success` once the message is stored, be it new or known; WeChat repeats thrice
        after anything else: 401 not proven."""
        raw = await request.body()
        if len(raw) > MAX_PUSH_BYTES:
            raise TooLarge
        plain = open_push(await load_keys(shop_id), request.query_params, raw)
        async with transaction(ShopId(shop_id)) as tx:
            number = push_number(plain)
            await inbox.store(tx, source=source, outside_id=number, raw=plain, headers={})
        return "success"

    return [check_address, receive]


def open_push(keys: PushKeys, query: Mapping[str, str], raw: bytes) -> bytes:
    """The plain text of a pushed message, once its signature has been checked.

    Raises SignatureRefused (also for a message that is not encrypted), SealBroken.
    """
    encrypted = rules.push_fields(raw).get("Encrypt")
    if not isinstance(encrypted, str) or not encrypted:
        raise SignatureRefused(reason="not encrypted")
    _verify(keys, query, encrypted, query.get("msg_signature", ""))
    return open_message(keys.encoding_aes_key, encrypted, keys.receiver)


def answer_check(keys: PushKeys, query: Mapping[str, str]) -> str:
    """What the check of an address is answered with: `echostr`, which WeCom sends encrypted.

    Raises SignatureRefused, SealBroken.
    """
    echo = query.get("echostr", "")
    if "msg_signature" in query:
        _verify(keys, query, echo, query["msg_signature"])
        return open_message(keys.encoding_aes_key, echo, keys.receiver).decode()
    if not echo:
        raise SignatureRefused(reason="echostr")
    _verify(keys, query, "", query.get("signature", ""))
    return echo


def _verify(keys: PushKeys, query: Mapping[str, str], encrypted: str, signature: str) -> None:
    stamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    verify_message(keys.token, stamp, nonce, encrypted, signature=signature)


def push_number(plain: bytes) -> str:
    """What tells a pushed message from its repeats: MsgId, for events all that they say.

    Raises SealBroken when it is not a message.
    """
    fields = rules.push_fields(plain)
    if not fields.get("MsgType"):
        raise SealBroken(reason="message")
    number = fields.get("MsgId")
    if isinstance(number, str | int) and number and fields["MsgType"] != "event":
        return f"{fields.get('FromUserName', '')}:{number}"[:200]
    return hashlib.sha256(plain).hexdigest()
