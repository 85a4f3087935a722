"""Everybody at once: sets of persons as integers, bit n for person n.

A set may also be "everybody but these": then the integer is negative (Python's integers have as
many leading ones as are needed), and `&`, `|`, `~` mean what they should. Whoever is left at the
end is cut with those who are there at all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress

from siyu.people.segments.contracts import (
    All,
    AnyOf,
    Leaf,
    Not,
    Overlap,
    Rule,
    Spent,
    Times,
)

BLOCK = 16_384
BYTES = BLOCK // 8
EVERYBODY = -1
_ONES = bytes.maketrans(b"01", b"\x00\x01")


def bits_of(numbers: Sequence[int]) -> int:
    """A set of persons out of their numbers, in any order."""
    top = max(numbers, default=0)
    flags = bytearray(b"0") * (top + 1)
    for number in numbers:
        flags[top - number] = 49  # "1"
    return int(flags, 2)


def numbers_of(bits: int) -> list[int]:
    """The numbers of a set, growing."""
    flags = bin(bits)[:1:-1].encode().translate(_ONES)
    return list(compress(range(len(flags)), flags))


def blocks_of(bits: int) -> Iterator[tuple[int, bytes]]:
    """(block, bits) of blocks with anybody in them."""
    data = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    for at in range(0, len(data), BYTES):
        block = data[at : at + BYTES].ljust(BYTES, b"\0")
        if any(block):
            yield at // BYTES, block


def joined(blocks: Iterable[tuple[int, bytes]]) -> int:
    """The set that blocks make."""
    found = dict(blocks)
    if not found:
        return 0
    nobody = bytes(BYTES)
    data = b"".join(found.get(n, nobody) for n in range(max(found) + 1))
    return int.from_bytes(data, "little")


def combine(rule: Rule, leaf: Callable[[Leaf], int]) -> int:
    """Who fits a rule, given who fits each leaf; negative: everybody but some."""
    match rule:
        case All():
            bits = EVERYBODY
            for part in rule.parts:
                bits &= combine(part, leaf)
            return bits
        case AnyOf():
            bits = 0
            for part in rule.parts:
                bits |= combine(part, leaf)
            return bits
        case Not():
            return ~combine(rule.part, leaf)
    return leaf(rule)


def asked_of(leaf: Times | Spent) -> tuple[Times | Spent | None, bool]:
    """The same question so that only persons with such an event can fit, and whether its answer is
    to be turned round; None: nobody."""
    step, days = leaf.step, leaf.days
    if isinstance(leaf, Times):
        if leaf.op == "le" or (leaf.op == "eq" and leaf.n == 0):
            return Times(step=step, op="ge", n=leaf.n + 1, days=days), True
        return (None, True) if leaf.n == 0 else (leaf, False)
    if leaf.op == "le":
        return Spent(step=step, op="ge", fen=leaf.fen + 1, days=days), True
    if leaf.fen == 0:
        return Spent(step=step, op="le", fen=-1, days=days), True
    return leaf, False


def bar_of(sums: Iterable[int], percent: int) -> int | None:
    """The least sum among the top: fewer than `percent` % of the positive ones are above it; ties
    are all in. None: no sum is positive."""
    counts = Counter(value for value in sums if value > 0)
    total, above, bar = counts.total(), 0, None
    for value in sorted(counts, reverse=True):
        if above * 100 >= percent * total:
            break
        bar, above = value, above + counts[value]
    return bar


def overlap(sets: Sequence[int]) -> Overlap:
    """Sets in pairs, and the regions of the first three."""
    both = [[(one & other).bit_count() for other in sets] for one in sets]
    first = sets[:3]
    regions = {}
    for mask in range(1, 1 << len(first)):
        inside = EVERYBODY
        for n, bits in enumerate(first):
            inside &= bits if mask >> n & 1 else ~bits
        regions[mask] = inside.bit_count()
    return Overlap([bits.bit_count() for bits in sets], both, regions)
