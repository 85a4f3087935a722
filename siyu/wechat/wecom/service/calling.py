"""Customers and messages to them. All open short transactions of their own for the access token:
call them outside any transaction. All raise WeChatError; `send_problem` says what a failed send
means. Source: 客户联系 (92114, 92135, 92137, 93338), 客户群发.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from siyu.kernel.ids import ShopId
from siyu.wechat.transport import service as transport
from siyu.wechat.wecom.contracts import (
    Contact,
    Follow,
    MassResult,
    MassState,
    MassTask,
    StaffTask,
    WecomCredentials,
)

T = TypeVar("T")

MAX_RECEIVERS = 10_000
MAX_BYTES = 4000
_PAGE = 1000


class _ExternalContact(msgspec.Struct):
    external_userid: str
    name: str = ""
    unionid: str = ""


class _FollowUser(msgspec.Struct):
    userid: str
    createtime: int = 0
    state: str = ""


class _Contact(msgspec.Struct):
    external_contact: _ExternalContact
    follow_user: list[_FollowUser] = []
    next_cursor: str = ""


class _Ids(msgspec.Struct):
    external_userid: list[str] = []
    follow_user: list[str] = []


class _Converted(msgspec.Struct):
    external_userid: str = ""


class _Mass(msgspec.Struct):
    msgid: str
    fail_list: list[str] | None = None


class _Task(msgspec.Struct):
    userid: str
    status: int
    send_time: int = 0


class _Tasks(msgspec.Struct):
    task_list: list[_Task] = []
    next_cursor: str = ""


class _Send(msgspec.Struct):
    userid: str
    status: int
    external_userid: str = ""
    send_time: int = 0


class _Sends(msgspec.Struct):
    send_list: list[_Send] = []
    next_cursor: str = ""


async def ask_token(credentials: WecomCredentials, force: bool) -> transport.GivenToken:
    """A token from WeCom, which gives the same one as long as it is good; there is no forcing.
    Raises WeChatError."""
    query = urlencode({"corpid": credentials.corp_id, "corpsecret": credentials.secret})
    answer = await transport.call_api(
        _name(credentials),
        credentials.base_url,
        "wecom.token",
        "GET",
        f"/cgi-bin/gettoken?{query}",
        repeatable=True,
    )
    return transport.decode(answer, transport.GivenToken)


async def list_staff(shop_id: ShopId, credentials: WecomCredentials) -> list[str]:
    """userids of the members who may have customers (get_follow_user_list)."""
    found = await _read(shop_id, credentials, "get_follow_user_list", _Ids)
    return found.follow_user


async def list_contacts(shop_id: ShopId, credentials: WecomCredentials, userid: str) -> list[str]:
    """external_userids of a member's customers; WeChatError 84061 when there are none."""
    found = await _read(shop_id, credentials, "list", _Ids, {"userid": userid})
    return found.external_userid


async def get_contact(
    shop_id: ShopId, credentials: WecomCredentials, external_userid: str
) -> Contact:
    """A customer and all members of staff who have them. WeChatError 84061: nobody's customer."""
    follows: list[Follow] = []
    query = {"external_userid": external_userid}
    while True:
        page = await _read(shop_id, credentials, "get", _Contact, query)
        follows += [
            Follow(
                userid=one.userid,
                added_at=datetime.fromtimestamp(one.createtime, UTC),
                state=one.state,
            )
            for one in page.follow_user
        ]
        if not page.next_cursor:
            break
        query = query | {"cursor": page.next_cursor}
    return Contact(
        external_userid=page.external_contact.external_userid,
        name=page.external_contact.name,
        unionid=page.external_contact.unionid,
        follows=follows,
    )


async def convert_unionid(
    shop_id: ShopId, credentials: WecomCredentials, *, unionid: str, openid: str
) -> str:
    """The external_userid of somebody known by the shop's mini-program or official account; "" if
    they are nobody's customer (unionid_to_external_userid)."""
    answer = await transport.call_with_token(
        _account(shop_id, credentials),
        "wecom.convert_unionid",
        "/cgi-bin/idconvert/unionid_to_external_userid",
        {"unionid": unionid, "openid": openid, "subject_type": 0},
        repeatable=True,
    )
    return transport.decode(answer, _Converted).external_userid


async def send_welcome(
    shop_id: ShopId,
    credentials: WecomCredentials,
    *,
    welcome_code: str,
    text: str,
) -> None:
    """Greet a new customer: once, within 20 seconds of their coming. The code makes a repeat
    harmless: WeCom refuses the second (41051)."""
    _check_text(text)
    body = {"welcome_code": welcome_code, "text": {"content": text}}
    await _call(shop_id, credentials, "send_welcome_msg", body)


