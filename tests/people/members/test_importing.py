"""Lists of members: what is made, found, refused, and an import that was killed."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.people.members import service
from siyu.people.members.contracts import (
    BadList,
    IdentifierKind,
    Level,
    ListReport,
    MergeState,
    Platform,
    Source,
)
from siyu.people.members.service import importing
from siyu.people.profiles import service as profiles

ZONE = ZoneInfo("Asia/Shanghai")
LIST = """手机号,openid,会员卡号,邮箱,昵称,会员等级,入会时间,生日
13812345678,,C-0001,wang@x.cn,老王,VIP,2021-05-01 08:00:00,1月
13812345679,o-abcdef,C-0002,,,普通,2022/06/01,
138 1234 5678,,C-0003,,老王二号,,,
12345,,,,坏号,,,
,,,,没有人,,,
13812345680,,,,等级错,钻石,,
13812345681,,,,日期错,,2050-01-01,
13812345682,,C-0001,,借卡的人,,,
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "members.csv"
    found.write_text(LIST, encoding="gb18030")
    return found


async def read(shop: ShopId, file: Path, app_id: str | None = "wx1") -> ListReport:
    return await service.import_list(shop, file, app_id, ZONE, lambda *_: None)


async def counts(shop: ShopId) -> dict[str, int]:
    async with transaction(shop) as tx:
        return {
            table: await tx.value(f"select count(*) from members.{table} where shop_id = $1", shop)
            for table in ("persons", "members", "identifiers", "logins", "merges")
        }


async def test_the_tags_of_a_list_are_told_and_given_by_name(shop: ShopId, tmp_path: Path) -> None:
    file = tmp_path / "tagged.csv"
    file.write_text(
        "手机号,标签\n13812345678,老客；绿茶\n13812345679,绿茶|绿茶\n13812345670,\n"
        f"13812345671,{'长' * 31}\n13812345678,送礼\n",
        encoding="utf-8",
    )
    report = await read(shop, file)
    assert (report.made, report.found, report.refused) == (3, 1, 1)
    async with reading(shop) as tx:
        told = await tx.value(
            "select payload from kernel.outbox where name = 'members.members_tagged'"
        )
        numbers = {
            one.phone_masked: one.person_no for one in await service.list_members(tx, None, None, 9)
        }
    wang, li = numbers["138****5678"], numbers["138****5679"]
    assert told["tags"] == {"老客": [wang], "绿茶": sorted([wang, li]), "送礼": [wang]}
    for _ in range(2):
        async with transaction(shop) as tx:
            given = await profiles.give_listed(tx, told["tags"])
    assert given == {"老客": 1, "绿茶": 2, "送礼": 1}
    async with reading(shop) as tx:
        tags = {tag.name: tag.person_count for tag in await profiles.list_tags(tx)}
    assert tags == given


async def test_a_list_makes_finds_and_refuses(shop: ShopId, file: Path) -> None:
    report = await read(shop, file)
    assert (report.rows_done, report.made, report.found, report.refused) == (8, 2, 2, 4)
    assert report.proposed == 0, "the card is of the record the row's phone is new to"
    why, lines = await service.explain_refusals(shop, report.import_id, 10)
    assert [(one.line_no, one.reason) for one in lines] == [
        (5, "members.bad_phone"),
        (6, "nobody"),
        (7, "level"),
        (8, "joined_at"),
    ]
    assert sum(one.rows for one in why) == 4
    async with reading(shop) as tx:
        [wang] = await service.list_members(tx, "c-0003", None, 10)
        assert (wang.nickname, wang.level, wang.source) == ("老王", Level.VIP, Source.IMPORT)
        assert wang.joined_at.isoformat() == "2021-05-01T00:00:00+00:00"
        kinds = [
            one.kind
            for record in (await service.get_identities(tx, wang.member_id)).records
            for one in record.identifiers
        ]
        assert sorted(kinds) == ["card", "card", "email", "phone", "phone"]
    async with transaction(shop) as tx:
        entered = await service.record_login(
            tx, "wx1", "o-abcdef", union_id=None, platform=Platform.MINI_PROGRAM
        )
        assert (entered.is_new, entered.member.phone_masked) == (False, "138****5679")


async def test_a_list_that_tells_unionids_finds_whom_the_staff_know(
    shop: ShopId, tmp_path: Path
) -> None:
    async with transaction(shop) as tx:
        assert not await service.link_contact(tx, "wmOne", "o6Union")
        assert not await service.link_app(tx, "wxoa", "oaOne", "o6Union")
    file = tmp_path / "unions.csv"
    file.write_text("手机号,unionid\n13812345678,o6Union\n13812345679,o6Other\n", encoding="utf-8")
    await read(shop, file)
    async with reading(shop) as tx:
        number = await service.person_of_phone(tx, "+8613812345678")
        assert number is not None
        assert await service.person_of_contact(tx, "wmOne") == number
        assert await service.person_of_app(tx, "wxoa", "oaOne") == number


async def test_a_list_read_twice_changes_nothing(shop: ShopId, file: Path) -> None:
    first = await read(shop, file)
    before = await counts(shop)
    assert await read(shop, file) == first
    again = file.with_name("again.csv")
    again.write_text(LIST + "\n")
    report = await read(shop, again)
    assert (report.made, report.found) == (0, 4)
    assert await counts(shop) == before


async def test_a_killed_import_goes_on_where_it_was(
    shop: ShopId, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 2)

    class Killed(Exception):
        pass

    def stop(rows: int, _: int) -> None:
        if rows == 4:
            raise Killed

    with pytest.raises(Killed):
        await service.import_list(shop, file, "wx1", ZONE, stop)
    assert (await counts(shop))["members"] == 2
    report = await read(shop, file)
    assert (report.rows_done, report.made, report.found, report.refused) == (8, 2, 2, 4)
    assert report.ended_at is not None


async def test_a_row_of_two_members_waits_for_staff(shop: ShopId, file: Path) -> None:
    await read(shop, file)
    both = file.with_name("both.csv")
    both.write_text("phone,card\n13812345679,C-0001\n")
    report = await read(shop, both)
    assert (report.found, report.proposed) == (1, 1)
    async with reading(shop) as tx:
        [waiting] = await service.list_merges(tx, MergeState.PROPOSED, None, 10)
    assert waiting.evidence == IdentifierKind.CARD
    assert waiting.reasons == ["weak_evidence"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "昵称\n老王\n"])
async def test_a_file_that_names_nobody_is_refused(shop: ShopId, file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(BadList):
        await read(shop, file)
    assert (await counts(shop))["members"] == 0


async def test_openids_need_the_app_they_are_of(shop: ShopId, file: Path) -> None:
    with pytest.raises(BadList):
        await read(shop, file, None)


def test_a_file_without_persons_says_so_in_the_reader_s_language() -> None:
    with pytest.raises(BadList) as refused:
        importing.name_columns(["姓名", "等级"])
    zh, en = (refused.value.message(language) for language in ("zh-CN", "en"))
    assert zh.startswith("无法导入会员名单：没有一列能说明是谁") and "no column" not in zh
    assert en.startswith("This list of members cannot be imported: no column says who a row is")
