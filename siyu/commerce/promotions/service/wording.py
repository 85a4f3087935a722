"""What the built-in steps of a price are called, in the language of who asks.

A campaign's, coupon's or shipping template's entry keeps the name its merchant gave it.
"""

from collections.abc import Sequence

import msgspec

from siyu.commerce.promotions.contracts import TraceEntry

_ENGLISH = {
    ("list_price", "原价"): "List price",
    ("member_price", "会员价"): "Member price",
    ("points", "积分抵扣"): "Paid with points",
}


def word_trace(trace: Sequence[TraceEntry], *, chinese: bool) -> list[TraceEntry]:
    """The entries with built-in labels in Chinese or English; amounts and order as they are."""
    if chinese:
        return list(trace)
    return [
        msgspec.structs.replace(entry, label=_ENGLISH.get((entry.rule, entry.label), entry.label))
        for entry in trace
    ]
