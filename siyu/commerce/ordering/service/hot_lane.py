"""The hot lane: orders for one SKU that many want at once are worked off together.

One by one, each order would hold the SKU's stock through a flush of the disk. Here the orders that
came while the last batch was being committed are the next batch: one transaction, one flush, one
change of the stock for up to `MOST` of them. There is no timer: who comes alone goes alone. Nothing
lives in memory but the waiting itself, so a killed process loses only orders that nobody was told
of, and their keys find out.

Each order is judged for itself: its key, its price, its address, what is left, and how many its
buyer has already. A batch that fails as a whole is halved until the failing order stands alone, and
that one takes the ordinary way. What is written, told and answered is the same on both ways.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.coupons import service as coupons
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockShort, Supply, SupplyMoved
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    Delivery,
    LimitReached,
    LineAsked,
    OrderPlaced,
    Platform,
    PriceChanged,
    TimelineEntry,
)
from siyu.commerce.ordering.service import checkout_store, hot_lane_store, order_view
from siyu.commerce.ordering.service.basket import Basket, Choice, campaigns, price_line
from siyu.commerce.ordering.service.checkout import (
    address_text,
    check_confirmed,
    compose,
    place_order,
    seal_address,
)
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import Audience, Buyer, Pricing, Region
from siyu.kernel import clock, idempotency, metrics
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import Tx, transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.events import emit_many
from siyu.kernel.idempotency import OnceKey, StillRunning
from siyu.kernel.ids import ShopId, new_ids, random_bytes
from siyu.kernel.pool import BETWEEN
from siyu.kernel.together import Together
from siyu.money.points.contracts import PointsOffer
from siyu.money.stored_value.contracts import Wallet
from siyu.people.members import service as members
from siyu.people.members.contracts import CheckoutMember, Level

MOST = 256
"""Orders in one batch."""
PLENTY = 4 * MOST
"""Pieces left, from which on the stock is touched last. With fewer, it is locked before anybody is
refused, so that each refusal is exact."""

log = logging.getLogger("siyu.hot_lane")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An order for one SKU, without points, balance, gift or place of collection; its fields are
    those of `checkout.place_order`. `best_coupons`: no coupon was named, and the best ones are to
    be used. `chinese`: the language of the answer.
    """

    member: MemberIdentity
    once: OnceKey
    line: LineAsked
    address_id: UUID | None
    remark: str
    expected_total_fen: int
    expected_payable_fen: int | None
    platform: Platform
    empties_cart: bool
    promoter_id: UUID | None
    best_coupons: bool
    chinese: bool


class _Alone(Exception):
    """This order needs what only the ordinary way can do."""


class _Cold(_Alone):
    """And so do others for the SKU."""


Answer = bytes | Exception


class _Waiting(msgspec.Struct, frozen=True):
    wish: Wish
    answer: "asyncio.Future[bytes]"

    def take(self, answer: Answer) -> None:
        """Tell whoever still waits."""
        if not self.answer.done():
            if isinstance(answer, Exception):
                self.answer.set_exception(answer)
            else:
                self.answer.set_result(answer)


_lanes: dict[tuple[ShopId, UUID], "_Lane"] = {}


async def place(wish: Wish) -> bytes:
    """Place an order together with others; the JSON of its OrderView.

    Raises what `checkout.place_order` does, LimitReached, and for the key Replayed, Recalled,
    KeyReused, StillRunning. Opens its own transaction.
    """
    key = (wish.member.shop_id, wish.line.sku_id)
    lane = _lanes.get(key) or _lanes.setdefault(key, _Lane(*key))
    return await lane.place(wish)


