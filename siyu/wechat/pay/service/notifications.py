"""Notifications: verified over raw bytes, then opened, then read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from siyu.kernel import clock
from siyu.wechat.pay.contracts import (
    Notification,
    NotificationMalformed,
    PayCredentials,
    Refund,
    RefundAmount,
    RefundStatus,
    ShareReceived,
    Trade,
    Transfer,
    TransferAuthorization,
)
from siyu.wechat.pay.service.exchange import check, known, refresh
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    PUBLIC_KEY_PREFIX,
    SERIAL,
    SIGNATURE,
    Sealed,
    SerialUnknown,
)

T = TypeVar("T")

_nonces = transport.NonceMemory()


class _Envelope(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    event_type: str
    resource: Sealed


class _RefundTold(msgspec.Struct, kw_only=True):
    """What a query calls `status` a notification calls `refund_status`."""

    refund_id: str
    out_refund_no: str
    transaction_id: str
    out_trade_no: str
    refund_status: RefundStatus
    amount: RefundAmount
    user_received_account: str = ""
    success_time: datetime | None = None


class _TransferTold(Transfer, frozen=True, kw_only=True):
    """Some of WeChat's own clients call the merchant `mchid` here."""

    mchid: str = ""


async def read_notification(
    credentials: PayCredentials, headers: Mapping[str, str], body: bytes
) -> Notification:
    """Verify the raw bytes of a fresh notification, then open it, then read it.

    Raises SignatureRefused (ProbeRefused for WeChat's own test), SerialUnknown after one attempt
    to download the key, SealBroken, NotificationMalformed, ChannelUnusable.
    """
    check(credentials)
    # Only a serial we might download is worth a call; junk headers end here.
    serial = headers.get(SERIAL, "")
    ring = known(credentials)
    if serial not in ring and headers.get(SIGNATURE) and not serial.startswith(PUBLIC_KEY_PREFIX):
        await refresh(credentials)
        ring = known(credentials)
    if not ring:
        raise SerialUnknown(serial=serial[:64])
    transport.verify_headers(transport.KeyRing(ring), headers, body, clock.now(), _nonces)
    return open_notification(credentials, body)


def open_notification(credentials: PayCredentials, body: bytes) -> Notification:
    """Open a notification that was verified when it came in; SealBroken, NotificationMalformed."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except msgspec.MsgspecError:
        raise NotificationMalformed from None
    return Notification(
        id=envelope.id,
        event_type=envelope.event_type,
        original_type=envelope.resource.original_type,
        content=transport.unseal(envelope.resource, credentials.api_v3_key),
    )


def read_trade(notification: Notification) -> Trade:
    """The order in a payment notification; raises NotificationMalformed."""
    return _read(notification, Trade)


def read_refund(notification: Notification) -> Refund:
    """The refund in a `REFUND.*` notification; raises NotificationMalformed."""
    told = _read(notification, _RefundTold)
    values = msgspec.structs.asdict(told)
    return Refund(status=values.pop("refund_status"), **values)


def read_share(notification: Notification) -> ShareReceived:
    """The share in a `PROFITSHARING` notification; raises NotificationMalformed."""
    return _read(notification, ShareReceived)


def read_transfer(notification: Notification) -> Transfer:
    """The transfer in a `MCHTRANSFER.BILL.FINISHED` notification; raises NotificationMalformed."""
    told = _read(notification, _TransferTold)
    values = msgspec.structs.asdict(told)
    mchid = values.pop("mchid")
    return Transfer(**values | {"mch_id": told.mch_id or mchid})


def read_authorization(notification: Notification) -> TransferAuthorization:
    """The agreement in a `MCHTRANSFER.AUTHORIZATION.*` notification; NotificationMalformed."""
    return _read(notification, TransferAuthorization)


def _read(notification: Notification, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(notification.content, type=kind)
    except msgspec.MsgspecError:
        raise NotificationMalformed from None
