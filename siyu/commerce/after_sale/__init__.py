"""After-sale: what a customer wants undone after paying, and how far the shop has got with it.

Owns cases with their lines, evidence pictures and timeline, the claims that keep a piece from being
settled twice, and the shop's terms (deadlines, return address, goods not returnable). A case is a
refund only (before shipping: a cancellation), a return for money, or an exchange.

Always: a case moves only along `rules.STEPS`, each step with a line in the timeline; of an order
line no more pieces and no more fen are claimed than were bought; the refund's number stands in the
case before money is asked for, so that it is asked for once; an evidence picture is seen by its
member and the shop's staff and nobody else. Who does not act in time is decided for: the deadline
approves, pays, expires or, where the goods may be in the customer's hands, reminds.

Money goes only through `ordering.refund`. Emits `after_sale.case_opened`, `case_approved`,
`case_overdue`, `case_closed`. Hears `ordering.order_refunded`, `ordering.order_refund_undone`,
`payments.refund_abnormal`. Called by the shop and the console.
"""
