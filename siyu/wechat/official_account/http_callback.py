"""What WeChat pushes to a shop's official account: proven, opened, stored, answered."""

from siyu.wechat.official_account import service
from siyu.wechat.official_account.contracts import AccountNotSet
from siyu.wechat.transport.service import push_routes

SOURCE = "wechat.official_account"

routes = push_routes(
    "/wechat/official-account/{shop_id:int}",
    SOURCE,
    service.get_push_keys,
    lambda: AccountNotSet(missing="token"),
)
