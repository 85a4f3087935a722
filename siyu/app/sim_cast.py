"""Everything that members and clerks of a simulation do, on how many cards of the deck."""

from siyu.app import (
    sim_after_sale,
    sim_coupons,
    sim_flash,
    sim_gifts,
    sim_members,
    sim_money,
    sim_orders,
    sim_parcels,
    sim_promoters,
    sim_reviews,
    sim_staff,
    sim_trade,
)
from siyu.app.sim_members import Habits

DUTIES = [
    *sim_staff.DUTIES,
    *sim_parcels.DUTIES,
    *sim_orders.DUTIES,
    *sim_reviews.DUTIES,
    *sim_trade.DUTIES,
    *sim_gifts.DUTIES,
    *sim_promoters.DUTIES,
]
HABITS = (
    sim_members.HABITS
    | sim_money.HABITS
    | sim_after_sale.HABITS
    | sim_parcels.HABITS
    | sim_orders.HABITS
    | sim_gifts.HABITS
    | sim_coupons.HABITS
    | sim_flash.HABITS
    | sim_reviews.HABITS
    | sim_promoters.HABITS
)
AFTER_BUYING = {
    *sim_after_sale.AFTER_BUYING,
    *sim_orders.AFTER_BUYING,
    *sim_reviews.AFTER_BUYING,
    sim_parcels.look_at_parcels,
}
"""What somebody who has bought nothing cannot do."""


def eager_for(name: str) -> Habits:
    """The deck, half of it the habit of this name; the deck itself where there is no name."""
    if name and name not in {habit.__name__ for habit in HABITS}:
        raise ValueError(f"nobody has the habit {name}")
    others = sum(cards for habit, cards in HABITS.items() if habit.__name__ != name)
    return {habit: others if habit.__name__ == name else cards for habit, cards in HABITS.items()}
