"""The channels behind one call: parcels in, what became of each out. Never inside a transaction."""

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from siyu.kernel.ids import ShopId
from siyu.people.outreach.contracts import Answer, Parcel, Sent
from siyu.people.outreach.contracts import MessageChannel as Channel
from siyu.people.outreach.service.channels import sms, wechat

AT_ONCE = 32
"""Calls of one process over all shops and campaigns; orders and payments keep connections free."""
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def send_all(shop_id: ShopId, channel: Channel, parcels: Sequence[Parcel]) -> list[Answer]:
    """Call a channel for each parcel, many at once; the answers in the same order."""
    if channel is Channel.INBOX:
        return [Sent() for _ in parcels]
    if channel is Channel.CONTACT:
        return await wechat.send_mass(shop_id, parcels)
    slots = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    sender = await wechat.sender_of(shop_id, channel) if channel is not Channel.SMS else sms.send

    async def send(parcel: Parcel) -> Answer:
        async with slots:
            return await sender(parcel)

    return list(await asyncio.gather(*(send(parcel) for parcel in parcels)))
