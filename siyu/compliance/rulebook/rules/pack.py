"""The rules, newest pack last. A rule that changes comes with a new pack; old findings name theirs.

Numbers are those of the mission; the platform's and the law's names stand beside them.
"""

import msgspec

from siyu.compliance.rulebook.contracts import (
    Bilingual,
    Check,
    Label,
    Length,
    Limit,
    Needs,
    Pack,
    Phrases,
    Rule,
    Scene,
    Verdict,
)

_ALL: tuple[Scene, ...] = ()
_WORDS = (Scene.PRODUCT, Scene.ARTICLE, Scene.MESSAGE, Scene.MOMENTS, Scene.GROUP, Scene.CAMPAIGN)


def _rule(
    rule_id: str,
    source: tuple[str, str],
    verdict: Verdict,
    scenes: tuple[Scene, ...],
    check: Check,
    message: tuple[str, str],
    fix: tuple[str, str],
) -> Rule:
    return Rule(
        rule_id, Bilingual(*source), verdict, scenes, check, Bilingual(*message), Bilingual(*fix)
    )


_OPERATION = "微信小程序平台运营规范"
_ADVERTS = ("广告法 9 条", "Advertising Law 9")

RULES_2026_11: tuple[Rule, ...] = (
    _rule(
        "200.induced_sharing",
        (f"{_OPERATION}：诱导分享（200）", "WeChat: induced sharing (200)"),
        Verdict.BLOCK,
        _ALL,
        Phrases(
            (
                r"(分享|转发|集赞|点赞)[^。！!？?；;\n]{0,12}(可领|即领|领取|领券|可得|即得|获得|得\d|送|赢|返现|抽奖|红包|奖励|解锁|免费)",
                r"(领取?|获得|解锁)[^。！!？?；;\n]{0,8}(需|要|请)先?(分享|转发)",
                r"share(thisto)?(with|to)?[a-z]{0,20}(toget|andget|towin|andwin)",
            )
        ),
        (
            "奖励分享行为属于诱导分享，分享能力可能被封 7 天",
            "Rewarding the act of sharing is induced sharing: sharing may be blocked for 7 days",
        ),
        (
            "改为奖励结果（好友完成首单），或改用订阅消息提醒",
            "Reward a result (a friend's first order), or use a subscription message",
        ),
    ),
    _rule(
        "200.moral_pressure",
        (f"{_OPERATION}：胁迫分享（200）", "WeChat: pressure to share (200)"),
        Verdict.BLOCK,
        _ALL,
        Phrases(
            (
                r"不转(发)?(就)?不是(中国人|人|朋友)",
                r"(是|真)(中国人|朋友|男人|女人)(就|都)(转|顶)",
                r"不转(发)?[^。！!\n]{0,6}(倒霉|后悔|不孝|出事)",
                r"转发?(到|给)[^。！!\n]{0,3}\d+个?群",
            )
        ),
        ("用道德压力要求转发", "Pressure to forward"),
        ("删去这句话", "Take the sentence out"),
    ),
    _rule(
        "201.virtual_payment",
        (f"{_OPERATION}：虚拟支付（201）", "WeChat: virtual payment (201)"),
        Verdict.BLOCK,
        (Scene.PAYMENT, Scene.PRODUCT, Scene.CAMPAIGN),
        Needs("official_payment", when="is_virtual"),
        (
            "虚拟内容必须使用官方支付渠道，否则永久下架",
            "Virtual goods must use the official payment, or the program is removed for good",
        ),
        ("iOS 使用官方虚拟支付接口", "Use the official virtual payment on iOS"),
    ),
    _rule(
        "201.payment_outside",
        (f"{_OPERATION}：绕开支付（201）", "WeChat: payment outside (201)"),
        Verdict.BLOCK,
        _WORDS,
        Phrases(
            (
                r"(加|扫)[^。！!\n]{0,6}(微信|个人码|收款码)[^。！!\n]{0,6}(付款|转账|充值)",
                r"(支付宝|银行卡|私下|线下)(转账|打款|付款)",
                r"代充(值)?",
            )
        ),
        ("引导到平台外付款", "It leads to payment outside the platform"),
        ("在本店下单支付", "Let them order and pay in the shop"),
    ),
    _rule(
        "202.personal_data",
        ("个人信息保护法 51 条（202）", "PIPL 51 (202)"),
        Verdict.BLOCK,
        _WORDS,
        Phrases(
            (
                r"(?<!\d)1[3-9]\d{9}(?!\d)",
                r"(?<!\d)\d{17}[\dx](?![\dx])",
                r"(?<!\d)62\d{14,17}(?!\d)",
            )
        ),
        ("内容里有手机号、身份证号或银行卡号", "A phone, identity or card number stands in it"),
        ("改用店铺客服入口或脱敏", "Name the shop's service desk instead, or mask it"),
    ),
    _rule(
        "203.lottery_odds",
        ("有奖销售规定（203）", "Rules on prize promotions (203)"),
        Verdict.BLOCK,
        (Scene.LOTTERY,),
        Needs("odds_published"),
        ("抽奖必须公示中奖概率", "A lottery must publish its odds"),
        ("在活动页写明奖品、数量与概率", "State prizes, numbers and odds on its page"),
    ),
    _rule(
        "203.lottery_prize",
        ("规范促销行为暂行规定 17 条", "Promotion rules 17"),
        Verdict.BLOCK,
        (Scene.LOTTERY,),
        Limit("top_prize_fen", 5_000_000),
        ("最高奖超过 5 万元", "The first prize is above 50 000 yuan"),
        ("降低最高奖", "Lower the first prize"),
    ),
    _rule(
        "204.advert_label",
        ("互联网广告管理办法 9 条（204）", "Internet advertising 9 (204)"),
        Verdict.BLOCK,
        (Scene.MOMENTS,),
        Label("text", r"广告"),
        ("朋友圈营销内容必须标明“广告”", "Marketing in Moments must bear the label 广告"),
        ("在文首加“广告”", "Begin with 广告"),
    ),
    _rule(
        "204.advert_label_article",
        ("互联网广告管理办法 9 条（204）", "Internet advertising 9 (204)"),
        Verdict.BLOCK,
        (Scene.ARTICLE, Scene.GROUP),
        Label("text", r"广告", when="is_paid"),
        ("收费推广内容必须标明“广告”", "Paid content must bear the label 广告"),
        ("在文首加“广告”", "Begin with 广告"),
    ),
    _rule(
        "204.exaggeration",
        _ADVERTS,
        Verdict.LEGAL,
        _WORDS,
        Phrases(
            (
                r"国家级|最高级|最佳|(全国|全网|全球|世界|国内|行业|史上)最[好优低高大强]|第一品牌",
                r"(全国|全网|世界|行业)第一|绝无仅有|顶级|独一无二",
                r"100%(有效|正品率|治愈|安全)|百分之百(有效|安全)|永不反弹|零风险|稳赚",
            )
        ),
        ("绝对化用语", "An absolute claim"),
        ("写可以证明的事实", "State what can be proven"),
    ),
    _rule(
        "204.medical",
        ("广告法 16、17 条", "Advertising Law 16, 17"),
        Verdict.LEGAL,
        _WORDS,
        Phrases((r"治疗|治愈|根治|疗效|药到病除|降血[压糖脂]|抗癌|防癌|替代药物",)),
        ("普通商品不得宣传疾病治疗功能", "Ordinary goods may not claim to treat diseases"),
        (
            "删去功效宣称；有批文的附批文号由法务审",
            "Take the claim out; with a licence, legal signs",
        ),
    ),
    _rule(
        "205.consent",
        ("个人信息保护法 13、14 条（205）", "PIPL 13, 14 (205)"),
        Verdict.BLOCK,
        _ALL,
        Needs("has_consent", when="uses_personal_data"),
        ("没有取得明示同意就使用个人信息", "Personal data is used without explicit consent"),
        ("只发给同意相应用途的人", "Send only to those who agreed to this purpose"),
    ),
    _rule(
        "206.legal_review",
        ("法务前置审核（206）", "Legal review beforehand (206)"),
        Verdict.LEGAL,
        (Scene.CAMPAIGN, Scene.LOTTERY, Scene.DISTRIBUTION),
        Needs("is_reviewed"),
        ("活动上线前需法务审核", "A campaign needs a legal review before it starts"),
        ("提交审批", "Open an approval"),
    ),
    _rule(
        "207.finance",
        ("网络小额贷款许可等（207）", "Lending licence (207)"),
        Verdict.BLOCK,
        _WORDS,
        Phrases(
            (
                r"(小额|信用|网络|无抵押|秒批|极速)贷款?",
                r"放款|套现|借贷|理财收益|年化\d",
                r"配资|荐股|虚拟币",
            )
        ),
        ("金融类内容需要相应牌照", "Financial content needs its licence"),
        ("没有牌照不得发布", "Without the licence it may not go out"),
    ),
    _rule(
        "207.category",
        ("类目资质（207）", "Category qualification (207)"),
        Verdict.BLOCK,
        (Scene.PRODUCT, Scene.CAMPAIGN),
        Needs("has_qualification", when="needs_qualification"),
        ("该类目需要资质", "This category needs a qualification"),
        ("先登记有效资质", "Register a valid qualification first"),
    ),
    _rule(
        "208.bans",
        ("网络信息内容生态治理规定 6 条（208）", "Content governance 6 (208)"),
        Verdict.BLOCK,
        _WORDS,
        Phrases((r"赌博|博彩|开盘下注|色情|约炮|裸聊|枪支|毒品|代开发票|刷单|刷量|刷好评",)),
        ("禁止内容", "Banned content"),
        ("删去", "Take it out"),
    ),
    _rule(
        "208.dragging",
        (f"{_OPERATION}：诱导加群与外链（208）", "WeChat: dragging and links (208)"),
        Verdict.WARN,
        _WORDS,
        Phrases(
            (r"https?://(?!(mp|work)\.weixin\.qq\.com|shop\.)[^\s]{4,}", r"拉(满)?\d+人(进|入)群")
        ),
        ("大量外链或拉人进群会被投诉与限制", "Outside links and dragging into groups get limited"),
        ("改用小程序页面或群活码", "Use a page of the mini-program, or a group code"),
    ),
    _rule(
        "209.distribution_levels",
        ("禁止传销条例 7 条（63、209）", "Rules against pyramid selling 7"),
        Verdict.BLOCK,
        (Scene.DISTRIBUTION, Scene.CAMPAIGN),
        Limit("levels", 2),
        ("分销最多两级", "At most two levels of distribution"),
        ("改为一级或两级", "Use one level, or two"),
    ),
    _rule(
        "209.entry_fee",
        ("禁止传销条例 7 条（63）", "Rules against pyramid selling 7"),
        Verdict.BLOCK,
        _WORDS,
        Phrases(
            (
                r"(缴纳?|交)[^。！!\n]{0,8}(入门费|代理费|加盟费)",
                r"(发展|拉)(下线|人头)",
                r"躺赚|日入过[千万]",
            )
        ),
        ("入门费、拉人头计酬属于传销特征", "Entry fees and head-count pay: pyramid selling"),
        ("只按成交给佣金", "Pay commission for sales only"),
    ),
    _rule(
        "209.prepaid",
        ("单用途预付卡管理办法（53、209）", "Prepaid cards (53, 209)"),
        Verdict.BLOCK,
        (Scene.PRODUCT, Scene.CAMPAIGN, Scene.PAYMENT),
        Needs("has_prepaid_licence", when="is_prepaid"),
        ("储值需要预付卡备案", "Stored value needs a prepaid-card filing"),
        ("先登记备案", "Register the filing first"),
    ),
    _rule(
        "209.gift_category",
        ("送礼类目限制（40、209）", "Gift categories (40, 209)"),
        Verdict.BLOCK,
        (Scene.GIFT,),
        Needs("is_giftable"),
        ("该类目不能送礼", "Goods of this category cannot be given"),
        ("换一件商品", "Choose other goods"),
    ),
    _rule(
        "209.gift_price",
        ("送礼单件上限（40）", "Price of a gift (40)"),
        Verdict.BLOCK,
        (Scene.GIFT,),
        Limit("unit_fen", 1_000_000),
        ("礼物单价超过 10 000 元", "A gift is above 10 000 yuan"),
        ("换一件商品", "Choose other goods"),
    ),
    _rule(
        "209.group_size",
        ("企业微信客户群上限（118、209）", "WeCom group size (118, 209)"),
        Verdict.BLOCK,
        (Scene.GROUP,),
        Limit("group_size", 500),
        ("客户群最多 500 人", "A customer group has at most 500 people"),
        ("另建新群", "Open another group"),
    ),
    _rule(
        "80.subscription_quota",
        ("公众号群发次数（80）", "OA mass messages (80)"),
        Verdict.BLOCK,
        (Scene.ARTICLE, Scene.MESSAGE),
        Limit("sent_today", 1),
        ("订阅号每天 1 次", "A subscription account sends once a day"),
        ("改到明天", "Send it tomorrow"),
    ),
    _rule(
        "80.service_quota",
        ("公众号群发次数（80）", "OA mass messages (80)"),
        Verdict.BLOCK,
        (Scene.ARTICLE, Scene.MESSAGE),
        Limit("sent_this_month", 4),
        ("服务号每月 4 次", "A service account sends four times a month"),
        ("并入下一次推送", "Join it with the next one"),
    ),
    _rule(
        "80.wecom_quota",
        ("企业微信群发（80，取舍 d）", "WeCom mass messages (80, decision d)"),
        Verdict.BLOCK,
        (Scene.MESSAGE, Scene.GROUP),
        Limit("wecom_sent_this_month", 31),
        ("客户每月最多收到当月天数条群发", "A customer gets at most as many as the month has days"),
        ("等到下个月", "Wait for the next month"),
    ),
    _rule(
        "81.title_length",
        ("标题长度（81、209）", "Length of a title (81, 209)"),
        Verdict.WARN,
        (Scene.ARTICLE,),
        Length("title", 15),
        ("文章标题不超过 15 个字", "A title has at most 15 characters"),
        ("缩短标题", "Shorten the title"),
    ),
    _rule(
        "81.account_name",
        ("账号名（81）", "Name of an account (81)"),
        Verdict.WARN,
        (Scene.ARTICLE,),
        Length("account_name", 5),
        ("账号名 3–5 个字", "An account name has 3 to 5 characters"),
        ("缩短", "Shorten it"),
    ),
    _rule(
        "85.moments_quota",
        ("朋友圈频率（85）", "Moments a day (85)"),
        Verdict.WARN,
        (Scene.MOMENTS,),
        Limit("moments_today", 2),
        ("朋友圈每天 1–2 条", "One or two Moments a day"),
        ("改到明天", "Post it tomorrow"),
    ),
    _rule(
        "210.scam",
        ("防诈骗（210）", "Scams (210)"),
        Verdict.BLOCK,
        _WORDS,
        Phrases(
            (
                r"(冒充|假冒)(客服|官方)",
                r"(验证码|密码)[^。！!\n]{0,6}(发给|告诉|提供)",
                r"(领取?|点击)[^。！!\n]{0,6}(微信)?官方红包",
                r"账(号|户)异常[^。！!\n]{0,10}(点击|登录)",
                r"中奖[^。！!\n]{0,8}(手续费|保证金)",
            )
        ),
        ("带有诈骗特征", "It looks like a scam"),
        ("删去", "Take it out"),
    ),
    _rule(
        "14.honest_scarcity",
        ("反不正当竞争法 8 条（76）", "Unfair competition 8 (76)"),
        Verdict.WARN,
        _WORDS,
        Phrases((r"仅剩\d+件|最后\d+(件|份|席)|\d+万人(已|都在)(买|抢)|倒计时\d",)),
        ("稀缺与热度提示必须属实", "Scarcity and popularity must be true"),
        ("用系统的真实库存和销量", "Use the true stock and sales"),
    ),
)

