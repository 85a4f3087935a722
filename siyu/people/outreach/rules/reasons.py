"""Why a message did not go out, in words; what the codes of the platforms mean."""

from siyu.people.outreach.contracts import RefusalReason as Reason
from siyu.people.outreach.contracts import Refused

WORDS: dict[Reason, tuple[str, str]] = {
    Reason.NO_CONSENT: ("用户未同意接收营销信息", "Has not agreed to marketing"),
    Reason.UNSUBSCRIBED: ("用户已退订", "Has unsubscribed"),
    Reason.SUPPRESSED: ("在免打扰名单中", "Is on the suppression list"),
    Reason.NO_ADDRESS: ("没有可用的联系方式", "No address on these channels"),
    Reason.NO_GRANT: (
        "没有可用的平台授权（订阅次数或 48 小时窗口）",
        "The platform allows no message now (subscription or 48 h window)",
    ),
    Reason.GRANT_USED_UP: ("订阅次数已用完（43101）", "The subscription is used up (43101)"),
    Reason.CHANNEL_OFF: ("渠道未配置", "The channel is not set up"),
    Reason.PLATFORM_CAP: (
        "本月企业微信群发次数已满",
        "WeCom's messages of the month are used up",
    ),
    Reason.CHANNEL_CAP: ("该渠道今日已达上限", "The channel's cap of the day is reached"),
    Reason.DAY_CAP: ("今日触达次数已满", "The cap of the day is reached"),
    Reason.WEEK_CAP: ("近 7 天触达次数已满", "The cap of 7 days is reached"),
    Reason.TIRED: ("疲劳度过高", "Too tired of messages"),
    Reason.OUTBID: ("被更高优先级的消息占用名额", "A more important message took the place"),
    Reason.HELD_OUT: ("长期对照组，不发送", "Held out for good, to measure the effect"),
    Reason.QUOTA: ("平台当日配额已用完（45009）", "The platform's quota is used up (45009)"),
    Reason.EXPIRED: ("已过有效期", "Too late to be of use"),
    Reason.CANCELLED: ("任务已取消", "The campaign was cancelled"),
    Reason.NOT_SIGNED: ("模板未通过审批", "The template is not signed off"),
    Reason.RULE_BROKEN: ("内容不合规", "The words break a rule"),
    Reason.REJECTED: ("平台拒绝发送", "The platform refused it"),
    Reason.NO_ANSWER: ("结果未知，不再重发", "The outcome is unknown; it is not sent again"),
}
"""zh, en. Shown to staff beside the stable code."""

_HOUR, _DAY = 3_600, 86_400
_CODES: dict[str, Refused] = {
    # Nothing left of what the person allowed: another channel may do (mini-program §3, OA §7, §13).
    "43101": Refused("43101", Reason.GRANT_USED_UP),
    "45015": Refused("45015", Reason.GRANT_USED_UP),
    "45047": Refused("45047", Reason.GRANT_USED_UP),
    "43004": Refused("43004", Reason.NO_ADDRESS),
    "43019": Refused("43019", Reason.UNSUBSCRIBED),
    "48002": Refused("48002", Reason.UNSUBSCRIBED),
    "40003": Refused("40003", Reason.NO_ADDRESS),
    "40096": Refused("40096", Reason.NO_ADDRESS),
    "84061": Refused("84061", Reason.NO_ADDRESS),
    "41048": Refused("41048", Reason.NO_ADDRESS),
    # A quota of the whole account: closed for everybody until it is full again.
    "45009": Refused("45009", wait_seconds=_DAY, closes=True),
    "44993": Refused("44993", wait_seconds=_DAY, closes=True),
    "45011": Refused("45011", wait_seconds=60, closes=True),
    "44990": Refused("44990", wait_seconds=2, closes=True),
    "44991": Refused("44991", wait_seconds=60, closes=True),
    "45033": Refused("45033", wait_seconds=5),
    "43108": Refused("43108", wait_seconds=5),
    "CIRCUIT_OPEN": Refused("CIRCUIT_OPEN", wait_seconds=30, closes=True),
    "LOCAL_LIMIT": Refused("LOCAL_LIMIT", wait_seconds=2),
    # The words are at fault: no other channel would make them better.
    "45168": Refused("45168", Reason.RULE_BROKEN, is_next=False),
    "43107": Refused("43107", Reason.REJECTED, wait_seconds=_HOUR),
}


def answer_of(code: str, *, may_repeat: bool) -> Refused:
    """What a code of the platform means. may_repeat: the client says that a later try may do."""
    known = _CODES.get(code)
    if known is not None:
        return known
    return Refused(code, wait_seconds=30) if may_repeat else Refused(code, Reason.REJECTED)
