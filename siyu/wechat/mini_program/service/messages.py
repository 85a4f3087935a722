"""Subscription messages, answers of the customer service, and what WeChat pushes to the shop.

Sends raise WeChatError; `transport.send_problem` says what it means. WeChat takes no number of
ours here, so a send whose answer was lost is never repeated: it may be on the phone.
Source: 订阅消息, 客服消息, 消息推送.
"""

import re

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import ShopId
from siyu.wechat.mini_program import queries, rules
from siyu.wechat.mini_program.contracts import MiniProgramCredentials, PushChange, PushSettings
from siyu.wechat.mini_program.service.calling import call_with_token
from siyu.wechat.transport.contracts import MessageTemplate, PushKeys
from siyu.wechat.transport.service import decode

SENDS_PER_SECOND = 2000.0


class _Sent(msgspec.Struct):
    msgid: int | str = ""


class _Template(msgspec.Struct):
    priTmplId: str  # noqa: N815
    title: str = ""
    content: str = ""
    example: str = ""
    type: int = 2


class _Templates(msgspec.Struct):
    data: list[_Template] = []


async def send_subscription(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    *,
    openid: str,
    template_id: str,
    data: dict[str, str],
    page: str = "",
    lang: str = "zh_CN",
) -> str:
    """Send a subscription message, which uses up one consent of the person; WeChat's msgid, or ""
    if it tells none. data: field -> value (`transport.check_values`); page: with its query.
    """
    body = {
        "touser": openid,
        "template_id": template_id,
        "data": {key: {"value": value} for key, value in data.items()},
        "lang": lang,
    }
    if page:
        body["page"] = page
    answer = await call_with_token(
        shop_id,
        credentials,
        "mini.send_subscription",
        "/cgi-bin/message/subscribe/send",
        body,
        per_second=SENDS_PER_SECOND,
    )
    return str(decode(answer, _Sent).msgid)


async def send_care(
    shop_id: ShopId, credentials: MiniProgramCredentials, *, openid: str, text: str
) -> None:
    """Answer a person who wrote within 48 hours: at most 5 answers to a message of theirs."""
    await call_with_token(
        shop_id,
        credentials,
        "mini.send_care",
        "/cgi-bin/message/custom/send",
        {"touser": openid, "msgtype": "text", "text": {"content": text}},
        per_second=SENDS_PER_SECOND,
    )


async def list_templates(
    shop_id: ShopId, credentials: MiniProgramCredentials
) -> list[MessageTemplate]:
    """The templates of the app."""
    answer = await call_with_token(
        shop_id,
        credentials,
        "mini.list_templates",
        "/wxaapi/newtmpl/gettemplate",
        repeatable=True,
    )
    return [
        MessageTemplate(
            template_id=one.priTmplId,
            title=one.title,
            content=one.content,
            example=one.example,
            is_long_term=one.type == 3,
            fields=re.findall(r"\{\{(\w+)\.DATA\}\}", one.content),
        )
        for one in decode(answer, _Templates).data
    ]


# -- the address that WeChat pushes to -----------------------------------------------------------


async def get_push(tx: ReadTx) -> PushSettings | None:
    """How messages are pushed to the shop; secrets only as "there is one"."""
    row = await queries.get_push(tx)
    return PushSettings(appid=row.app_id, updated_at=row.updated_at) if row else None


async def set_push(tx: Tx, actor: Actor, change: PushChange) -> PushSettings:
    """Set how messages are proven and opened; what is None stays. The first time all are needed,
    else PushIncomplete."""
    before = await queries.get_push(tx)
    token, key = (
        vault().seal(given) if given else None for given in (change.token, change.encoding_aes_key)
    )
    row = queries.PushRow(
        app_id=change.appid,
        token_sealed=rules.needed("token", token, before.token_sealed if before else None),
        aes_key_sealed=rules.needed(
            "encoding_aes_key", key, before.aes_key_sealed if before else None
        ),
        updated_at=clock.now(),
    )
    await queries.upsert_push(tx, row)
    audit(
        tx,
        actor,
        "mini_program.push_changed",
        ("shop", tx.shop_id),
        before={"appid": before.app_id} if before else None,
        after={"appid": row.app_id, "secrets_replaced": token is not None or key is not None},
    )
    return PushSettings(appid=row.app_id, updated_at=row.updated_at)


async def get_push_keys(tx: ReadTx) -> PushKeys | None:
    """What proves and opens messages pushed to this shop."""
    row = await queries.get_push(tx)
    if row is None:
        return None
    return PushKeys(
        token=vault().open(row.token_sealed),
        encoding_aes_key=vault().open(row.aes_key_sealed),
        receiver=row.app_id,
    )
