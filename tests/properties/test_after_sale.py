"""Money of after-sale: however an order is taken apart, it gives back what was paid, to the fen."""

from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.after_sale import rules
from siyu.commerce.after_sale.rules import Piece
from siyu.commerce.catalog.contracts import ProductKind

FEN = st.integers(0, 10**10)


def piece(quantity: int, amount_fen: int) -> Piece:
    return Piece(1, ProductKind.PHYSICAL, False, quantity, amount_fen)


@given(quantity=st.integers(1, 999), total_fen=FEN, data=st.data())
def test_pieces_claimed_in_any_portions_are_worth_the_line(quantity, total_fen, data):
    """Some portions are given free again on the way, as rejected cases are."""
    left, fen, held, paid = quantity, total_fen, [], 0
    for _ in range(30):
        if not left:
            break
        taken = data.draw(st.integers(1, left))
        cap = rules.cap_fen(piece(left, fen), taken)
        assert 0 <= cap <= fen
        left, fen = left - taken, fen - cap
        held.append((taken, cap))
        if data.draw(st.booleans()):
            taken, cap = held.pop(data.draw(st.integers(0, len(held) - 1)))
            left, fen = left + taken, fen + cap
    if left:
        held.append((left, rules.cap_fen(piece(left, fen), left)))
    paid = sum(cap for _, cap in held)
    assert paid == total_fen


@given(caps=st.lists(FEN, min_size=1, max_size=100), shipping_fen=FEN, data=st.data())
def test_an_amount_is_shared_without_a_fen_lost_and_within_each_part(caps, shipping_fen, data):
    amount = data.draw(st.integers(0, sum(caps) + shipping_fen))
    parts, shipping = rules.share_amount(amount, caps, shipping_fen)
    assert sum(parts) + shipping == amount
    assert shipping <= shipping_fen
    assert all(0 <= part <= cap for part, cap in zip(parts, caps, strict=True))


@given(cap=FEN, asked=st.none() | FEN, given_fen=st.none() | FEN, text=st.text(max_size=3))
def test_what_is_settled_never_exceeds_the_cap(cap, asked, given_fen, text):
    try:
        wanted = rules.choose_amount(cap, asked)
        amount = rules.settle_amount(rules.Kind.REFUND_ONLY, cap, wanted, given_fen, text)
    except (rules.AmountOutOfRange, rules.ReasonNeeded):
        return
    assert min(1, cap) <= amount <= cap
    assert amount >= wanted or text.strip()
