"""The chats on a phone: receipts, notices of refunds and transfers, shared cards."""

from typing import Any

import msgspec

from siyu.sandbox.world import Person, World

GROUP = "group"
"""The chat of all people who may be chosen on the phone's page."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """In a chat ("pay", "service", GROUP or a friend's person_id): a receipt, a notice that a phone
    number was given, a shared card, a refund, a transfer to confirm; payload is JSON."""

    message_id: int
    person_id: str
    chat: str
    kind: str
    mine: int
    payload: str
    at: float
    read_at: float | None


def leave(
    world: World,
    person_id: str,
    chat: str,
    kind: str,
    payload: dict[str, Any],
    *,
    mine: bool = False,
) -> None:
    """Write a message down in the caller's transaction."""
    now = world.at()
    world.store.run(
        """insert into messages (person_id, chat, kind, mine, payload, at, read_at)
           values (?, ?, ?, ?, ?, ?, ?)""",
        person_id,
        chat,
        kind,
        int(mine),
        msgspec.json.encode(payload).decode(),
        now,
        now if mine else None,
    )


def list_messages(world: World, person: Person) -> list[Message]:
    """The newest 200, oldest first."""
    found = world.store.all(
        Message,
        "select * from messages where person_id = ? order by message_id desc limit 200",
        person.person_id,
    )
    return found[::-1]


def mark_read(world: World, person: Person, chat: str) -> None:
    """The dot on a chat goes away."""
    world.store.run(
        "update messages set read_at = ? where person_id = ? and chat = ? and read_at is null",
        world.at(),
        person.person_id,
        chat,
    )
