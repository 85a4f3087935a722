"""From the rows of another system's table to lines and orders of ours: pure, and fast.

What is refused, under a stable reason code: `columns_missing`, `customer_missing`, `item_missing`,
`time_malformed`, `time_in_future`, `quantity_malformed`, `quantity_zero`, `quantity_too_large`,
`price_malformed`, `price_negative`, `price_too_precise`, `amount_too_large`, `order_too_long`.
A price of zero is a gift: it is imported, and noted as `price_zero`. A negative quantity is a
return, kept with positive numbers as an order of kind `return`; so is a line of a table that calls
it one. `not_sold`: the table says that it was never paid, or was paid back.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from siyu.commerce.ordering import rules
from siyu.commerce.ordering.contracts import OrderKind, OrderStatus
from siyu.commerce.ordering.service.history_files import ImportPreset
from siyu.kernel.money import MAX_FEN

MAX_PIECES = 1_000_000
MAX_ORDER_LINES = 32_000

T = TypeVar("T")
_NOT_SOLD = frozenset(
    word.casefold()
    for status in (OrderStatus.PENDING_PAYMENT, OrderStatus.CANCELLED, OrderStatus.REFUNDED)
    for word in (status.value, *rules.STATUS_WORDS[status].values())
)
_RETURNS = frozenset(
    word.casefold()
    for word in (OrderKind.RETURN.value, *rules.KIND_WORDS[OrderKind.RETURN].values())
)
_QUANTITY = re.compile(r"(-?)([0-9]{1,9})(?:\.0+)?")
_PRICE = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]+))?")


class Refused(Exception):
    """This row cannot be an order line; the text is the reason code."""


class Refusal(NamedTuple):
    """A row that was not taken, as it stood in its file."""

    file: str
    line_no: int
    reason: str
    content: str


class StagedLine(NamedTuple):
    """A line on its way: which order and item of this import, and its place in the order."""

    order_seq: int
    line_no: int
    item_seq: int
    quantity: int
    price_fen: int
    file_no: int
    row_no: int


class HistoryOrder:
    """An order as its lines are coming in. `ref`: its number there, else its moment."""

    __slots__ = ("at", "customer", "items_fen", "kind", "lines", "ref")

    def __init__(self, ref: str, customer: str, at: datetime, kind: OrderKind) -> None:
        self.ref = ref
        self.customer = customer
        self.at = at
        self.kind = kind
        self.lines = 0
        self.items_fen = 0


def read_quantity(text: str) -> int:
    """Whole pieces, not zero; negative for a return."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise Refused("quantity_malformed")
    pieces = int(match[2])
    if not pieces:
        raise Refused("quantity_zero")
    if pieces > MAX_PIECES:
        raise Refused("quantity_too_large")
    return -pieces if match[1] else pieces


def read_price(text: str) -> int:
    """Minor units, exactly: `6.95` is 695, and `0.001` is nobody's price."""
    match = _PRICE.fullmatch(text.strip())
    if match is None:
        raise Refused("price_malformed")
    fraction = (match[3] or "").rstrip("0")
    if len(fraction) > 2:
        raise Refused("price_too_precise")
    price_fen = int(match[2]) * 100 + int(fraction.ljust(2, "0"))
    if match[1] and price_fen:
        raise Refused("price_negative")
    if price_fen > MAX_FEN:
        raise Refused("amount_too_large")
    return price_fen


class Moment(NamedTuple):
    """A moment, and how it stands in an order's key."""

    at: datetime
    key: str


def read_time(text: str, zone: ZoneInfo, formats: Sequence[str], now: datetime) -> Moment:
    """A moment; without an offset it is local time of the shop (of two, the earlier one)."""
    at = None
    for reads in (datetime.fromisoformat, *(_reader(form) for form in formats)):
        try:
            at = reads(text.strip())
            break
        except ValueError:
            continue
    if at is None:
        raise Refused("time_malformed")
    at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    if at > now:
        raise Refused("time_in_future")
    return Moment(at, at.isoformat())


def _reader(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)


def _remembering(read: Callable[[str], T]) -> Callable[[str], T]:
    """Read each different text once: a history repeats its times, prices and quantities."""
    known: dict[str, T] = {}

    def remember(text: str) -> T:
        found = known.get(text)
        if found is None:
            found = read(text)
            if len(known) < 200_000:
                known[text] = found
        return found

    return remember


