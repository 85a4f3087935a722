"""Refunds: start, ask, and send an abnormal one another way."""

from urllib.parse import quote

from siyu.wechat.pay import rules
from siyu.wechat.pay.contracts import AbnormalRefund, NewRefund, PayCredentials, Refund
from siyu.wechat.pay.service.exchange import ask, hide, send

_REFUNDS = "/v3/refund/domestic/refunds"


async def create_refund(credentials: PayCredentials, refund: NewRefund) -> Refund:
    """Start a refund, or find it again: its number names it for ever, so after any failure repeat
    with the same one. The answer is mostly PROCESSING; how it ended is told or asked for.

    Raises NotEnough (our balance is too small), and WeChatError of Retry.NEVER for what the order
    does not allow (too much, too often, too late, other parameters under a known number).
    Source: pay-v3, 退款申请.
    """
    return await send(credentials, "refund.create", _REFUNDS, rules.refund_body(refund), Refund)


async def query_refund(credentials: PayCredentials, out_refund_no: str) -> Refund | None:
    """The refund of our number; None when WeChat never heard of it."""
    return await ask(
        credentials, "refund.query", f"{_REFUNDS}/{quote(out_refund_no, safe='')}", Refund
    )


async def apply_abnormal_refund(
    credentials: PayCredentials, refund_id: str, how: AbnormalRefund
) -> Refund:
    """Send the money of an ABNORMAL refund to a bank card; it is PROCESSING again afterwards.

    Source: pay-v3, 发起异常退款.
    """
    hidden = await hide(credentials, how.bank_account, how.real_name)
    account, name = hidden.texts
    body = {
        "out_refund_no": how.out_refund_no,
        "type": how.type,
        "bank_type": how.bank_type,
        "bank_account": account,
        "real_name": name,
    }
    target = f"{_REFUNDS}/{quote(refund_id, safe='')}/apply-abnormal-refund"
    given = rules.without_empty(body)
    return await send(credentials, "refund.abnormal", target, given, Refund, serial=hidden.serial)
