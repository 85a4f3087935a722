"""What WeCom pushes to a shop: proven, opened, stored, answered."""

from siyu.wechat.transport.service import push_routes
from siyu.wechat.wecom import service
from siyu.wechat.wecom.contracts import CorpNotSet

SOURCE = "wechat.wecom"

routes = push_routes(
    "/wecom/{shop_id:int}",
    SOURCE,
    service.get_push_keys,
    lambda: CorpNotSet(missing="token"),
)
