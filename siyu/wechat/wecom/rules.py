"""What stands in a message that WeCom pushes. Pure. Source: 企业客户事件 (92130)."""

from siyu.wechat.transport import service as transport
from siyu.wechat.wecom.contracts import ContactAdded, ContactNews, ContactRemoved


def read_news(raw: bytes) -> list[ContactNews]:
    """What a pushed message tells; nothing for kinds that nobody here needs. SealBroken."""
    fields = transport.push_fields(raw)
    at, event = transport.push_moment(fields), fields.get("Event")
    kind = fields.get("ChangeType")
    if event != "change_external_contact":
        return []
    external_userid, userid = (str(fields.get(n) or "") for n in ("ExternalUserID", "UserID"))
    if kind in ("add_external_contact", "add_half_external_contact"):
        return [
            ContactAdded(
                external_userid=external_userid,
                userid=userid,
                state=str(fields.get("State") or ""),
                welcome_code=str(fields.get("WelcomeCode") or ""),
                is_half=kind == "add_half_external_contact",
                at=at,
            )
        ]
    if kind in ("del_external_contact", "del_follow_user"):
        return [
            ContactRemoved(
                external_userid=external_userid,
                userid=userid,
                by_customer=kind == "del_follow_user",
                at=at,
            )
        ]
    return []
