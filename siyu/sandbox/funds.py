"""Routes of what follows a payment: refunds, profit sharing, transfers, bills."""

from typing import Any

from litestar import Response, get, post

from siyu.sandbox import authorizations, bills, refunds, sharing, split_returns, transfers
from siyu.sandbox.orders import PayError
from siyu.sandbox.pay import AnyRequest, serve
from siyu.sandbox.wire import Reveal
from siyu.sandbox.world import Merchant, Signer, World
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import SealBroken

Made = tuple[int, Any]


def _reveal(world: World, request: AnyRequest) -> Reveal:
    """Opens what was encrypted to the key that `Wechatpay-Serial` names."""
    serial = request.headers.get("wechatpay-serial", "")

    def reveal(hidden: str) -> str:
        sql = "select * from signers where serial = ?"
        signer = world.store.maybe(Signer, sql, serial)
        try:
            if signer is not None:
                return transport.reveal(hidden, signer.private_pem)
        except SealBroken:
            pass
        raise PayError(400, "PARAM_ERROR", "请确认待处理的消息是否为加密后的密文", 268435461)

    return reveal


_REFUNDS = "/v3/refund/domestic/refunds"


@post(_REFUNDS, status_code=200)
async def post_refund(request: AnyRequest, world: World) -> Response[bytes]:
    """申请退款."""
    return await serve(
        world, request, "refund.create", lambda m, raw: refunds.create_refund(world, m, raw)
    )


