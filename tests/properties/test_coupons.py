"""Coupons follow a plain model through any sequence of verbs: claim, hold, release, use, give back,
take away, and time."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.commerce.coupons import invariants, queries, service
from siyu.commerce.coupons.contracts import (
    Batch,
    BatchState,
    BudgetSpent,
    ClaimState,
    CouponUnusable,
    LimitReached,
    SoldOut,
)
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.promotions.contracts import FixedOff
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import new_id
from tests.commerce.coupons import kit

VERBS = ["claim", "claim", "hold", "hold", "release", "use", "give_back", "void", "wait"]
STEPS = st.lists(
    st.tuples(st.sampled_from(VERBS), st.integers(0, 9), st.integers(1, 1200)), max_size=30
)
TOTAL, PER_MEMBER, BUDGET, RETURN_DAYS, DAYS = 6, 4, 3000, 2, 5


@dataclass
class Piece:
    """A coupon as the model sees it."""

    state: str
    hours_left: int
    order_id: UUID | None = None
    off_fen: int = 0
    moves: list[str] = field(default_factory=lambda: ["claimed"])

    @property
    def is_good(self) -> bool:
        return self.state == "claimed" and self.hours_left > 0

    def go(self, state: str, move: str, order_id: UUID | None = None, off_fen: int = 0) -> None:
        self.state, self.order_id, self.off_fen = state, order_id, off_fen
        self.moves.append(move)


class Model:
    """What a batch of six coupons, at most four a member, with 30 yuan to give, must do."""

    def __init__(self) -> None:
        self.pieces: dict[UUID, Piece] = {}
        self.orders: list[UUID] = []

    @property
    def committed(self) -> int:
        return sum(piece.off_fen for piece in self.pieces.values())


async def test_any_sequence_of_verbs_does_what_the_model_does(tx: Tx) -> None:
    runs: list[list[tuple[str, int, int]]] = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(STEPS)
    def collect(run: list[tuple[str, int, int]]) -> None:
        runs.append(run)

    collect()
    for run in runs:
        before = clock.shift()
        await _live(tx, run)
        clock.advance(before - clock.shift())
    for sql in invariants.INVARIANTS.values():
        assert await tx.value(f"select count(*) from ({sql}) as broken") == 0


async def _refused(tx: Tx, work: object) -> type[SiyuError] | None:
    """What a verb refused with, all it did undone; None when it did not."""
    await tx.connection.execute("savepoint verb")
    try:
        await work  # type: ignore[misc]
    except SiyuError as refusal:
        await tx.connection.execute("rollback to savepoint verb")
        return type(refusal)
    return None


async def _live(tx: Tx, run: list[tuple[str, int, int]]) -> None:
    draft = kit.draft(
        gives=FixedOff(1000), total_count=TOTAL, per_member=PER_MEMBER, budget_fen=BUDGET,
        return_days=RETURN_DAYS, ends_at=kit.later(DAYS),
    )  # fmt: skip
    made = await service.create_batch(tx, System(), draft)
    batch = await service.move_batch(tx, System(), made.batch_id, BatchState.RUNNING)
    member, model = Receiver(new_id(), 1), Model()
    hours = DAYS * 24
    for verb, pick, amount in run:
        if verb == "claim":
            if hours > 0:
                await _claim(tx, batch, member, model, hours)
        elif verb == "wait":
            step = 1 + pick * 4
            clock.advance(timedelta(hours=step))
            hours -= step
            for piece in model.pieces.values():
                piece.hours_left -= step
        elif verb == "void" and model.pieces:
            claim_id = sorted(model.pieces)[pick % len(model.pieces)]
            gone = await service.void_claims(tx, System(), batch.batch_id, [claim_id], "误发")
            piece = model.pieces[claim_id]
            assert gone == ([claim_id] if piece.state == "claimed" else [])
            if gone:
                piece.go("void", "voided")
        elif verb == "hold" and model.pieces:
            await _hold(tx, member, model, pick, amount)
        elif model.orders and verb in ("release", "use", "give_back"):
            await _end(tx, model, verb, model.orders[pick % len(model.orders)])
        await _compare(tx, batch, member, model)


async def _claim(tx: Tx, batch: Batch, member: Receiver, model: Model, hours: int) -> None:
    wanted: type[SiyuError] | None = None
    if len(model.pieces) >= TOTAL or model.committed >= BUDGET:
        wanted = SoldOut
    elif len(model.pieces) >= PER_MEMBER:
        wanted = LimitReached
    work = service.claim(tx, member, batch.batch_id, None)
    assert await _refused(tx, work) is wanted
    if wanted is None:
        (claim_id,) = {
            one.claim_id for one in await queries.list_claims(tx, batch.batch_id, None, None, 1)
        }
        model.pieces[claim_id] = Piece("claimed", hours)


async def _hold(tx: Tx, member: Receiver, model: Model, pick: int, off_fen: int) -> None:
    ids = sorted(model.pieces)
    chosen = sorted({ids[pick % len(ids)], ids[off_fen % len(ids)]})
    order_id = new_id()
    wanted: type[SiyuError] | None = None
    if not all(model.pieces[claim_id].is_good for claim_id in chosen):
        wanted = CouponUnusable
    elif model.committed + off_fen * len(chosen) > BUDGET:
        wanted = BudgetSpent
    work = service.hold(tx, member.member_id, order_id, dict.fromkeys(chosen, off_fen))
    assert await _refused(tx, work) is wanted
    if wanted is None:
        model.orders.append(order_id)
        for claim_id in chosen:
            model.pieces[claim_id].go("held", "held", order_id, off_fen)


async def _end(tx: Tx, model: Model, verb: str, order_id: UUID) -> None:
    own = [piece for piece in model.pieces.values() if piece.order_id == order_id]
    if verb == "release":
        await service.release(tx, order_id)
    elif verb == "use":
        taken = sum(piece.off_fen for piece in own if piece.state == "held")
        assert await service.use(tx, order_id, 5000) == taken
    else:
        back = await service.give_back(tx, order_id, new_id())
        assert len(back) == len([piece for piece in own if piece.state == "used"])
    for piece in own:
        if piece.state == "held" and verb == "release":
            piece.go("claimed", "released")
        elif piece.state == "held" and verb == "use":
            piece.go("used", "used", order_id, piece.off_fen)
        elif piece.state == "used" and verb == "give_back":
            piece.hours_left = max(piece.hours_left, RETURN_DAYS * 24)
            piece.go("claimed", "given_back")


async def _compare(tx: Tx, batch: Batch, member: Receiver, model: Model) -> None:
    present = await service.get_batch(tx, batch.batch_id)
    assert (present.claimed_count, present.committed_fen) == (len(model.pieces), model.committed)
    for coupon in await queries.list_coupons(tx, member.member_id, list(model.pieces)):
        claim, piece = coupon.claim, model.pieces[coupon.claim.claim_id]
        assert (claim.state, claim.order_id, claim.off_fen or 0) == (
            ClaimState(piece.state), piece.order_id, piece.off_fen,
        )  # fmt: skip
    living = {one.claim.claim_id for one in await queries.list_living(tx, member.member_id, 50)}
    assert living == {
        claim_id
        for claim_id, piece in model.pieces.items()
        if piece.is_good or piece.state == "held"
    }
    for claim_id, piece in model.pieces.items():
        moves = [move.kind.value for move in await queries.list_moves(tx, claim_id)]
        assert moves == piece.moves
