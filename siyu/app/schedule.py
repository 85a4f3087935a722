"""The modules whose jobs and periodic work the worker runs; importing one registers its work.

Each function says its own rhythm (`@every`), and finds what is due by the state of the rows.
"""

from siyu.app import backup, truths
from siyu.commerce.after_sale import background as after_sale
from siyu.commerce.bulk import background as bulk
from siyu.commerce.coupons import background as coupons
from siyu.commerce.fulfilment import background as fulfilment
from siyu.commerce.ordering import background as ordering
from siyu.commerce.reviews import background as reviews
from siyu.growth.gifting import background as gifting
from siyu.insight.behaviour import background as behaviour
from siyu.kernel import housekeeping, inbox
from siyu.merchant.staff import background as staff
from siyu.money.ledger import background as ledger
from siyu.money.payments import background as payments
from siyu.money.payouts import background as payouts
from siyu.money.points import background as points
from siyu.money.profit_sharing import background as profit_sharing
from siyu.money.reconciliation import background as reconciliation
from siyu.money.stored_value import background as stored_value
from siyu.people.experiments import background as experiments
from siyu.people.outreach import background as outreach
from siyu.people.privacy import background as privacy
from siyu.people.profiles import background as profiles
from siyu.people.segments import background as segments
from siyu.warehouse.compaction import background as compaction
from siyu.warehouse.tail import background as tail

MODULES = (
    housekeeping,
    inbox,
    staff,
    ledger,
    payments,
    payouts,
    profit_sharing,
    points,
    stored_value,
    reconciliation,
    coupons,
    ordering,
    fulfilment,
    reviews,
    after_sale,
    bulk,
    gifting,
    profiles,
    segments,
    experiments,
    outreach,
    privacy,
    tail,
    compaction,
    behaviour,
    truths,
    backup,
)