class _Lane:
    """Those who wait for one SKU, and the batch under way. One at a time: while it is written, the
    next one grows, and the other web processes have the processor.
    """

    def __init__(self, shop_id: ShopId, sku_id: UUID) -> None:
        self.shop_id, self.sku_id = shop_id, sku_id
        self.waiting: deque[_Waiting] = deque()
        self.keys: set[UUID] = set()
        self.worker: asyncio.Task[None] | None = None

    async def place(self, wish: Wish) -> bytes:
        """Join the line."""
        key = wish.once.key_id
        if key in self.keys:
            raise StillRunning
        self.keys.add(key)
        waiting = _Waiting(wish, asyncio.get_running_loop().create_future())
        self.waiting.append(waiting)
        if self.worker is None:
            self.worker = asyncio.create_task(self._work())
        try:
            return await waiting.answer
        finally:
            self.keys.discard(key)

    async def _work(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self.waiting:
                count = min(MOST, len(self.waiting))
                taken = (self.waiting.popleft() for _ in range(count))
                batch = [one for one in taken if not one.answer.done()]
                if batch:
                    await self._settle(batch)
        finally:
            _lanes.pop((self.shop_id, self.sku_id), None)
            for one in (*batch, *self.waiting):  # told already, unless this task is being ended
                one.take(Busy())

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        """Let each of a batch have its answer."""
        wishes = [one.wish for one in batch]
        try:
            answers = await _place_together(self.shop_id, self.sku_id, wishes)
        except Busy as error:
            answers = [type(error)() for _ in batch]
        except Exception as error:
            if len(batch) > 1:
                half = len(batch) // 2
                await self._settle(batch[:half])
                await self._settle(batch[half:])
                return
            if not isinstance(error, SupplyMoved | PriceChanged):
                log.exception("an order failed in the hot lane")
            answers = [error if isinstance(error, PriceChanged) else _Cold()]
        alone: list[_Waiting] = []
        for one, answer in zip(batch, answers, strict=True):
            if isinstance(answer, _Alone):
                alone.append(one)
            else:
                one.take(answer)
        if any(isinstance(answer, _Cold) for answer in answers):
            inventory.close_lane(self.shop_id, self.sku_id)
        for one in alone:
            one.take(await _place_alone(one.wish))


async def _place_alone(wish: Wish) -> Answer:
    try:
        async with transaction(wish.member.shop_id, once=wish.once) as tx:
            placed = await place_order(
                tx,
                wish.member,
                [wish.line],
                address_id=wish.address_id,
                remark=wish.remark,
                expected_total_fen=wish.expected_total_fen,
                platform=wish.platform,
                empties_cart=wish.empties_cart,
                choice=Choice(coupon_ids=None if wish.best_coupons else ()),
                expected_payable_fen=wish.expected_payable_fen,
                promoter_id=wish.promoter_id,
            )
            return msgspec.json.encode(order_view.answer(tx, placed, chinese=wish.chinese))
    except Exception as error:
        return error


# --- one batch --------------------------------------------------------------------------------


class _Draft(msgspec.Struct, frozen=True):
    """An order that may be placed if there is enough of the goods, and what its buyer would see."""

    no: int
    wish: Wish
    mould: "_Mould"
    new: hot_lane_store.HotOrder
    answer: bytes


async def _place_together(shop_id: ShopId, sku_id: UUID, wishes: Sequence[Wish]) -> list[Answer]:
    """Judge and place orders in one transaction; for each its answer."""
    answers: dict[int, Answer] = {}
    async with transaction(shop_id, replans=False) as tx:
        both = Together(tx)
        claims, found, pricing, supply = await both.answer(
            idempotency.claim_many(both, [wish.once for wish in wishes]),
            catalog.load_for_sale(both, [sku_id]),
            promotions.load_pricing(both, now=clock.now()),
            inventory.load_supply(both, sku_id, locked=False),
        )
        answers |= {no: claim for no, claim in enumerate(claims) if claim is not None}
        fresh = [(no, wish) for no, wish in enumerate(wishes) if no not in answers]
        drafts: list[_Draft] = []
        for no, draft in await _compose_all(tx, found, pricing, fresh) if fresh else ():
            if isinstance(draft, _Draft):
                drafts.append(draft)
            else:
                answers[no] = draft
        supply = await _check_supply(tx, sku_id, drafts, supply)
        accepted = []
        for draft, refusal in await _judge(tx, sku_id, drafts, supply):
            if refusal is None:
                accepted.append(draft)
            else:
                answers[draft.no] = refusal
        refused = len(wishes) - len(accepted)
        if accepted:
            answers |= await _write(tx, sku_id, accepted, supply, refused)
        else:
            await inventory.count_batch(tx, sku_id, supply.lane, orders=0, refused=refused)
    metrics.hot_batches.observe(len(wishes))
    metrics.hot_orders.labels("placed").inc(len(accepted))
    metrics.hot_orders.labels("refused").inc(refused)
    return [answers[no] for no in range(len(wishes))]


async def _compose_all(
    tx: Tx, found: list[SkuForSale], pricing: Pricing, fresh: Sequence[tuple[int, Wish]]
) -> list[tuple[int, _Draft | Exception]]:
    """Price and compose each order, or say why there is none."""
    try:
        # The shop's word about the SKU is the same for all; asked for one piece here.
        skus = rules.match_skus([LineAsked(fresh[0][1].line.sku_id, 1)], found)
    except SiyuError as error:
        return [(no, type(error)(**error.details)) for no, _ in fresh]
    is_sent = rules.delivery_of(skus) is Delivery.SHIP
    buyers = await members.load_many_for_checkout(
        tx, [(wish.member.member_id, wish.address_id if is_sent else None) for _, wish in fresh]
    )
    composer = _Composer(skus, pricing, await _learn(tx, pricing, [wish for _, wish in fresh]))
    return [
        (no, composer.try_compose(no, wish, buyer, order_id))
        for (no, wish), buyer, order_id in zip(fresh, buyers, new_ids(len(fresh)), strict=True)
    ]


class _Known(msgspec.Struct, frozen=True):
    """Which buyers of a batch a price may differ for: who has coupons, who has bought nothing yet,
    whose birthday it is; each asked only when it matters.
    """

    holders: set[UUID]
    first: set[UUID]
    celebrating: set[UUID]


async def _learn(tx: Tx, pricing: Pricing, wishes: Sequence[Wish]) -> _Known:
    buyers = [wish.member.member_id for wish in wishes]
    choosing = [wish.member.member_id for wish in wishes if wish.best_coupons]
    asks_first = any(campaigns(pricing, Audience.FIRST_ORDER))
    asks_birthday = any(campaigns(pricing, Audience.BIRTHDAY))
    return _Known(
        holders=await coupons.find_holders(tx, choosing) if choosing else set(),
        first=await checkout_store.find_first(tx, buyers) if asks_first else set(),
        celebrating=await coupons.find_celebrating(tx, buyers) if asks_birthday else set(),
    )


class _Mould(msgspec.Struct, frozen=True):
    """What orders for the same quantity by the same kind of buyer have in common, the `no`th of
    its batch. `answer`: the JSON around what is the buyer's own: id, number, remark, address.
    """

    no: int
    basket: Basket
    new: queries.NewOrder
    answer: list[bytes]


class _Composer:
    """Makes orders for one SKU. The price function is pure, so that the same quantity is priced
    once for the same kind of buyer; only what is the buyer's own is made for each.
    """

    def __init__(self, skus: list[SkuForSale], pricing: Pricing, known: _Known) -> None:
        self.skus = skus
        self.delivery = rules.delivery_of(skus)
        self.rules = pricing.rules
        self.for_first = {rule.campaign_id for rule in campaigns(pricing, Audience.FIRST_ORDER)}
        self.known = known
        self.moulds: dict[tuple[Any, ...], _Mould] = {}
        self.confirmed: dict[tuple[Any, ...], _Mould] = {}

    def try_compose(
        self, no: int, wish: Wish, buyer: CheckoutMember | SiyuError, order_id: UUID
    ) -> _Draft | Exception:
        """The order, or why there is none."""
        if isinstance(buyer, SiyuError):
            return buyer
        if wish.best_coupons and buyer.member_id in self.known.holders:
            return _Alone()
        if BETWEEN in wish.remark:
            return _Alone()
        kind, saw = self._kind(wish, buyer), (wish.expected_total_fen, wish.expected_payable_fen)
        mould = self.confirmed.get((*kind, *saw))
        if mould is None:
            try:
                mould = self._mould(kind, wish, buyer)
                check_confirmed(mould.basket, wish.platform, *saw)
            except (SiyuError, _Alone) as error:
                return error
            self.confirmed[*kind, *saw] = mould
        if mould.new.is_first:  # the next order of the same buyer in this batch is none
            self.known.first.discard(buyer.member_id)
        return _fill(mould, no, wish, buyer, order_id)

    def _kind(self, wish: Wish, buyer: CheckoutMember) -> tuple[Any, ...]:
        """What the price, and the words around it, depend on."""
        known, address = self.known, buyer.address
        is_first = bool(known.first) and buyer.member_id in known.first
        is_birthday = bool(known.celebrating) and buyer.member_id in known.celebrating
        province, city = (address.province, address.city) if address else (None, None)
        what = (wish.line.quantity, wish.platform, wish.chinese)
        return (is_first, is_birthday, province, city, buyer.level, *what)

    def _mould(self, key: tuple[Any, ...], wish: Wish, buyer: CheckoutMember) -> _Mould:
        is_first, is_birthday, province, city, *_ = key
        mould = self.moulds.get(key)
        if mould is None:
            kind = Buyer(
                pays_member_price=buyer.level is Level.VIP,
                is_first_order=is_first,
                is_birthday=is_birthday,
                region=Region(province, city) if buyer.address else None,
            )
            mould = self.moulds[key] = self._make(wish, buyer, kind)
        return mould

    def _make(self, wish: Wish, buyer: CheckoutMember, kind: Buyer) -> _Mould:
        (line,) = rules.merge_lines([wish.line])
        quote = promotions.price(
            [price_line(self.skus[0], line.quantity)],
            kind,
            self.rules,
            is_sent=self.delivery is Delivery.SHIP,
        )
        if quote.gifts or quote.total_fen == 0:
            raise _Cold
        basket = Basket(
            skus=self.skus,
            quote=quote,
            gifts=[],
            left_out=[],
            delivery=self.delivery,
            address=buyer.address,
            pickup=None,
            offers=[],
            offer=PointsOffer(0, 0),
            wallet=Wallet(0, 0),
            points=0,
            balance_fen=0,
            is_first=any(entry.rule_id in self.for_first for entry in quote.trace),
        )
        order, new = compose(basket, wish.member, None, "", wish.platform, False)
        timeline = [TimelineEntry(order.placed_at, "placed", wish.member.actor_name)]
        view = order_view.show(order, new.lines, None, timeline, [], chinese=wish.chinese)
        gap = msgspec.Raw(b"\0")  # which no JSON holds
        cut = replace(view, order_id=gap, order_no=gap, remark=gap, address=gap)
        return _Mould(len(self.moulds) + 1, basket, new, msgspec.json.encode(cut).split(gap))


def _fill(mould: _Mould, no: int, wish: Wish, buyer: CheckoutMember, order_id: UUID) -> _Draft:
    """An order out of its mould: number, buyer, address, and what the buyer said."""
    member = wish.member
    kept = told = None
    if buyer.address:
        text = address_text(buyer.address)
        told = msgspec.json.encode(text)
        kept = vault().lookup(text.phone) + seal_address(told)
    new = hot_lane_store.HotOrder(
        mould.no,
        order_id,
        rules.order_number(random_bytes(10)),
        member.member_id,
        member.person_no,
        wish.remark,
        kept,
        wish.promoter_id if wish.promoter_id != member.member_id else None,
    )
    names = f'"{new.order_id}"'.encode(), f'"{new.order_no}"'.encode()
    own = (*names, msgspec.json.encode(wish.remark), told or b"null", b"")
    answer = b"".join(itertools.chain(*zip(mould.answer, own, strict=True)))
    return _Draft(no, wish, mould, new, answer)


async def _check_supply(tx: Tx, sku_id: UUID, drafts: Sequence[_Draft], supply: Supply) -> Supply:
    wanted = sum(draft.wish.line.quantity for draft in drafts)
    is_scarce = 0 < supply.available < PLENTY + wanted
    if drafts and (is_scarce or supply.limit_per_buyer is not None):
        return await inventory.load_supply(tx, sku_id, locked=True)
    return supply


async def _judge(
    tx: Tx, sku_id: UUID, drafts: Sequence[_Draft], supply: Supply
) -> list[tuple[_Draft, Exception | None]]:
    """Who gets the goods, first come first served; the others with the reason."""
    left, limit = supply.available, supply.limit_per_buyer
    bought: dict[UUID, int] = {}
    if limit is not None and drafts:
        buyers = [draft.wish.member.member_id for draft in drafts]
        bought = await hot_lane_store.count_bought(tx, sku_id, buyers)
    judged: list[tuple[_Draft, Exception | None]] = []
    for draft in drafts:
        wanted, member_id = draft.wish.line.quantity, draft.wish.member.member_id
        has = bought.get(member_id, 0)
        if wanted > left:
            short = {"sku_id": str(sku_id), "wanted": wanted, "available": left}
            judged.append((draft, StockShort(short=[short])))
        elif limit is not None and has + wanted > limit:
            judged.append((draft, LimitReached(sku_id=str(sku_id), limit=limit)))
        else:
            left -= wanted
            bought[member_id] = has + wanted
            judged.append((draft, None))
    return judged


async def _write(
    tx: Tx, sku_id: UUID, accepted: Sequence[_Draft], supply: Supply, refused: int
) -> Iterable[tuple[int, bytes]]:
    """Write the orders, the stock last; the answers."""
    placed = [
        OrderPlaced(
            order_id=draft.new.order_id,
            order_no=draft.new.order_no,
            person_no=draft.new.person_no,
            amount_fen=draft.mould.new.order.total_fen,
        )
        for draft in accepted
    ]
    emit_many(tx, placed, [draft.mould.new.order.placed_at for draft in accepted])
    tx.keep_answers((draft.wish.once, draft.new.order_id) for draft in accepted)
    await hot_lane_store.insert_orders(
        tx,
        {draft.mould.no: draft.mould.new for draft in accepted},
        [draft.new for draft in accepted],
        [draft.new.member_id for draft in accepted if draft.wish.empties_cart],
    )
    wanted = [
        (draft.new.order_id, draft.wish.line.quantity, draft.mould.new.order.pay_before)
        for draft in accepted
    ]
    await inventory.reserve_many(tx, sku_id, supply, wanted, refused=refused)
    return [(draft.no, draft.answer) for draft in accepted]
