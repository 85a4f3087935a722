"""The console's view of the ledger: trial balance, entries, the story of an order."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.kernel.db import reading
from siyu.kernel.http import Page, StaffIdentity, decode_cursor, get, staff
from siyu.kernel.i18n import Language, language_of
from siyu.money.ledger import rules, service
from siyu.money.ledger.contracts import Book, Sentence, StoredEntry, TrialBalance


class LegView(msgspec.Struct, frozen=True, kw_only=True):
    """A leg: signed minor units of the asset, debit > 0, credit < 0."""

    book: Book
    name: str
    owner: UUID | None
    asset: str
    amount: int


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """An entry; `key` says what it books, `reverses` the entry it takes back."""

    entry_id: UUID
    at: datetime
    kind: str
    title: str
    key: str
    order_id: UUID | None
    ref: UUID | None
    reverses: UUID | None
    note: str
    legs: list[LegView]


class StoryView(msgspec.Struct, frozen=True, kw_only=True):
    """The money of an order, told entry by entry."""

    order_id: UUID
    sentences: list[Sentence]


@get("/ledger/accounts", access=staff("money.read"))
async def list_ledger_accounts(
    staff: StaffIdentity, request: Request[Any, Any, Any]
) -> TrialBalance:
    """The trial balance as of now: every book and asset, debits beside credits."""
    async with reading(staff.shop_id) as tx:
        rows = await service.list_accounts(tx)
    return rules.trial_balance(rows, _language(request))


@get("/ledger/entries", access=staff("money.read"))
async def list_ledger_entries(
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    book: Book | None = None,
    owner: UUID | None = None,
    order_id: Annotated[UUID | None, Parameter(query="order_id")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[EntryView]:
    """Entries that touch a book, an owner or an order, the newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_entries(
            tx,
            book=book,
            owner=owner,
            order_id=order_id,
            before=before[0] if before else None,
            limit=limit + 1,
        )
    language = _language(request)
    views = [_view(row, language) for row in rows]
    return Page.of(views, limit, lambda view: [view.entry_id])


@get("/ledger/orders/{order_id:uuid}/story", access=staff("money.read"))
async def show_order_story(
    staff: StaffIdentity, request: Request[Any, Any, Any], order_id: UUID
) -> StoryView:
    """The story of an order's money, the oldest entry first; empty before money moves."""
    async with reading(staff.shop_id) as tx:
        sentences = await service.tell_order(tx, order_id, _language(request))
    return StoryView(order_id=order_id, sentences=sentences)


def _language(request: Request[Any, Any, Any]) -> Language:
    return language_of(request.headers.get("accept-language"))


def _view(entry: StoredEntry, language: Language) -> EntryView:
    return EntryView(
        entry_id=entry.entry_id,
        at=entry.at,
        kind=entry.kind,
        title=rules.kind_name(entry.kind, language),
        key=entry.key,
        order_id=entry.order_id,
        ref=entry.ref,
        reverses=entry.reverses,
        note=entry.note,
        legs=[
            LegView(
                book=leg.book,
                name=rules.book_name(leg.book, language),
                owner=leg.owner,
                asset=leg.asset,
                amount=leg.amount,
            )
            for leg in entry.legs
        ],
    )


routes = [list_ledger_accounts, list_ledger_entries, show_order_story]