class History:
    """All that was read so far; `stage` is fed one table after the other."""

    def __init__(self, preset: ImportPreset, zone: ZoneInfo, now: datetime) -> None:
        self.orders: list[HistoryOrder] = []
        self.items: dict[str, int] = {}
        self.prices: list[int] = []
        self.item_names: dict[str, str] = {}
        self.customers: dict[str, datetime] = {}
        self.customer_names: dict[str, str] = {}
        self.countries: dict[str, str] = {}
        self.refusals: list[Refusal] = []
        self.notes: Counter[str] = Counter()
        self.lines = 0
        self._seqs: dict[tuple[str, str, bool], int] = {}
        self._quantity = _remembering(read_quantity)
        self._price = _remembering(read_price)
        self._time = _remembering(lambda text: read_time(text, zone, preset.time_formats, now))

    def name(self, rows: Iterable[tuple[int, Sequence[str]]], columns: Mapping[str, int]) -> None:
        """Take names of items and customers from a table of theirs."""
        for field, key, names in (
            ("item_name", "item", self.item_names),
            ("customer_name", "customer", self.customer_names),
            ("country", "customer", self.countries),
        ):
            if field in columns and key in columns:
                at, named = columns[key], columns[field]
                rows = list(rows)
                names.update(
                    (row[at].strip(), row[named].strip())
                    for _, row in rows
                    if len(row) > max(at, named)
                )

    def stage(
        self,
        file: str,
        file_no: int,
        rows: Iterable[tuple[int, Sequence[str]]],
        columns: Mapping[str, int],
    ) -> Iterator[StagedLine]:
        """The lines of a table, numbered into orders; what is refused is kept aside."""
        customer_at, time_at, item_at = columns["customer"], columns["time"], columns["item"]
        quantity_at, price_at = columns["quantity"], columns["price"]
        order_at = columns.get("order_no")
        names_at = columns.get("item_name")
        kind_at, status_at = columns.get("kind"), columns.get("status")
        width = max(columns.values()) + 1
        for row_no, row in rows:
            self.lines += 1
            try:
                if len(row) < width:
                    raise Refused("columns_missing")
                if status_at is not None and row[status_at].strip().casefold() in _NOT_SOLD:
                    raise Refused("not_sold")
                quantity = self._quantity(row[quantity_at])
                is_return = quantity < 0 or (
                    kind_at is not None and row[kind_at].strip().casefold() in _RETURNS
                )
                price_fen = self._price(row[price_at])
                moment = self._time(row[time_at])
                customer, item = row[customer_at].strip(), row[item_at].strip()
                ref = row[order_at].strip() if order_at is not None else ""
                order_seq = self._order(ref or moment.key, customer, item, moment.at, is_return)
                order = self.orders[order_seq]
                amount_fen = price_fen * abs(quantity)
                if order.items_fen + amount_fen > MAX_FEN:
                    raise Refused("amount_too_large")
                if order.lines == MAX_ORDER_LINES:
                    raise Refused("order_too_long")
            except Refused as refused:
                content = ",".join(row)[:1000]
                self.refusals.append(Refusal(file, row_no, str(refused), content))
                continue
            order.lines += 1
            order.items_fen += amount_fen
            if not price_fen:
                self.notes["price_zero"] += 1
            if names_at is not None:
                self.item_names.setdefault(item, row[names_at].strip())
            yield StagedLine(
                order_seq,
                order.lines,
                self._item(item, price_fen),
                abs(quantity),
                price_fen,
                file_no,
                row_no,
            )

    def name_of(self, customer: str) -> str | None:
        """A customer's name as it can be shown, if the history has one."""
        name = "".join(c for c in self.customer_names.get(customer, "") if c.isprintable())
        return name.strip()[:64] or None

    def _order(self, ref: str, customer: str, item: str, at: datetime, is_return: bool) -> int:
        if not customer or len(customer) > 64:
            raise Refused("customer_missing")
        if not item or len(item) > 40:
            raise Refused("item_missing")
        key = (customer, ref, is_return)
        seq = self._seqs.get(key)
        if seq is None:
            seq = self._seqs[key] = len(self.orders)
            kind = OrderKind.RETURN if is_return else OrderKind.SALE
            self.orders.append(HistoryOrder(ref, customer, at, kind))
            if at < self.customers.setdefault(customer, at):
                self.customers[customer] = at
        return seq

    def _item(self, item: str, price_fen: int) -> int:
        seq = self.items.get(item)
        if seq is None:
            seq = self.items[item] = len(self.items)
            self.prices.append(price_fen)
        self.prices[seq] = price_fen
        return seq
