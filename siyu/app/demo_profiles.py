"""Profiles of the demo shop: tags given by hand, and everybody's figures from the history."""

from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId
from siyu.people.members import service as members
from siyu.people.profiles import service
from siyu.people.profiles.contracts import ByHand, TagDraft, TagGroup

_BY = System(actor_name="演示数据")
_TAGS = (
    ("品鉴会来宾", TagGroup.BASIC, "到店参加过春茶品鉴会", 6),
    ("春茶品鉴", TagGroup.BASIC, "与「品鉴会来宾」重复，留给季度检视", 6),
    ("偏好岩茶", TagGroup.BEHAVIOUR, "导购在聊天中记下", 3),
    ("企业客户", TagGroup.VALUE, "还没有人，留给季度检视", 0),
)
"""Name, group, note, to how many of the newest members."""


async def load(shop_id: ShopId) -> None:
    """Make the tags once and have all profiles made from all events, history included."""
    async with transaction(shop_id) as tx:
        if any(tag.name == _TAGS[0][0] for tag in await service.list_tags(tx)):
            return
        newest = await members.list_members(tx, None, None, 10)
        for name, group, note, persons in _TAGS:
            draft = TagDraft(name=name, group=group, note=note, making=ByHand())
            tag = await service.make_tag(tx, _BY, draft)
            for member in newest[:persons]:
                await service.give_tag(tx, _BY, tag.tag_id, member.person_no)
        await service.ask_rebuild(tx)
    await service.count_visits(shop_id)