@get(f"{_REFUNDS}/{{number:str}}")
async def get_refund(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """查询单笔退款."""
    return await serve(
        world, request, "refund.query", lambda m, _: refunds.query_refund(world, m, number)
    )


@post(f"{_REFUNDS}/{{refund_id:str}}/apply-abnormal-refund", status_code=200)
async def post_abnormal(request: AnyRequest, world: World, refund_id: str) -> Response[bytes]:
    """发起异常退款."""
    reveal = _reveal(world, request)
    return await serve(
        world, request, "refund.abnormal",
        lambda m, raw: refunds.apply_abnormal(world, m, refund_id, raw, reveal),
    )  # fmt: skip


_SHARING = "/v3/profitsharing"


@post(f"{_SHARING}/receivers/add", status_code=200)
async def post_receiver(request: AnyRequest, world: World) -> Response[bytes]:
    """添加分账接收方."""
    reveal = _reveal(world, request)
    return await serve(
        world, request, "sharing.receiver",
        lambda m, raw: sharing.add_receiver(world, m, raw, reveal),
    )  # fmt: skip


@post(f"{_SHARING}/receivers/delete", status_code=200)
async def post_no_receiver(request: AnyRequest, world: World) -> Response[bytes]:
    """删除分账接收方."""
    return await serve(
        world, request, "sharing.receiver", lambda m, raw: sharing.delete_receiver(world, m, raw)
    )


@post(f"{_SHARING}/orders", status_code=200)
async def post_split(request: AnyRequest, world: World) -> Response[bytes]:
    """请求分账."""
    reveal = _reveal(world, request)
    return await serve(
        world, request, "sharing.split", lambda m, raw: sharing.split(world, m, raw, reveal)
    )


@get(f"{_SHARING}/orders/{{number:str}}")
async def get_split(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """查询分账结果."""
    trade = request.query_params.get("transaction_id")
    return await serve(
        world, request, "sharing.query", lambda m, _: sharing.query_split(world, m, number, trade)
    )


@post(f"{_SHARING}/orders/unfreeze", status_code=200)
async def post_unfreeze(request: AnyRequest, world: World) -> Response[bytes]:
    """解冻剩余资金."""
    return await serve(
        world, request, "sharing.unfreeze", lambda m, raw: sharing.unfreeze(world, m, raw)
    )


@get(f"{_SHARING}/transactions/{{number:str}}/amounts")
async def get_unsplit(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """查询剩余待分金额."""
    return await serve(
        world, request, "sharing.query", lambda m, _: sharing.query_unsplit(world, m, number)
    )


@post(f"{_SHARING}/return-orders", status_code=200)
async def post_return(request: AnyRequest, world: World) -> Response[bytes]:
    """请求分账回退."""
    return await serve(
        world, request, "sharing.return",
        lambda m, raw: split_returns.return_split(world, m, raw),
    )  # fmt: skip


@get(f"{_SHARING}/return-orders/{{number:str}}")
async def get_return(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """查询分账回退结果."""
    split = request.query_params.get("out_order_no")
    return await serve(
        world, request, "sharing.query",
        lambda m, _: split_returns.query_return(world, m, number, split),
    )  # fmt: skip


_TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"


async def _transfer(request: AnyRequest, world: World, *, authorized: bool) -> Response[bytes]:
    reveal = _reveal(world, request)
    return await serve(
        world, request, "transfer.create",
        lambda m, raw: transfers.create_transfer(world, m, raw, reveal, authorized=authorized),
    )  # fmt: skip


@post(_TRANSFERS, status_code=200)
async def post_transfer(request: AnyRequest, world: World) -> Response[bytes]:
    """发起转账."""
    return await _transfer(request, world, authorized=False)


@post(f"{_TRANSFERS}/transfer", status_code=200)
async def post_agreed_transfer(request: AnyRequest, world: World) -> Response[bytes]:
    """转账（用户自动收款）."""
    return await _transfer(request, world, authorized=True)


@get(f"{_TRANSFERS}/out-bill-no/{{number:str}}")
async def get_transfer(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """商户单号查询转账单."""
    return await serve(
        world, request, "transfer.query",
        lambda m, _: transfers.query_transfer(world, m, number, "out_bill_no"),
    )  # fmt: skip


@get(f"{_TRANSFERS}/transfer-bill-no/{{number:str}}")
async def get_transfer_by_wechat(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """微信单号查询转账单."""
    return await serve(
        world, request, "transfer.query",
        lambda m, _: transfers.query_transfer(world, m, number, "transfer_bill_no"),
    )  # fmt: skip


@post(f"{_TRANSFERS}/out-bill-no/{{number:str}}/cancel", status_code=200)
async def post_cancel(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """撤销转账."""
    return await serve(
        world, request, "transfer.cancel", lambda m, _: transfers.cancel_transfer(world, m, number)
    )


_AUTHORIZATIONS = "/v3/fund-app/mch-transfer/user-confirm-authorization"


@post(_AUTHORIZATIONS, status_code=200)
async def post_authorization(request: AnyRequest, world: World) -> Response[bytes]:
    """申请免确认收款授权."""
    return await serve(
        world, request, "transfer.authorize",
        lambda m, raw: authorizations.request_authorization(world, m, raw),
    )  # fmt: skip


@get(f"{_AUTHORIZATIONS}/out-authorization-no/{{number:str}}")
async def get_authorization(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """商户单号查询授权."""
    return await serve(
        world, request, "transfer.query",
        lambda m, _: authorizations.query_authorization(world, m, number),
    )  # fmt: skip


@post(f"{_AUTHORIZATIONS}/out-authorization-no/{{number:str}}/close", status_code=200)
async def post_no_authorization(request: AnyRequest, world: World, number: str) -> Response[bytes]:
    """商户关闭授权."""
    return await serve(
        world, request, "transfer.authorize",
        lambda m, _: authorizations.close_authorization(world, m, number),
    )  # fmt: skip


@get("/v3/bill/tradebill")
async def get_trade_bill(request: AnyRequest, world: World) -> Response[bytes]:
    """申请交易账单."""
    return await _bill(request, world, "bill_type", ("ALL", "SUCCESS", "REFUND"))


@get("/v3/bill/fundflowbill")
async def get_fund_flow_bill(request: AnyRequest, world: World) -> Response[bytes]:
    """申请资金账单."""
    return await _bill(request, world, "account_type", ("BASIC", "OPERATION", "FEES"))


async def _bill(
    request: AnyRequest, world: World, key: str, names: tuple[str, ...]
) -> Response[bytes]:
    given = request.query_params
    host = f"{request.url.scheme}://{request.headers.get('host')}"

    def work(merchant: Merchant, _: bytes) -> Made:
        name = given.get(key) or names[0]
        if name not in names:
            raise PayError(400, "PARAM_ERROR", f"{key}不正确", 268435461)
        day, packed = given.get("bill_date"), given.get("tar_type")
        return bills.announce(world, merchant, name, day, packed, host)

    return await serve(world, request, "bill.announce", work)


@get("/v3/billdownload/file")
async def get_bill_file(request: AnyRequest, world: World) -> Response[bytes]:
    """下载账单: the one answer that is not signed."""
    token = request.query_params.get("token")
    answer = await serve(
        world, request, "bill.file", lambda m, _: (200, bills.download(world, m, token))
    )
    if answer.status_code == 200:
        answer.media_type = "application/octet-stream"
        for name in [name for name in answer.headers if name.lower().startswith("wechatpay-")]:
            del answer.headers[name]
    return answer


routes = [
    post_refund, get_refund, post_abnormal,
    post_receiver, post_no_receiver, post_split, get_split, post_unfreeze, get_unsplit,
    post_return, get_return,
    post_transfer, post_agreed_transfer, get_transfer, get_transfer_by_wechat, post_cancel,
    post_authorization, get_authorization, post_no_authorization,
    get_trade_bill, get_fund_flow_bill, get_bill_file,
]  # fmt: skip
