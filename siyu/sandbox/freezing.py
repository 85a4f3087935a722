"""Money of an order that is frozen for splitting: how it comes, what may take from it, its end."""

import msgspec

from siyu.sandbox import bank, tasks
from siyu.sandbox.orders import Order, PayError, is_shared
from siyu.sandbox.world import World

FREEZE_SECONDS = 30 * 86400
SETTLE_SECONDS = 60


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """A paid order whose money is frozen; `ended_at` once no more can be split."""

    transaction_id: str
    mchid: str
    frozen_fen: int
    ended_at: float | None


def take_payment(world: World, order: Order, purse: str) -> None:
    """A payment arrives: WeChat takes its fee, the rest is the merchant's or frozen."""
    assert order.transaction_id and order.paid_at
    store, mchid = world.store, order.mchid
    shared = is_shared(order)
    ours = bank.frozen(mchid) if shared else bank.basic(mchid)
    fee = bank.fee_of(order.total_fen, int(world.setting("fee_bps", str(bank.FEE_BPS))))
    for kind, source, target, fen in (
        ("payment", purse, ours, order.total_fen),
        ("fee", ours, bank.FEES, fee),
    ):
        bank.move(
            store, kind, source, target, fen, at=order.paid_at, mchid=mchid,
            number=order.out_trade_no, wechat_no=order.transaction_id,
        )  # fmt: skip
    if shared:
        store.insert(
            "sharings",
            Sharing(
                transaction_id=order.transaction_id,
                mchid=mchid,
                frozen_fen=order.total_fen - fee,
                ended_at=None,
            ),
        )
        tasks.plan(world, "unfreeze", order.transaction_id, order.paid_at + FREEZE_SECONDS)


def purse_of(world: World, order: Order) -> str:
    """Where the money of a payment came from, and refunds go."""
    if order.bank_type != "OTHERS":
        return bank.OUTSIDE
    sql = "select person_id from identities where openid = ?"
    return bank.person(str(world.store.value(sql, order.openid)))


def find_sharing(world: World, transaction_id: str | None) -> Sharing | None:
    """The frozen money of an order, if there was any."""
    sql = "select * from sharings where transaction_id = ?"
    return world.store.maybe(Sharing, sql, transaction_id)


def rest_fen(world: World, sharing: Sharing) -> int:
    """What is frozen and not promised to a receiver."""
    promised = world.store.value(
        """select coalesce(sum(s.fen), 0) from shares s join splits p using (order_id)
            where p.transaction_id = ? and s.result = 'PENDING'""",
        sharing.transaction_id,
    )
    return sharing.frozen_fen - int(promised)


def take_for_refund(world: World, transaction_id: str, fen: int) -> int:
    """How much of a refund is taken from frozen money. While the sharing is open all of it must
    be: beyond the frozen rest, unfreeze first."""
    sharing = find_sharing(world, transaction_id)
    if sharing is None or sharing.ended_at is not None:
        return 0
    if fen > rest_fen(world, sharing):
        raise PayError(403, "NOT_ENOUGH", "订单待分账资金不足，请先解冻剩余资金", 268435461)
    thaw(world, sharing, fen)
    return fen


def give_back(world: World, transaction_id: str, fen: int) -> bool:
    """Frozen money of a closed refund returns; False when the sharing is over."""
    return bool(
        world.store.run(
            """update sharings set frozen_fen = frozen_fen + ?
                where transaction_id = ? and ended_at is null""",
            fen,
            transaction_id,
        )
    )


def thaw(world: World, sharing: Sharing, fen: int) -> None:
    """Less is frozen; the caller moves it."""
    world.store.run(
        "update sharings set frozen_fen = frozen_fen - ? where transaction_id = ?",
        fen,
        sharing.transaction_id,
    )


def end_sharing(world: World, transaction_id: str, number: str, at: float) -> None:
    """What is left becomes the merchant's own; nothing can be split any more."""
    sharing = find_sharing(world, transaction_id)
    if sharing is None or sharing.ended_at is not None:
        return
    world.store.run(
        "update sharings set frozen_fen = 0, ended_at = ? where transaction_id = ?",
        at,
        transaction_id,
    )
    bank.move(
        world.store, "unfreeze", bank.frozen(sharing.mchid), bank.basic(sharing.mchid),
        sharing.frozen_fen, at=at, mchid=sharing.mchid, number=number, wechat_no=transaction_id,
    )  # fmt: skip


@tasks.handles("unfreeze")
def unfreeze_late(world: World, task: tasks.Task) -> None:
    """Thirty days are over. A split that is under way ends first."""
    busy = world.store.value(
        "select 1 from splits where transaction_id = ? and state = 'PROCESSING'", task.number
    )
    if busy:
        tasks.plan(world, "unfreeze", task.number, task.due_at + SETTLE_SECONDS)
    else:
        end_sharing(world, task.number, "", task.due_at)
