"""Staff of a corporation and their customers: who has whom, and who presses send.

A mass message is a task: nothing reaches a customer until its member of staff presses send.
Source: 企业客户事件 92130, 客户群发 92135.
"""

import calendar
import hashlib
import secrets
from typing import Any

import msgspec

from siyu.sandbox import channels, wire
from siyu.sandbox.chats import leave
from siyu.sandbox.people import PhoneError
from siyu.sandbox.pushes import tell
from siyu.sandbox.world import App, Person, World

UNSENT, SENT, NOT_FRIEND, LIMIT = 0, 1, 2, 3


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A customer of a member of staff."""

    corpid: str
    external_userid: str
    userid: str
    person_id: str
    state: str
    added_at: float
    ended_at: float | None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A customer whom a member of staff is asked to send a mass message."""

    msgid: str
    userid: str
    external_userid: str
    status: int
    sent_at: float | None


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A mass message."""

    msgid: str
    corpid: str
    text: str
    created_at: float
    reminders: int
    cancelled_at: float | None


def external_userid(app: App, person_id: str) -> str:
    """What a corporation calls a person; always the same."""
    digest = hashlib.sha256(f"{app.appid}\n{app.secret}\n{person_id}".encode())
    return f"wm{digest.hexdigest()[:30]}"


def list_contacts(world: World, app: App, external: str) -> list[Contact]:
    """Who of the staff has a customer, the longest first."""
    return world.store.all(
        Contact,
        """select * from contacts where corpid = ? and external_userid = ? and ended_at is null
            order by added_at""",
        app.appid,
        external,
    )


def add_staff_contact(world: World, person: Person, app: App, userid: str, state: str = "") -> str:
    """The person adds a member of staff; the external_userid. The server is told, with a code for
    a greeting."""
    if not world.store.value(
        "select 1 from staff where corpid = ? and userid = ?", app.appid, userid
    ):
        raise PhoneError("addContact:fail no such member")
    external, code = external_userid(app, person.person_id), secrets.token_urlsafe(24)
    with world.store.writing():
        world.store.run(
            """insert into contacts values (?, ?, ?, ?, ?, ?, null)
               on conflict do update set state = excluded.state, added_at = excluded.added_at,
                 ended_at = null""",
            app.appid,
            external,
            userid,
            person.person_id,
            state,
            world.at(),
        )
        world.store.run(
            "insert into welcome_codes values (?, ?, ?, ?, ?, null)",
            code,
            app.appid,
            external,
            userid,
            world.at(),
        )
        _tell(world, app, "add_external_contact", external, userid, State=state, WelcomeCode=code)
    return external


def drop_staff_contact(world: World, person: Person, app: App, userid: str, *, by: str) -> None:
    """The person deletes the member of staff (by `person`), or the other way round (`staff`)."""
    external = external_userid(app, person.person_id)
    with world.store.writing():
        if world.store.run(
            """update contacts set ended_at = ?
                where corpid = ? and external_userid = ? and userid = ? and ended_at is null""",
            world.at(),
            app.appid,
            external,
            userid,
        ):
            change = "del_follow_user" if by == "person" else "del_external_contact"
            _tell(world, app, change, external, userid)


def _tell(world: World, app: App, change: str, external: str, userid: str, **more: str) -> None:
    fields = {
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": change,
        "UserID": userid,
        "ExternalUserID": external,
    }
    tell(world, app, "sys", fields | {name: value for name, value in more.items() if value})


def staff_says(world: World, app: App, userid: str, person_id: str, text: str) -> None:
    """A member of staff writes to a customer by hand."""
    with world.store.writing():
        deliver(world, app, "staff", userid, person_id, text)


def deliver(
    world: World, app: App, channel: channels.Channel, userid: str, person_id: str, text: str
) -> None:
    """A line from a member of staff, on the phone."""
    channels.record(world, channel, app.appid, external_userid(app, person_id), "", None)
    leave(world, person_id, f"wecom:{app.appid}:{userid}", "text", {"text": text})


def list_tasks(world: World, app: App) -> list[dict[str, Any]]:
    """Mass messages with the members who have been asked, the newest first."""
    tasks = world.store.all(
        Task,
        "select * from mass_tasks where corpid = ? order by created_at desc limit 50",
        app.appid,
    )
    return [
        msgspec.structs.asdict(task) | {"staff": _progress(world, task.msgid)} for task in tasks
    ]


def _progress(world: World, msgid: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for target in list_targets(world, msgid):
        entry = found.setdefault(
            target.userid, {"userid": target.userid, "customers": 0, "is_sent": False}
        )
        entry["customers"] += 1
        entry["is_sent"] |= target.status != UNSENT
    return list(found.values())


def list_targets(world: World, msgid: str, userid: str | None = None) -> list[Target]:
    """Whom a mass message is for, of one member of staff or of all."""
    return world.store.all(
        Target,
        """select * from mass_targets where msgid = ?1 and (?2 is null or userid = ?2)
            order by userid, external_userid""",
        msgid,
        userid,
    )


def press_send(world: World, app: App, msgid: str, userid: str) -> int:
    """The member of staff sends their part of a mass message; how many customers got it."""
    task = world.store.maybe(
        Task, "select * from mass_tasks where corpid = ? and msgid = ?", app.appid, msgid
    )
    if task is None or task.cancelled_at is not None:
        raise PhoneError("groupmsg:fail no such task")
    sent = 0
    with world.store.writing():
        for target in list_targets(world, msgid, userid):
            if target.status == UNSENT:
                sent += _send_to(world, app, task, target)
    return sent


def _send_to(world: World, app: App, task: Task, target: Target) -> bool:
    friend = next(
        (c for c in list_contacts(world, app, target.external_userid) if c.userid == target.userid),
        None,
    )
    status = SENT if friend else NOT_FRIEND
    if friend and channels.sent_this_month(
        world, "mass", app.appid, target.external_userid
    ) >= _monthly(world):
        status = LIMIT
    if friend and status == SENT:
        deliver(world, app, "mass", target.userid, friend.person_id, task.text)
    world.store.run(
        """update mass_targets set status = ?, sent_at = ?
            where msgid = ? and userid = ? and external_userid = ?""",
        status,
        world.at(),
        task.msgid,
        target.userid,
        target.external_userid,
    )
    return status == SENT


def _monthly(world: World) -> int:
    """A customer gets as many mass messages in a month as it has days."""
    today = world.now().astimezone(wire.CHINA)
    return calendar.monthrange(today.year, today.month)[1]
