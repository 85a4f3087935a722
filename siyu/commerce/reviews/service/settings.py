"""What a shop decides about its reviews."""

import msgspec

from siyu.commerce.reviews import rules
from siyu.commerce.reviews.contracts import ReviewSettings
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx


async def load_settings(tx: ReadTx) -> ReviewSettings:
    """What the shop decided, or the defaults."""
    found = await tx.maybe(
        ReviewSettings,
        """select checking, review_days, addition_days, edit_hours, words
           from reviews.settings where shop_id = $1""",
        tx.shop_id,
    )
    return found or ReviewSettings()


async def save_settings(tx: Tx, actor: Actor, wanted: ReviewSettings) -> ReviewSettings:
    """Decide anew; what waits or is shown stays so until somebody decides."""
    wanted = msgspec.structs.replace(wanted, words=rules.clean_words(wanted.words))
    before = await load_settings(tx)
    await tx.run(
        """insert into reviews.settings
             (shop_id, checking, review_days, addition_days, edit_hours, words)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (shop_id) do update set checking = excluded.checking,
             review_days = excluded.review_days, addition_days = excluded.addition_days,
             edit_hours = excluded.edit_hours, words = excluded.words""",
        tx.shop_id,
        wanted.checking.value,
        wanted.review_days,
        wanted.addition_days,
        wanted.edit_hours,
        wanted.words,
    )
    audit(
        tx,
        actor,
        "reviews.settings_changed",
        subject=("shop", tx.shop_id),
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(wanted),
    )
    return wanted
