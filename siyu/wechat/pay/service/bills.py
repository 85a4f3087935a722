"""Bills: the day's trades and the day's flow of funds, as WeChat's own books have them.

A bill is a text in UTF-8 (CSV, every cell behind a back-tick, two lines of sums at the end) and is
given as bytes; who reads it goes by the names in its header. WeChat makes it by 09:00 (China)
of the next day, mostly by 10:00, and keeps it three months. Source: pay-v3, 账单.
"""

import hashlib
import zlib
from datetime import date
from urllib.parse import urlencode, urlsplit

import msgspec

from siyu.wechat.pay.contracts import (
    LIVE_URL,
    BillBroken,
    FundAccount,
    PayCredentials,
    TradeBillType,
)
from siyu.wechat.pay.service.exchange import decode, download, exchange
from siyu.wechat.transport.contracts import Retry, WeChatError

_PLAIN_BYTES = 1024 * 1024 * 1024


class _Announced(msgspec.Struct):
    hash_type: str
    hash_value: str
    download_url: str


async def fetch_trade_bill(
    credentials: PayCredentials, on: date, kind: TradeBillType = TradeBillType.ALL
) -> bytes | None:
    """The trades of a day in China; None: WeChat says there were none.

    Raises BillNotReady (too early), BillBroken (does not unpack, other SHA-1).
    """
    query = {"bill_date": on.isoformat(), "bill_type": kind, "tar_type": "GZIP"}
    return await _fetch(credentials, f"/v3/bill/tradebill?{urlencode(query)}")


async def fetch_fund_flow_bill(
    credentials: PayCredentials, on: date, account: FundAccount = FundAccount.BASIC
) -> bytes | None:
    """The movements of one of our accounts on a day in China; None: there were none.

    Raises as `fetch_trade_bill`.
    """
    query = {"bill_date": on.isoformat(), "account_type": account, "tar_type": "GZIP"}
    return await _fetch(credentials, f"/v3/bill/fundflowbill?{urlencode(query)}")


async def _fetch(credentials: PayCredentials, target: str) -> bytes | None:
    try:
        answer = await exchange(credentials, "bill.announce", "GET", target)
    except WeChatError as error:
        if error.code == "NO_STATEMENT_EXIST":
            return None
        raise
    announced = decode(answer, _Announced)
    file = _own_target(credentials, announced.download_url)
    plain = _unpack(await download(credentials, file))
    if announced.hash_type != "SHA1" or _sha1(plain) != announced.hash_value.lower():
        raise _broken(f"{announced.hash_type} differs")
    return plain


def _own_target(credentials: PayCredentials, url: str) -> str:
    """Path and query of a download, which must be WeChat's: our signature goes nowhere else."""
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" not in (credentials.base_url.rstrip("/"), LIVE_URL):
        raise _broken("another host")
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _unpack(packed: bytes) -> bytes:
    if not packed.startswith(b"\x1f\x8b"):
        return packed
    machine = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = machine.decompress(packed, _PLAIN_BYTES)
    except zlib.error:
        raise _broken("gzip") from None
    if not machine.eof:
        raise _broken("gzip is cut short, or too large")
    return plain


def _sha1(plain: bytes) -> str:
    # WeChat prescribes SHA-1; the hash came signed, the file did not.
    return hashlib.sha1(plain, usedforsecurity=False).hexdigest()


def _broken(reason: str) -> BillBroken:
    return BillBroken(200, "BILL_BROKEN", reason, retry=Retry.RETRY)
