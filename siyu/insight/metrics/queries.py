"""SQL of metrics."""

from datetime import datetime

import msgspec

from siyu.kernel.db import ReadTx, Tx


class Choice(msgspec.Struct, frozen=True):
    """The north star of a shop."""

    key: str
    goal: int | None


async def get_choice(tx: ReadTx) -> Choice | None:
    """What the shop has chosen; None: nothing yet."""
    return await tx.maybe(
        Choice, "select key, goal from metrics.north_star where shop_id = $1", tx.shop_id
    )


async def set_choice(tx: Tx, choice: Choice, now: datetime) -> None:
    """Choose, or choose anew."""
    await tx.run(
        """
        insert into metrics.north_star (shop_id, key, goal, chosen_at) values ($1, $2, $3, $4)
        on conflict (shop_id) do update
          set key = excluded.key, goal = excluded.goal, chosen_at = excluded.chosen_at
        """,
        tx.shop_id,
        choice.key,
        choice.goal,
        now,
    )
