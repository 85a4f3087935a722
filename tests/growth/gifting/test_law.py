"""What the law and the platform say to gifts: banned words, kits, gifts for groups that pause."""

import pytest
from msgspec.structs import replace

from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import RuleBroken
from siyu.growth.gifting import service
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from tests.growth.gifting.kit import TEA, Fair, ok, refused

pytestmark = pytest.mark.xdist_group("sandbox")


async def test_208_a_banned_blessing_is_refused_and_private_words_are_not(shop_fair: Fair) -> None:
    fair = shop_fair
    body = fair.body(1, blessing="来我这里博彩")
    answer = await fair.anna.send("POST", "/gifts", body)
    assert refused(answer) == (409, "rulebook.rule_broken")
    assert await fair.value("select count(*) from gifting.gifts") == 0
    gift = ok(await fair.anna.send("POST", "/gifts", fair.body(1, blessing="你是世界第一的朋友")))
    assert gift["total_fen"] == TEA


async def test_200_a_kit_of_the_shop_may_not_reward_sharing(shop_fair: Fair) -> None:
    async with transaction(shop_fair.shop) as tx:
        [kit, *_] = before = await service.list_kits(tx)
        kit = replace(kit, blessings=["转发给三个群即可领取茶样"])
    with pytest.raises(RuleBroken):
        async with transaction(shop_fair.shop) as tx:
            await service.set_kits(tx, System(), [kit])
    async with transaction(shop_fair.shop) as tx:
        assert await service.list_kits(tx) == before


async def test_F098_gifts_for_groups_pause_near_the_limit_and_those_for_a_friend_go_on(
    shop_fair: Fair,
) -> None:
    fair = shop_fair
    async with transaction(fair.shop) as tx:
        await rulebook.note_violation(
            tx, System(), happened_at=clock.now(), source="platform", rule_id=None, points=90,
            what="诱导分享",
        )  # fmt: skip
    answer = await fair.anna.send("POST", "/gifts", fair.body(2))
    assert refused(answer) == (409, "rulebook.feature_paused")
    ok(await fair.anna.send("POST", "/gifts", fair.body(1)))
