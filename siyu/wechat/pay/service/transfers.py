"""Transfers to people, who confirm each one, or have agreed once for all.

After any failure query under the same number; a new number only after FAIL or CANCELLED, else
the person may be paid twice.
"""

from urllib.parse import quote

import msgspec

from siyu.wechat.pay import rules
from siyu.wechat.pay.contracts import (
    NewAuthorization,
    NewTransfer,
    PayCredentials,
    Transfer,
    TransferAuthorization,
)
from siyu.wechat.pay.service.exchange import ask, decode, exchange, hide, send

_TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"
_AUTHORIZATIONS = "/v3/fund-app/mch-transfer/user-confirm-authorization"


async def create_transfer(credentials: PayCredentials, wanted: NewTransfer) -> Transfer:
    """Start a transfer, or find it again. With `authorization_id` it goes by itself, without it
    waits 24 hours for the person, who confirms by wx.requestMerchantTransfer(package_info).

    Raises NotEnough (our balance), NoPermission. Source: pay-v3, 发起转账.
    """
    hidden = await hide(credentials, wanted.user_name)
    body = rules.transfer_body(wanted, hidden.texts[0])
    target = f"{_TRANSFERS}/transfer" if wanted.authorization_id else _TRANSFERS
    return await send(credentials, "transfer.create", target, body, Transfer, serial=hidden.serial)


async def query_transfer(credentials: PayCredentials, out_bill_no: str) -> Transfer | None:
    """The transfer of our number; None when WeChat never heard of it."""
    return await ask(credentials, "transfer.query", _by_number(out_bill_no), Transfer)


async def cancel_transfer(credentials: PayCredentials, out_bill_no: str) -> Transfer:
    """Take back a transfer that nobody confirmed yet: CANCELING, and CANCELLED when the money is
    ours again. Raises WeChatError of Retry.NEVER when the person was faster: query it.

    Source: pay-v3, 撤销转账.
    """
    target = f"{_by_number(out_bill_no)}/cancel"
    return decode(await exchange(credentials, "transfer.cancel", "POST", target, b"{}"), Transfer)


async def request_authorization(
    credentials: PayCredentials, wanted: NewAuthorization
) -> TransferAuthorization:
    """Ask a person to agree once; confirmed by wx.requestMerchantTransfer like a transfer.

    Source: pay-v3, 申请免确认收款授权.
    """
    body = rules.without_empty(msgspec.to_builtins(wanted))
    return await send(
        credentials, "transfer.authorize", _AUTHORIZATIONS, body, TransferAuthorization
    )


async def query_authorization(
    credentials: PayCredentials, out_authorization_no: str
) -> TransferAuthorization | None:
    """The agreement of our number; None when WeChat never heard of it."""
    target = f"{_AUTHORIZATIONS}/out-authorization-no/{quote(out_authorization_no, safe='')}"
    return await ask(credentials, "transfer.query", target, TransferAuthorization)


def _by_number(out_bill_no: str) -> str:
    return f"{_TRANSFERS}/out-bill-no/{quote(out_bill_no, safe='')}"
