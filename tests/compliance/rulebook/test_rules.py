"""Texts and campaigns against the rules, by the mission's numbers. No database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.compliance.rulebook.contracts import Draft, Fact, Finding, Scene, Verdict
from siyu.compliance.rulebook.rules import checking
from siyu.compliance.rulebook.rules.pack import PACKS, pack_in_force

PACK = pack_in_force()


def found(
    text: str = "", scene: Scene = Scene.MESSAGE, field: str = "text", **facts: Fact
) -> list[Finding]:
    return checking.check(Draft(scene, {field: text} if text else {}, facts), PACK)


def ids(*args: str | Scene, **facts: Fact) -> set[str]:
    return {one.rule_id for one in found(*args, **facts)}  # type: ignore[arg-type]


BROKEN = [
    ("200.induced_sharing", "分享到朋友圈即可领红包"),
    ("200.induced_sharing", "转发给好友，送 20 元券"),
    ("200.induced_sharing", "领取前请先分享"),
    ("200.induced_sharing", "Share this with friends to get a coupon"),
    ("200.moral_pressure", "不转不是中国人"),
    ("201.payment_outside", "加店主微信转账更优惠"),
    ("202.personal_data", "有事打 13812345678"),
    ("204.exaggeration", "全网最低价"),
    ("204.medical", "每天一杯降血糖"),
    ("207.finance", "无抵押贷款当天放款"),
    ("208.bans", "长期招刷单"),
    ("208.dragging", "点这里 https://example.com/abc"),
    ("209.entry_fee", "交 999 元代理费，发展下线"),
    ("210.scam", "把验证码发给客服"),
    ("14.honest_scarcity", "仅剩3件"),
    ("204.medical", "老茶树古方，包治百病"),
    ("204.medical", "药到病除，无效全额退款"),
    ("204.medical", "专治失眠，无副作用"),
    ("204.medical", "有效率高达 98%"),
    ("204.medical", "三个月降低尿酸，不用吃药"),
    ("204.medical", "祖传秘方，糖尿病人的福音"),
    ("204.medical", "预防流感，每天一杯"),
    ("204.medical", "包 治 百 病"),
    ("204.medical", "A tea that cures cancer"),
    ("204.health", "增强免疫力，延缓衰老"),
    ("204.health", "减肥刮油，排毒养颜"),
    ("204.exaggeration", "国家级工艺，史无前例"),
    ("204.exaggeration", "销量第一，全国第一"),
    ("204.exaggeration", "史上最低价"),
    ("204.exaggeration", "本市最好喝的奶茶"),
    ("204.exaggeration", "行业 NO.1"),
    ("204.exaggeration", "百分百安全"),
    ("204.state", "人民大会堂特供"),
    ("204.state", "国家免检产品"),
]


@pytest.mark.parametrize(("rule", "text"), BROKEN)
def test_200_to_211_the_words_are_found(rule: str, text: str) -> None:
    assert rule in ids(text)


@pytest.mark.parametrize("text", [
    "春茶上市，欢迎品尝", "好友完成首单，您得 10 元券", "分享您的喝茶心得",
    "您的订单 20261122000123456789 已发货",
    "这款茶香气清雅，产自杭州", "满 100 减 10，11 月 30 日止", "We share your love of tea",
    "包邮，三天内发货", "最佳赏味期 12 个月，最佳冲泡水温 85℃", "治愈系小茶馆，陪你过周末",
    "您的包裹最晚明天送达", "最近上新，最新一批明前茶", "第一次来？新客立减 10 元", "最低起订 2 件",
    "七天无理由退款", "请按说明书使用", "全国 31 省包邮", "Top 10 teas",
    "安全座椅垫", "一等奖 1 名，共 100 份", "百年老店，百家姓茶杯", "能量满满的一天",
    "纯白瓷杯，白茶两百克",
    "部队退伍的小店", "绿茶的茶多酚含量见检测报告",
])  # fmt: skip
def test_ordinary_words_break_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("text", ["不 转 不 是 中 国 人", "不​转​不是中国人", "不转\n不是中国人"])
def test_words_hidden_by_spaces_are_found_at_their_place(text: str) -> None:
    [one] = [f for f in found(text) if f.rule_id == "200.moral_pressure"]
    assert (one.start, one.end) == (0, len(text))
    assert one.verdict is Verdict.BLOCK and one.fix.zh and one.source.en


@pytest.mark.parametrize(
    ("rule", "scene", "bad", "good"),
    [
        ("201.virtual_payment", Scene.PAYMENT, {"is_virtual": True}, {"official_payment": True}),
        ("203.lottery_odds", Scene.LOTTERY, {}, {"odds_published": True}),
        ("203.lottery_prize", Scene.LOTTERY, {"top_prize_fen": 5_000_001}, {"top_prize_fen": 9}),
        ("205.consent", Scene.MESSAGE, {"uses_personal_data": True}, {"has_consent": True}),
        ("206.legal_review", Scene.CAMPAIGN, {}, {"is_reviewed": True}),
        ("207.category", Scene.PRODUCT, {"needs_qualification": True}, {"has_qualification": True}),
        ("209.distribution_levels", Scene.DISTRIBUTION, {"levels": 3}, {"levels": 2}),
        ("209.prepaid", Scene.PAYMENT, {"is_prepaid": True}, {"has_prepaid_licence": True}),
        ("209.gift_category", Scene.GIFT, {}, {"is_giftable": True}),
        ("209.group_size", Scene.GROUP, {"group_size": 501}, {"group_size": 500}),
        ("80.subscription_quota", Scene.ARTICLE, {"sent_today": 2}, {"sent_today": 1}),
        ("80.service_quota", Scene.ARTICLE, {"sent_this_month": 5}, {"sent_this_month": 4}),
    ],
)
def test_facts_are_asked_for(
    rule: str, scene: Scene, bad: dict[str, Fact], good: dict[str, Fact]
) -> None:
    assert rule in ids("", scene, **bad)
    assert rule not in ids("", scene, **{**bad, **good})


def test_F099_81_labels_and_lengths() -> None:
    assert "204.advert_label" in ids("新茶上市", Scene.MOMENTS)
    assert "204.advert_label" not in ids("【广告】新茶上市", Scene.MOMENTS)
    assert "204.advert_label_article" not in ids("新茶", Scene.ARTICLE)
    assert "204.advert_label_article" in ids("新茶", Scene.ARTICLE, is_paid=True)
    [long] = [f for f in found("一" * 16, Scene.ARTICLE, "title") if f.rule_id == "81.title_length"]
    assert (long.start, long.end, long.excerpt) == (15, 16, "一" * 13)
    assert "81.title_length" not in ids("一" * 15, Scene.ARTICLE, "title")


def test_the_gravest_comes_first() -> None:
    verdicts = [one.verdict for one in found("全网最低，仅剩3件，不转不是中国人")]
    assert verdicts == [Verdict.BLOCK, Verdict.LEGAL, Verdict.WARN]


@given(st.text(max_size=200), st.sampled_from(list(Scene)))
def test_any_text_is_checked_and_every_place_lies_inside(text: str, scene: Scene) -> None:
    for one in found(text, scene):
        assert 0 <= one.start <= one.end <= len(text)


def test_an_override_is_for_this_content_alone() -> None:
    one = Draft(Scene.MESSAGE, {"a": "1", "b": "2"})
    assert checking.content_hash(one) == checking.content_hash(
        Draft(Scene.MESSAGE, {"b": "2", "a": "1"})
    )
    assert checking.content_hash(one) != checking.content_hash(Draft(Scene.MESSAGE, {"a": "1"}))


def test_packs_are_whole() -> None:
    for pack in PACKS:
        names = [rule.rule_id for rule in pack.rules]
        assert len(set(names)) == len(names)
        for rule in pack.rules:
            assert all((rule.message.zh, rule.message.en, rule.fix.zh, rule.fix.en))
    assert [pack.version for pack in PACKS] == sorted({pack.version for pack in PACKS})
