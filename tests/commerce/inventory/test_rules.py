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
