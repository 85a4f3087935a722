"""资金: money taken, parked and later given back.

`payments` takes money through WeChat Pay. Every amount is whole fen; money that fits no order is
parked in suspense and raises an alarm, it is never ignored and never fixed in silence.
"""
