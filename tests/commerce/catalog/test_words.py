"""A product with words that a rule blocks is not saved; a claim that only needs legal is."""

import pytest

from siyu.commerce.catalog import service
from siyu.commerce.catalog.contracts import ProductDraft, SkuDraft
from siyu.compliance.rulebook.contracts import RuleBroken
from siyu.kernel.audit import System
from siyu.kernel.db import Tx


def draft(title: str, description: str = "") -> ProductDraft:
    return ProductDraft(
        title=title, description_html=description, skus=[SkuDraft(option_values=[], price_fen=990)]
    )


async def test_200_banned_words_stop_a_product_before_it_is_written(tx: Tx) -> None:
    for bad in (draft("龙井 不转不是中国人"), draft("龙井", "<p>分享<b>朋友圈</b>领红包</p>")):
        with pytest.raises(RuleBroken):
            await service.create_product(tx, System(), bad)
    assert await tx.value("select count(*) from catalog.products") == 0
    made = await service.create_product(tx, System(), draft("全网最低价龙井"))
    assert made is not None, "an absolute claim needs legal; the console says so"
    with pytest.raises(RuleBroken):
        await service.edit_product(tx, System(), made, draft("龙井 代开发票"), 1)
