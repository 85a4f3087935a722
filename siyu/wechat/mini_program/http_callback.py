"""What WeChat pushes to a shop's mini-program: proven, opened, stored, answered."""

from siyu.wechat.mini_program import service
from siyu.wechat.mini_program.contracts import PushNotSet
from siyu.wechat.transport.service import push_routes

SOURCE = "wechat.mini_program"

routes = push_routes(
    "/wechat/mini-program/{shop_id:int}",
    SOURCE,
    service.get_push_keys,
    PushNotSet,
)
