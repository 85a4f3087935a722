"""Receivers: stored first, then told to WeChat; the same telling twice is harmless there."""

import logging
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import mask_name, vault
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.profit_sharing import rules
from siyu.money.profit_sharing.contracts import (
    BadReceiver,
    Receiver,
    ReceiverInUse,
    ReceiverKind,
    ReceiverState,
    ReceiverTaken,
    ReceiverUnknown,
    Relation,
)
from siyu.money.profit_sharing.service import partner_store
from siyu.money.profit_sharing.service.partner_store import ReceiverRow
from siyu.people.members import service as members
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    NewReceiver,
    PayCredentials,
    ReceiverType,
    RelationType,
    Retry,
    WeChatError,
)

log = logging.getLogger(__name__)

TYPES = {
    ReceiverKind.MERCHANT: ReceiverType.MERCHANT_ID,
    ReceiverKind.PERSON: ReceiverType.PERSONAL_OPENID,
}


async def add_receiver(
    tx: Tx,
    actor: Actor,
    *,
    kind: ReceiverKind,
    account: str | None,
    member_id: UUID | None,
    name: str | None,
    relation: Relation,
    custom_relation: str | None,
) -> Receiver:
    """Store a receiver; `tell_wechat` adds it there after the commit.

    A person is given by `member_id` or by their id in the shop's app as `account`; a merchant by
    its number and full name. Raises BadReceiver, ReceiverTaken, WeChatNotSet, NoPayer.
    """
    wechat = await shops.get_wechat(tx)
    if not wechat.mchid or not wechat.appid:
        raise WeChatNotSet(setting="appid" if wechat.mchid else "mchid")
    if member_id is not None:
        if kind is ReceiverKind.MERCHANT or account is not None:
            raise BadReceiver(reason="member_id")
        account = (await members.get_payer(tx, member_id, wechat.appid)).subject
    rules.check_receiver(kind, account or "", name, relation, custom_relation)
    if account == wechat.mchid:
        raise BadReceiver(reason="account")
    receiver_id = new_id()
    row = ReceiverRow(
        receiver_id=receiver_id,
        kind=kind,
        account=account or "",
        merchant=wechat.mchid,
        app=wechat.appid,
        member_id=member_id,
        owner_id=member_id or receiver_id,
        name_sealed=vault().seal(name) if name else None,
        relation=relation,
        custom_relation=custom_relation,
        state=ReceiverState.ADDING,
        reason=None,
        created_at=clock.now(),
    )
    if not await partner_store.insert_receiver(tx, row):
        raise ReceiverTaken
    audit(
        tx,
        actor,
        "profit_sharing.receiver_added",
        ("split_receiver", receiver_id),
        after={"kind": kind, "relation": relation},
    )
    return shown(row)


async def try_again(tx: Tx, actor: Actor, receiver_id: UUID, name: str | None) -> None:
    """Have WeChat asked again for a receiver it refused, perhaps under another name.

    Raises ReceiverUnknown, BadReceiver.
    """
    row = await _found(tx, receiver_id)
    if name is not None:
        rules.check_receiver(row.kind, row.account, name, row.relation, row.custom_relation)
    await partner_store.move_receiver(
        tx,
        receiver_id,
        ReceiverState.ADDING,
        from_states=(ReceiverState.REFUSED, ReceiverState.ACTIVE),
        name_sealed=vault().seal(name) if name else None,
        next_at=clock.now(),
    )
    audit(tx, actor, "profit_sharing.receiver_tried_again", ("split_receiver", receiver_id))


async def remove_receiver(tx: Tx, actor: Actor, receiver_id: UUID) -> None:
    """Have a receiver deleted at WeChat. Raises ReceiverUnknown, ReceiverInUse."""
    await partner_store.lock_settings(tx)  # a rule may be about to name it
    await _found(tx, receiver_id)
    if await partner_store.is_receiver_used(tx, receiver_id):
        raise ReceiverInUse
    await partner_store.move_receiver(
        tx,
        receiver_id,
        ReceiverState.REMOVING,
        from_states=(ReceiverState.ADDING, ReceiverState.ACTIVE, ReceiverState.REFUSED),
        next_at=clock.now(),
    )
    audit(tx, actor, "profit_sharing.receiver_removed", ("split_receiver", receiver_id))


async def tell_wechat(shop_id: ShopId, receiver_id: UUID) -> ReceiverState:
    """Add or delete a receiver at WeChat, outside of any transaction; safe to repeat. Its state
    afterwards, unchanged when WeChat gave no answer."""
    async with reading(shop_id) as tx:
        row = await _found(tx, receiver_id)
        if row.state not in (ReceiverState.ADDING, ReceiverState.REMOVING):
            return row.state
        credentials = await shops.pay_credentials(tx)
    state, reason = await _tell(credentials, row)
    if state is row.state:
        return state
    async with transaction(shop_id) as write:
        await partner_store.move_receiver(
            write, receiver_id, state, from_states=(row.state,), reason=reason
        )
    return state


async def _tell(credentials: PayCredentials, row: ReceiverRow) -> tuple[ReceiverState, str | None]:
    kind = TYPES[row.kind]
    try:
        if credentials.mchid != row.merchant:
            return ReceiverState.REMOVED, "the shop has another merchant number now"
        if row.state is ReceiverState.REMOVING:
            await pay.delete_receiver(credentials, row.app, kind, row.account)
            return ReceiverState.REMOVED, None
        wanted = NewReceiver(
            appid=row.app,
            type=kind,
            account=row.account,
            relation_type=RelationType(row.relation),
            name=vault().open(row.name_sealed) if row.name_sealed else "",
            custom_relation=row.custom_relation or "",
        )
        await pay.add_receiver(credentials, wanted)
        return ReceiverState.ACTIVE, None
    except WeChatError as error:
        log.warning(
            "receiver not told",
            extra={"receiver_id": str(row.receiver_id), "wechat_code": error.code},
        )
        if error.retry is not Retry.NEVER:
            return row.state, None
        if row.state is ReceiverState.REMOVING:
            return ReceiverState.REMOVED, f"{error.code}: {error.message}"
        return ReceiverState.REFUSED, f"{error.code}: {error.message}"


async def _found(tx: ReadTx, receiver_id: UUID) -> ReceiverRow:
    row = await partner_store.get_receiver(tx, receiver_id)
    if row is None or row.state is ReceiverState.REMOVED:
        raise ReceiverUnknown
    return row


def shown(row: ReceiverRow) -> Receiver:
    """A stored receiver as others may see it."""
    values = msgspec.structs.asdict(row)
    sealed = values.pop("name_sealed")
    del values["merchant"], values["app"]
    return Receiver(name_masked=mask_name(vault().open(sealed)) if sealed else None, **values)
