"""A person who follows, writes or is added by staff is found among the members by unionid."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from siyu.kernel import clock, config
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.inbox import Message
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform
from siyu.people.outreach import background
from siyu.people.outreach.service import people as outreach
from siyu.sandbox.client import SandboxClient
from siyu.sandbox.pushes import to_xml
from siyu.wechat.mini_program import service as mini
from siyu.wechat.mini_program.contracts import MiniProgramCredentials
from siyu.wechat.official_account import service as official
from siyu.wechat.official_account.contracts import AccountChange
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Environment
from siyu.wechat.transport.service import calling
from siyu.wechat.wecom import service as wecom
from siyu.wechat.wecom.contracts import CorpChange
from tests.wechat.conftest import Server


@pytest.fixture
async def person(served_sandbox: Server, shop: ShopId) -> AsyncIterator[SandboxClient]:
    before = config.settings()
    config.use(msgspec.structs.replace(before, sandbox_url=served_sandbox.url))
    calling._lanes.clear()
    transport.forget_tokens()
    async with SandboxClient(served_sandbox.url) as person:
        account = (await person.accounts("official_account"))[0]
        corp = (await person.accounts("wecom"))[0]
        async with transaction(shop) as tx:
            await official.set_settings(
                tx,
                System(),
                AccountChange(
                    environment=Environment.SANDBOX,
                    appid=account["account"],
                    secret=account["secret"],
                ),
            )
            await wecom.set_settings(
                tx,
                System(),
                CorpChange(
                    environment=Environment.SANDBOX,
                    corp_id=corp["account"],
                    agent_id=corp["agent_id"],
                    secret=corp["secret"],
                ),
            )
        yield person
    config.use(before)


async def join(shop: ShopId, person: SandboxClient, someone: str, *, tells: bool = True) -> int:
    """Log in to the mini-program; the person's number. tells: WeChat says the unionid."""
    keys = await person.credentials()
    credentials = MiniProgramCredentials(
        appid=keys["appid"],
        secret=keys["secret"],
        base_url=config.settings().sandbox_url or "",
    )
    code = await person.login_code(someone, credentials.appid)
    session = await mini.code2session(credentials, code)
    async with transaction(shop) as tx:
        await members.record_login(
            tx,
            credentials.appid,
            session.openid,
            union_id=session.unionid if tells else None,
            platform=Platform.MINI_PROGRAM,
        )
        number = await members.person_of_app(tx, credentials.appid, session.openid)
    assert number is not None
    return number


def message(shop: ShopId, source: str, **fields: str | int) -> Message:
    raw = to_xml({"CreateTime": 1409304348, "MsgType": "event"} | fields)
    return Message(shop, source, "e1", raw.encode(), {}, clock.now())


async def test_a_follower_is_the_member_with_the_same_unionid(
    shop: ShopId, person: SandboxClient
) -> None:
    someone = await person.add_person("谷雨", "13900000002")
    account = (await person.accounts("official_account"))[0]["account"]
    openid = await person.follow(someone, account)
    news = message(shop, "wechat.official_account", Event="subscribe", FromUserName=openid)
    await background.take_official_account(news)
    async with reading(shop) as tx:
        assert await members.person_of_app(tx, account, openid) is None, "no member by following"
    number = await join(shop, person, someone)
    async with reading(shop) as tx:
        assert await members.person_of_app(tx, account, openid) == number, "at once"
    for _ in range(2):
        await background.take_official_account(news)
    async with reading(shop) as tx:
        assert await members.person_of_app(tx, account, openid) == number
        assert await tx.value("select count(*) from members.waiting_logins") == 0


async def test_who_leaves_before_they_have_an_account_leaves_nothing(
    shop: ShopId, person: SandboxClient
) -> None:
    someone = await person.add_person("立夏", "13900000004")
    account = (await person.accounts("official_account"))[0]["account"]
    openid = await person.follow(someone, account)
    for event, kept in (("subscribe", 1), ("unsubscribe", 0)):
        if event == "unsubscribe":
            await person.unfollow(someone, account)
        await background.take_official_account(
            message(shop, "wechat.official_account", Event=event, FromUserName=openid)
        )
        async with reading(shop) as tx:
            assert await tx.value("select count(*) from members.waiting_logins") == kept
    await join(shop, person, someone)
    async with reading(shop) as tx:
        assert await members.person_of_app(tx, account, openid) is None


