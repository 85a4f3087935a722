"""Templates that come with the program: what is owed to a person needs no merchant to say it."""

from siyu.people.outreach.contracts import (
    Form,
    TemplateDraft,
    Topic,
    Variable,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    VariableKind as Kind,
)


def _inbox(title: str, text: str, page: str) -> Form:
    return Form(channel=Channel.INBOX, title=title, text=text, page=page)


_ORDER_NO = Variable(name="order_no", sample="202611230001")
_ORDER_ID = Variable(name="order_id", sample="019ab000-0000-7000-8000-000000000001")
_AMOUNT = Variable(name="amount", kind=Kind.MONEY, sample="12900")
_ORDER_PAGE = "/commerce/ordering/order?id={order_id}"

BROUGHT: dict[str, TemplateDraft] = {
    draft.key: draft
    for draft in (
        TemplateDraft(
            key="order_shipped",
            name="订单发货提醒",
            topic=Topic.ORDER,
            forms=[
                _inbox(
                    "已发货",
                    "订单 {order_no} 已于 {shipped_at} 发货，可在订单页查看物流。",
                    _ORDER_PAGE,
                )
            ],
            variables=[
                _ORDER_NO,
                _ORDER_ID,
                Variable(name="shipped_at", kind=Kind.TIME, sample="2026-11-23T10:00:00+08:00"),
            ],
        ),
        TemplateDraft(
            key="refund_arrived",
            name="退款到账通知",
            topic=Topic.AFTER_SALE,
            forms=[
                _inbox("退款已到账", "订单 {order_no} 的退款 {amount} 已原路退回。", _ORDER_PAGE)
            ],
            variables=[_ORDER_NO, _ORDER_ID, _AMOUNT],
        ),
        TemplateDraft(
            key="gift_reminder",
            name="礼物待领取提醒",
            topic=Topic.GIFT,
            forms=[
                _inbox(
                    "礼物还没有被领取",
                    "您送出的「{gift}」将于 {expires_at} 到期，到期未领取会自动退款。",
                    "/growth/gifting/given?id={gift_id}",
                )
            ],
            variables=[
                Variable(name="gift", sample="明前龙井礼盒"),
                Variable(name="gift_id", sample="019ab000-0000-7000-8000-000000000002"),
                Variable(name="expires_at", kind=Kind.TIME, sample="2026-11-30T12:00:00+08:00"),
            ],
        ),
    )
}
"""By key. A merchant's own version, once signed, takes the place of these words."""
