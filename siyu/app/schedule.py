"""The modules whose jobs and periodic work the worker runs; importing one registers its work.

Each function says its own rhythm (`@every`), and finds what is due by the state of the rows.
"""

from siyu.app import backup, truths
from siyu.commerce.ordering import background as ordering
from siyu.kernel import housekeeping, inbox
from siyu.merchant.staff import background as staff
from siyu.money.payments import background as payments
from siyu.warehouse.compaction import background as compaction
from siyu.warehouse.tail import background as tail

MODULES = (housekeeping, inbox, staff, payments, ordering, tail, compaction, truths, backup)