async def test_a_customer_of_the_staff_is_the_member_with_the_same_unionid(
    shop: ShopId, person: SandboxClient
) -> None:
    someone = await person.add_person("清明", "13900000003")
    corp = (await person.accounts("wecom"))[0]["account"]
    number = await join(shop, person, someone)
    external = await person.add_staff(someone, corp, "xiaoyu")
    added = message(
        shop,
        "wechat.wecom",
        Event="change_external_contact",
        ChangeType="add_external_contact",
        UserID="xiaoyu",
        ExternalUserID=external,
        FromUserName="sys",
    )
    for _ in range(2):
        await background.take_wecom(added)
    async with reading(shop) as tx:
        assert await members.person_of_contact(tx, external) == number


async def added(
    shop: ShopId, person: SandboxClient, someone: str, what: str = "add_external_contact"
) -> str:
    """Somebody becomes a customer of the staff, or leaves them; their external_userid."""
    corp = (await person.accounts("wecom"))[0]["account"]
    external = await person.add_staff(someone, corp, "xiaoyu")
    news = message(
        shop, "wechat.wecom", Event="change_external_contact", ChangeType=what,
        UserID="xiaoyu", ExternalUserID=external, FromUserName="sys",
    )  # fmt: skip
    await background.take_wecom(news)
    return external


async def links(shop: ShopId, number: int) -> list[tuple[str, str]]:
    """What a person is linked by at WeCom and the official account, and how many wait."""
    async with reading(shop) as tx:
        rows = await tx.connection.fetch(
            """select i.kind, i.source from members.identifiers i join members.members m
                 using (shop_id, member_id)
               where i.shop_id = $1 and m.person_no = $2 and i.kind <> 'phone' order by 1""",
            shop, number,
        )  # fmt: skip
        assert await tx.value("select count(*) from members.waiting_contacts") == 0
        assert await tx.value("select count(*) from members.merges") == 0
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("order", ["contact first", "account first", "unionid last"])
async def test_contact_and_account_in_any_order_are_the_same_person(
    shop: ShopId, person: SandboxClient, order: str
) -> None:
    """Linked the moment the later of both is there: no other news is needed."""
    someone = await person.add_person("白露", f"138{shop:08}")
    if order == "account first":
        number = await join(shop, person, someone)
        external = await added(shop, person, someone)
    else:
        if order == "unionid last":
            await join(shop, person, someone, tells=False)
        external = await added(shop, person, someone)
        await added(shop, person, someone)  # told twice
        async with reading(shop) as tx:
            assert await members.person_of_contact(tx, external) is None
        number = await join(shop, person, someone)
    async with reading(shop) as tx:
        assert await members.person_of_contact(tx, external) == number
    assert await links(shop, number) == [("external_userid", "wecom"), ("unionid", "login")]


async def test_a_customer_who_leaves_before_they_have_an_account_leaves_nothing(
    shop: ShopId, person: SandboxClient
) -> None:
    someone = await person.add_person("秋分", f"137{shop:08}")
    external = await added(shop, person, someone)
    await added(shop, person, someone, "del_follow_user")
    number = await join(shop, person, someone)
    async with reading(shop) as tx:
        assert await members.person_of_contact(tx, external) is None
    assert await links(shop, number) == [("unionid", "login")]


@pytest.mark.parametrize(
    ("news", "follows"),
    [
        ([("subscribe", 1), ("unsubscribe", 2)], False),
        ([("unsubscribe", 2), ("subscribe", 1)], False),
        ([("unsubscribe", 1), ("subscribe", 2)], True),
        ([("subscribe", 2), ("unsubscribe", 1)], True),
        ([("subscribe", 2), ("unsubscribe", 1), ("subscribe", 2)], True),
    ],
)
async def test_news_that_come_out_of_order_end_as_what_was_last(
    shop: ShopId, person: SandboxClient, news: list[tuple[str, int]], follows: bool
) -> None:
    someone = await person.add_person("小满", f"139{shop:08}")
    account = (await person.accounts("official_account"))[0]["account"]
    number = await join(shop, person, someone)
    openid = await person.follow(someone, account)
    for what, second in [("subscribe", 0), *news]:
        came = 1409304348 + second
        told = message(shop, "wechat.official_account", Event=what, FromUserName=openid)
        raw = told.raw.replace(b"<CreateTime>1409304348<", f"<CreateTime>{came}<".encode())
        own = msgspec.structs.replace(told, raw=raw, outside_id=f"{what}{second}")
        await background.take_official_account(own)
    async with reading(shop) as tx:
        blocks = await outreach.list_blocks(tx, number)
    assert [one.channel for one in blocks] == ([] if follows else ["notice"])
