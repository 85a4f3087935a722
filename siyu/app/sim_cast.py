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
    sim_reviews,
    sim_staff,
    sim_trade,
)

DUTIES = [
    *sim_staff.DUTIES,
    *sim_parcels.DUTIES,
    *sim_orders.DUTIES,
    *sim_reviews.DUTIES,
    *sim_trade.DUTIES,
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
)
AFTER_BUYING = {
    *sim_after_sale.AFTER_BUYING,
    *sim_orders.AFTER_BUYING,
    *sim_reviews.AFTER_BUYING,
    sim_parcels.look_at_parcels,
}
"""What somebody who has bought nothing cannot do."""