async def send_mass(
    shop_id: ShopId,
    credentials: WecomCredentials,
    *,
    external_userids: list[str],
    text: str,
    sender: str | None = None,
) -> MassTask:
    """Ask staff to send a message to 1..10 000 customers (add_msg_template); one of them makes it
    a single message. Nothing goes out until the member presses send.

    sender: whose customers; None: the member who last chatted with each. WeCom takes no number of
    ours: never repeated when its answer was lost, for it would be a second task.
    """
    assert 1 <= len(external_userids) <= MAX_RECEIVERS
    _check_text(text)
    body: dict[str, Any] = {
        "chat_type": "single",
        "external_userid": external_userids,
        "text": {"content": text},
    }
    if sender:
        body["sender"] = sender
    answer = await _call(shop_id, credentials, "add_msg_template", body)
    made = transport.decode(answer, _Mass)
    return MassTask(msgid=made.msgid, fail_list=made.fail_list or [])


async def get_mass_tasks(
    shop_id: ShopId, credentials: WecomCredentials, msgid: str
) -> list[StaffTask]:
    """Who was asked to send, and who did (get_groupmsg_task)."""
    found: list[StaffTask] = []
    body: dict[str, Any] = {"msgid": msgid, "limit": _PAGE}
    while True:
        answer = await _call(shop_id, credentials, "get_groupmsg_task", body, repeatable=True)
        page = transport.decode(answer, _Tasks)
        found += [
            StaffTask(userid=one.userid, is_sent=one.status == 2, sent_at=_at(one.send_time))
            for one in page.task_list
        ]
        if not page.next_cursor:
            return found
        body = body | {"cursor": page.next_cursor}


async def get_mass_result(
    shop_id: ShopId, credentials: WecomCredentials, msgid: str, userid: str
) -> list[MassResult]:
    """What became of it for each customer of one member (get_groupmsg_send_result)."""
    found: list[MassResult] = []
    body: dict[str, Any] = {"msgid": msgid, "userid": userid, "limit": _PAGE}
    while True:
        answer = await _call(
            shop_id, credentials, "get_groupmsg_send_result", body, repeatable=True
        )
        page = transport.decode(answer, _Sends)
        found += [
            MassResult(
                external_userid=one.external_userid,
                userid=one.userid,
                state=MassState(one.status),
                sent_at=_at(one.send_time),
            )
            for one in page.send_list
        ]
        if not page.next_cursor:
            return found
        body = body | {"cursor": page.next_cursor}


async def remind_mass(shop_id: ShopId, credentials: WecomCredentials, msgid: str) -> None:
    """Remind those who have not sent yet: at most 3 times in 24 hours."""
    await _call(shop_id, credentials, "remind_groupmsg_send", {"msgid": msgid})


async def cancel_mass(shop_id: ShopId, credentials: WecomCredentials, msgid: str) -> None:
    """Take the task back from those who have not sent yet; what was sent stays."""
    await _call(shop_id, credentials, "cancel_groupmsg_send", {"msgid": msgid}, repeatable=True)


def _check_text(text: str) -> None:
    assert 1 <= len(text.encode()) <= MAX_BYTES, "1..4000 bytes"


def _at(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _name(credentials: WecomCredentials) -> str:
    # Each app of a corporation has a token of its own.
    return f"{credentials.corp_id}/{credentials.agent_id}"


def _account(shop_id: ShopId, credentials: WecomCredentials) -> transport.Account:
    return transport.Account(
        shop_id=shop_id,
        account=_name(credentials),
        base_url=credentials.base_url,
        ask=partial(ask_token, credentials),
    )


async def _read(
    shop_id: ShopId,
    credentials: WecomCredentials,
    api: str,
    kind: type[T],
    query: dict[str, str] | None = None,
) -> T:
    answer = await transport.call_with_token(
        _account(shop_id, credentials),
        f"wecom.{api}",
        f"/cgi-bin/externalcontact/{api}",
        query=query,
        repeatable=True,
    )
    return transport.decode(answer, kind)


async def _call(
    shop_id: ShopId,
    credentials: WecomCredentials,
    api: str,
    body: Any,
    *,
    repeatable: bool = False,
) -> Any:
    return await transport.call_with_token(
        _account(shop_id, credentials),
        f"wecom.{api}",
        f"/cgi-bin/externalcontact/{api}",
        body,
        repeatable=repeatable,
    )
