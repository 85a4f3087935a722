from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.inventory import rules

LINES = st.lists(st.tuples(st.integers(0, 3).map(lambda n: UUID(int=n)), st.integers(1, 999)))


@given(LINES)
def test_f042_demand_is_summed_per_sku(lines: list[tuple[UUID, int]]) -> None:
    demand = rules.sum_demand(lines)
    assert sum(demand.values()) == sum(quantity for _, quantity in lines)
    for sku in demand:
        assert demand[sku] == sum(quantity for other, quantity in lines if other == sku)
    assert set(demand) == {sku for sku, _ in lines}


def test_pieces_are_allotted_in_the_order_of_wishes_and_warehouses() -> None:
    a, b = UUID(int=1), UUID(int=2)
    assert rules.allot([(a, 3), (b, 5)], [2, 2, 4]) == [[(a, 2)], [(a, 1), (b, 1)], [(b, 4)]]
    assert rules.allot([(a, 0), (b, 1)], [1]) == [[(b, 1)]]
    assert rules.allot([(a, 1)], [1, 1]) == [[(a, 1)], [(a, 1)]], "refused later, by the database"
