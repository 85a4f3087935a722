"""The words to begin with: whole, allowed, and leading to pages that exist."""

from pathlib import Path

import msgspec
import pytest

from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId
from siyu.people.outreach import service
from siyu.people.outreach.contracts import MessageChannel as Channel
from siyu.people.outreach.contracts import TemplateDraft
from siyu.people.outreach.rules.brought import BROUGHT
from siyu.people.outreach.rules.library import LIBRARY, SHOP
from siyu.people.outreach.rules.templates import WITH_FIELDS

PAGES = (Path(__file__).parents[3] / "web/shop/src/pages.json").read_text()
replace = msgspec.structs.replace


def ready(draft: TemplateDraft) -> TemplateDraft:
    """As a merchant completes it: WeChat's own number for each template with fields."""
    forms = [
        replace(form, outside_id="tmpl") if form.channel in WITH_FIELDS else form
        for form in draft.forms
    ]
    return replace(draft, forms=forms)


async def test_every_draft_can_be_saved_and_no_rule_has_anything_to_say(shop: ShopId) -> None:
    async with reading(shop) as tx:
        found = await service.list_library(tx)
        assert [draft.key for draft in found] == [draft.key for draft in LIBRARY]
        for draft in found:
            assert await service.check_draft(tx, ready(draft)) == [], draft.key
            for form in draft.forms:
                assert SHOP not in form.text
                page = form.page.partition("?")[0].strip("/")
                assert not page or page.partition("/")[2] in PAGES, form.page


def test_all_channels_are_served_and_the_programs_own_moments_keep_their_variables() -> None:
    served = [form.channel for draft in LIBRARY for form in draft.forms]
    assert {channel for channel in Channel if served.count(channel) < 3} == set()
    assert len({draft.key for draft in LIBRARY}) == len(LIBRARY)
    own = {draft.key: draft for draft in LIBRARY if draft.key in BROUGHT}
    assert own.keys() == BROUGHT.keys()
    for key, draft in own.items():
        assert draft.variables == BROUGHT[key].variables


@pytest.mark.parametrize("draft", LIBRARY, ids=lambda draft: draft.key)
def test_an_sms_names_the_shop_first(draft: TemplateDraft) -> None:
    texts = [form.text for form in draft.forms if form.channel is Channel.SMS]
    assert all(text.startswith(f"【{SHOP}】") for text in texts)
