"""资金: money taken, given back, shared, paid out, kept for members, and proven.

Every fen and every point is booked in `ledger`, in the transaction that moves it, and matched with
WeChat's bills by `reconciliation`. Money that fits no order is parked in suspense; it is never
ignored and never fixed in silence.
"""