# What customers write on gifts is theirs, no advertisement: only what is banned anywhere is held
# against it, beside the rules for all scenes.
RULES_2026_12 = tuple(
    msgspec.structs.replace(rule, scenes=(*rule.scenes, Scene.GIFT))
    if rule.rule_id == "208.bans"
    else rule
    for rule in RULES_2026_11
)

# Words that the first pack missed, less what the guide to absolute terms lets pass: advice on use.
_WIDER = (
    _rule(
        "204.exaggeration",
        (
            "广告法 9 条 3 项；广告绝对化用语执法指南（2023）",
            "Advertising Law 9.3; guide to absolute terms in adverts (2023)",
        ),
        Verdict.LEGAL,
        _WORDS,
        Phrases(
            (
                r"(国家|世界|宇宙|国宝|殿堂|大师)级|最高级|最佳(?!赏味|食用|饮用|品尝|冲泡|使用|保存|观赏)",
                r"(全国|全网|全球|世界|国内|行业|史上|历史|本市|宇宙)(销量)?最[好优低高大强便先受]",
                r"最(好[喝吃用的]|便宜|低价|优惠|先进|权威|有效|安全|顶级|高端|受欢迎)|第一(品牌|名牌)",
                r"(全国|全网|全球|世界|国内|行业|销量|品质|天下|排名)第一|(no\.?|top)1(?!\d)|销量冠军",
                r"绝无仅有|顶级|顶尖|独一无二|史无前例|前所未有|空前绝后|无与伦比|举世无双|世界领先|唯一正宗",
                r"(100%|百分之百|百分百|绝对)(有效|见效|正品率|治愈|安全|无害|不反弹)|万能|永不反弹|零风险|稳赚",
            )
        ),
        ("绝对化用语", "An absolute claim"),
        ("写可以证明的事实", "State what can be proven"),
    ),
    _rule(
        "204.medical",
        (
            "广告法 16、17、58 条；食品安全法 71、73 条",
            "Advertising Law 16, 17, 58; Food Safety Law 71, 73",
        ),
        Verdict.LEGAL,
        _WORDS,
        Phrases(
            (
                r"治疗|治愈(?!系|感|人心|时刻|的?画)|根治|根除|痊愈|医治|疗效|主治|专治|对症",
                r"[包能可善防祛除]治?百病|包(治|好|见效|痊愈)|治(好|百|各种)|[药手]到病除|妙手回春",
                r"(治愈|有效|康复)率(高?达|为|超)?\d|(无效|不见效|无效果)(包|可|全额)?退[款钱]|[一1]个?疗程",
                r"降(低)?(血[压糖脂]|尿酸|胆固醇)|降三高|(抗|防|预防|消除)(癌|肿瘤|病毒|流感|感冒|疾病|血栓)",
                r"(替|代)替?代?药[物品]|不用(吃药|打针|开刀|手术)|(无|零|没有)(毒)?副作用|消炎|止痛|镇痛|抑菌",
                r"祖传秘方|偏方|神[药医]|灵丹妙药|仙丹|特效药|(高血压|糖尿病|癌症|肿瘤)(患者|病人|人群)?(的?(克星|福音|救星))",
                r"cure(s|d)?(all|any|every)?(disease|cancer|illness)|nosideeffect",
            )
        ),
        ("普通商品不得宣传疾病治疗功能", "Ordinary goods may not claim to treat diseases"),
        (
            "删去功效宣称；有批文的附批文号由法务审",
            "Take the claim out; with a licence, legal signs",
        ),
    ),
    _rule(
        "204.health",
        (
            "广告法 18 条；食品安全法 73、78 条；化妆品监督管理条例 43 条",
            "Advertising Law 18; Food Safety Law 73, 78; Cosmetics Regulation 43",
        ),
        Verdict.LEGAL,
        _WORDS,
        Phrases(
            (
                r"(提高|增强|提升)(机体|身体|自身)?免疫力?|抗(疲劳|衰老|氧化|辐射)|延缓衰老|延年益寿|长生不老",
                r"减肥|瘦身|燃脂|刮油|排毒|清肠|祛湿|补肾|壮阳|养颜|美白|祛斑|生发|增高|改善(睡眠|记忆|视力)",
            )
        ),
        (
            "普通商品不得宣传保健或特殊化妆品功效",
            "Ordinary goods may not claim what health food and special cosmetics are licensed for",
        ),
        (
            "写口感、产地、工艺；有注册或备案的附编号由法务审",
            "Write of taste, origin and craft; with a registration, legal signs",
        ),
    ),
    _rule(
        "204.state",
        ("广告法 9 条 2 项；食品安全法 73 条", "Advertising Law 9.2; Food Safety Law 73"),
        Verdict.BLOCK,
        _WORDS,
        Phrases(
            (
                r"(国家机关|中南海|人民大会堂|国务院|党政机关|军队|部队)(特|专|内)?(供|用)",
                r"国家领导人|国家免检|质量免检|特供(酒|茶|烟|商品|品)",
            )
        ),
        ("不得使用国家机关名义", "The state may not be named as a customer or a guarantor"),
        ("删去", "Take it out"),
    ),
)
_WIDENED = {rule.rule_id: rule for rule in _WIDER}
RULES_2026_12_15 = (
    *(_WIDENED.pop(rule.rule_id, rule) for rule in RULES_2026_12),
    *_WIDENED.values(),
)

PACKS: tuple[Pack, ...] = (
    Pack("2026-11-01", RULES_2026_11),
    Pack("2026-12-01", RULES_2026_12),
    Pack("2026-12-15", RULES_2026_12_15),
)


def pack_in_force() -> Pack:
    """The newest rules."""
    return PACKS[-1]
