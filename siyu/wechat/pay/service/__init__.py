"""Verbs of pay v3. All speak with WeChat: call them outside any transaction.

They raise WeChatError (and its kinds, see contracts); an error whose `retry` is UNKNOWN says
nothing about the order, refund, split or transfer: query it, or repeat under the same number.
"""

from siyu.wechat.pay.service.bills import fetch_fund_flow_bill, fetch_trade_bill
from siyu.wechat.pay.service.exchange import check, download_certificates
from siyu.wechat.pay.service.notifications import (
    open_notification,
    read_authorization,
    read_notification,
    read_refund,
    read_share,
    read_trade,
    read_transfer,
)
from siyu.wechat.pay.service.profit_sharing import (
    add_receiver,
    delete_receiver,
    query_return,
    query_split,
    query_unsplit,
    return_split,
    split,
    unfreeze,
)
from siyu.wechat.pay.service.refunds import apply_abnormal_refund, create_refund, query_refund
from siyu.wechat.pay.service.trades import (
    close,
    create_jsapi,
    create_native,
    query,
    query_by_transaction,
    sign_payment,
)
from siyu.wechat.pay.service.transfers import (
    cancel_transfer,
    create_transfer,
    query_authorization,
    query_transfer,
    request_authorization,
)

__all__ = [
    "add_receiver",
    "apply_abnormal_refund",
    "cancel_transfer",
    "check",
    "close",
    "create_jsapi",
    "create_native",
    "create_refund",
    "create_transfer",
    "delete_receiver",
    "download_certificates",
    "fetch_fund_flow_bill",
    "fetch_trade_bill",
    "open_notification",
    "query",
    "query_authorization",
    "query_by_transaction",
    "query_refund",
    "query_return",
    "query_split",
    "query_transfer",
    "query_unsplit",
    "read_authorization",
    "read_notification",
    "read_refund",
    "read_share",
    "read_trade",
    "read_transfer",
    "request_authorization",
    "return_split",
    "sign_payment",
    "split",
    "unfreeze",
]
