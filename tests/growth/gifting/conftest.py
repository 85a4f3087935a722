"""Every story of a gift is told in a shop whose truths hold at its end."""

from collections.abc import AsyncIterator

import pytest

from tests.growth.gifting.kit import Fair, fair
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def shop_fair(market: Market) -> AsyncIterator[Fair]:
    async with fair(market) as opened:
        yield opened
        assert await opened.broken() == []
