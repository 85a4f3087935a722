"""A customer of many traces: taken along whole, then forgotten, and nothing of them is left."""

import io
import json
import zipfile
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from siyu.commerce.after_sale.service.pictures import picture_file
from siyu.commerce.reviews import background as reviews_work
from siyu.growth.gifting import background as gifting_work
from siyu.kernel import clock, config, crypto
from siyu.kernel.auth import MemberIdentity, member_token
from siyu.kernel.crypto import vault
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel, Purpose
from siyu.people.members import service as members
from siyu.people.privacy import background, queries, rules, service
from siyu.people.privacy.contracts import (
    ArchiveNotFound,
    ErasureNotFound,
    ErasureRefused,
    ErasureState,
    ErasureUnderWay,
    PersonErased,
)
from siyu.people.privacy.service import archiving
from tests.commerce.ordering.kit import ADDRESS, make_buyers
from tests.faults.test_access_matrix import World, world

__all__ = ["world"]

CANARIES = ("金丝雀甲", "13911112222", "乙店的留言", ADDRESS.receiver, ADDRESS.detail)


@pytest.fixture
async def buyer(shop: ShopId) -> MemberIdentity:
    """Somebody with an account and an address, and no orders."""
    [(member, _)] = await make_buyers(shop, 1)
    return member


async def traces(member: MemberIdentity, canaries: tuple[str, ...] = CANARIES) -> dict[str, str]:
    """Table -> canary found in it, in clear or sealed, over every table of the shop."""
    found = {}
    async with reading(member.shop_id) as tx:
        for name in service.data_map():
            if name.startswith(("warehouse.", "jobs.", "staff.")) or name in (
                "kernel.outbox_cursor", "kernel.ticks",
            ):  # fmt: skip
                continue
            for row in await tx.connection.fetch(
                f"select * from {name} where shop_id = $1", member.shop_id
            ):
                text = " ".join(_clear(value) for value in row.values())
                found.update((name, canary) for canary in canaries if canary in text)
    return found


def _clear(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return vault().open(value)
    except Exception:  # a hash, or what is not ours to open
        return ""


async def leave_traces(member: MemberIdentity) -> None:
    """A name, a phone number, consents, and a cart."""
    async with transaction(member.shop_id) as tx:
        await members.edit_profile(tx, member.member_id, "金丝雀甲")
        await members.give_phone(tx, member.member_id, "+8613911112222")
        await consents.decide(
            tx, member.person_no, Purpose.MARKETING, granted=False, text_version="2026-11-01",
            channel=Channel.H5, language="zh-CN",
        )  # fmt: skip


async def test_F089_the_archive_holds_every_row_of_the_person_in_clear(world: World) -> None:
    member = world.member_b
    await leave_traces(member)
    picture = picture_file(member.shop_id, UUID(world.ids_b["picture_id"]), 1200)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"a picture")
    async with transaction(member.shop_id) as tx:
        archive_id = await service.ask_archive(tx, member, member.member_id, "")
    await service.make_archive(member.shop_id, archive_id)
    await service.make_archive(member.shop_id, archive_id)  # a job may run twice
    async with transaction(member.shop_id) as tx:
        raw = await service.fetch_archive(tx, member, archive_id, member.member_id)
    archive = zipfile.ZipFile(io.BytesIO(raw))
    tables = service.tables_of_persons()
    assert set(archive.namelist()) == {
        "README.md", "manifest.json", "events.json", *(f"data/{name}.json" for name in tables),
        f"files/after_sale.pictures/{picture.name}",
    }  # fmt: skip
    assert archive.read(f"files/after_sale.pictures/{picture.name}") == b"a picture"
    manifest = json.loads(archive.read("manifest.json"))
    async with reading(member.shop_id) as tx:
        person = queries.Person([member.member_id], [member.person_no])
        held = await queries.count_rows(tx, tables, person)
    told = {one["table"]: one["rows"] for one in manifest["tables"]}
    assert held.pop("kernel.audit") == told.pop("kernel.audit") + 1, "fetching it left a line"
    assert told == held
    assert sum(1 for rows in held.values() if rows) >= 20, "a customer of many traces"
    text = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert [canary for canary in CANARIES if canary not in text] == []
    assert str(archive_id) in archive.read("README.md").decode(), "the watermark"
    async with reading(member.shop_id) as tx:
        seen = await service.list_access(tx, None, 10)
        own = await service.list_access(tx, None, 10, member.member_id)
        other = await service.list_access(tx, None, 10, uuid4())
    assert [one.action for one in seen][:2] == ["privacy.archive_fetched", "privacy.archive_asked"]
    assert {one.subject_id for one in own} == {str(member.member_id)} and other == []


async def test_F088_nothing_of_a_person_is_left_and_the_report_says_what_stays(
    world: World,
) -> None:
    member = world.member_b
    await leave_traces(member)
    before = await traces(member)
    assert {"members.members", "members.addresses", "ordering.orders"} <= set(before)
    async with reading(member.shop_id) as tx:
        money = await tx.value(
            "select sum(units) from ledger.legs where owner = $1", member.member_id
        )
    async with transaction(member.shop_id) as tx:
        person = queries.Person([member.member_id], [member.person_no])
        report = await service.erase_person(tx, person)
        event = PersonErased(person_no=member.person_no, member_id=member.member_id)
        await reviews_work.on_person_erased(tx, event)
        await gifting_work.on_person_erased(tx, event)
    assert await traces(member) == {}
    treated = {one.table: one for one in report}
    assert treated["members.addresses"].done == "erased"
    assert (treated["ordering.orders"].done, treated["ordering.orders"].law) == (
        "scrubbed",
        "trade",
    )
    assert (treated["ledger.legs"].done, treated["ledger.legs"].law) == ("kept", "ledger")
    async with reading(member.shop_id) as tx:
        assert money == await tx.value(
            "select sum(units) from ledger.legs where owner = $1", member.member_id
        ), "the books stay as they were"
        assert (await members.get_member(tx, member.member_id)).nickname == "已注销"
        assert await members.list_addresses(tx, member.member_id) == []


async def test_F088_what_is_not_finished_blocks_with_its_reason(world: World) -> None:
    member = world.member_b
    async with transaction(member.shop_id) as tx:
        with pytest.raises(ErasureRefused) as refused:
            await service.ask_erasure(tx, member, member.member_id, "")
    assert "open_order" in refused.value.details["blocks"]
    assert "balance" in refused.value.details["blocks"]


async def test_F088_a_cool_off_of_seven_days_that_can_be_called_off(buyer: MemberIdentity) -> None:
    async with transaction(buyer.shop_id) as tx:
        asked = await service.ask_erasure(tx, buyer, buyer.member_id, "不用了")
        with pytest.raises(ErasureUnderWay):
            await service.ask_erasure(tx, buyer, buyer.member_id, "再说一遍")
    assert asked.due_at - asked.asked_at == timedelta(days=7)
    assert asked.latest_at - asked.asked_at == timedelta(days=15)
    async with transaction(buyer.shop_id) as tx:
        assert await service.carry_out(tx, asked.erasure_id) is None, "not yet"
        await service.cancel_erasure(tx, buyer, buyer.member_id)
        with pytest.raises(ErasureNotFound):
            await service.cancel_erasure(tx, buyer, buyer.member_id)
    clock.advance(timedelta(days=8))
    async with transaction(buyer.shop_id) as tx:
        assert await service.carry_out(tx, asked.erasure_id) is None
        assert (await members.get_member(tx, buyer.member_id)).nickname != "已注销"


async def test_F088_it_is_done_after_seven_days_and_again_when_tokens_are_over(
    buyer: MemberIdentity, quiet: None
) -> None:
    await leave_traces(buyer)
    async with transaction(buyer.shop_id) as tx:
        asked = await service.ask_erasure(tx, buyer, buyer.member_id, "")
    clock.advance(timedelta(days=7, minutes=1))
    await background.carry_out_erasures()
    async with transaction(buyer.shop_id) as tx:
        [done] = await service.list_erasures(tx, None, 5)
        assert (done.erasure_id, done.state) == (asked.erasure_id, ErasureState.DONE)
        assert done.ended_at is not None and done.ended_at < done.latest_at and done.report
        jobs = await tx.connection.fetch(
            "select 1 from kernel.audit where action = 'privacy.person_erased'"
        )
        assert len(jobs) == 1
        # A token from before still writes: what it leaves goes a day later.
        await members.edit_profile(tx, buyer.member_id, "金丝雀甲")
    assert await traces(buyer) != {}
    async with transaction(buyer.shop_id) as tx:
        assert await service.erase_again(tx, asked.erasure_id)
    assert await traces(buyer) == {}


async def test_an_archive_is_its_owners_for_a_week(buyer: MemberIdentity) -> None:
    async with transaction(buyer.shop_id) as tx:
        archive_id = await service.ask_archive(tx, buyer, buyer.member_id, "")
    await service.make_archive(buyer.shop_id, archive_id)
    for whose, days in ((new_id(), 0), (buyer.member_id, 8)):
        clock.advance(timedelta(days=days))
        with pytest.raises(ArchiveNotFound):
            async with transaction(buyer.shop_id) as tx:
                await service.fetch_archive(tx, buyer, archive_id, whose)
    await background.keep_no_longer()
    async with reading(buyer.shop_id) as tx:
        [one] = await service.list_archives(tx, None, 5)
    assert one.state == "gone" and one.asked_by == buyer.actor_name


async def test_retention_lets_go_what_is_old_and_says_so(buyer: MemberIdentity) -> None:
    old, new = new_id(), new_id()
    async with transaction(buyer.shop_id) as tx:
        for visitor, days in ((old, 731), (new, 729)):
            await members.join_visitor(tx, visitor, buyer.member_id, buyer.person_no)
            await tx.run(
                "update members.visitors set seen_at = $2 where visitor = $1",
                *(visitor, clock.now() - timedelta(days=days)),
            )
    assert await service.keep_no_longer(buyer.shop_id) == {"members.visitors": 1}
    async with reading(buyer.shop_id) as tx:
        [run] = await service.list_runs(tx)
        left = await tx.connection.fetch("select visitor from members.visitors")
    assert (run.name, run.rows) == ("members.visitors", 1)
    assert [row["visitor"] for row in left] == [new]


async def test_through_http_see_take_along_be_forgotten_call_off(world: World) -> None:
    [(member, _)] = await make_buyers(world.b, 1)
    headers = {"Authorization": f"Bearer {member_token(member)}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(world.app), base_url="https://shop.test", headers=headers
    ) as phone:
        seen = (await phone.get("/shop/v1/my-data")).json()
        assert {"account", "trade", "payment"} <= {line["use"] for line in seen["held"]}
        assert (seen["erasure"], seen["blocks"]) == (None, [])
        asked = await phone.post("/shop/v1/my-data/archives")
        assert asked.status_code == 202
        [made] = asked.json()["archives"]
        assert made["state"] == "making"
        await service.make_archive(world.b, UUID(made["archive_id"]))
        file = await phone.get(f"/shop/v1/my-data/archives/{made['archive_id']}")
        assert file.headers["content-type"] == "application/zip"
        assert file.headers["cache-control"] == "no-store"
        assert zipfile.ZipFile(io.BytesIO(file.content)).testzip() is None
        for _ in range(2):
            await phone.post("/shop/v1/my-data/archives")
        assert (await phone.post("/shop/v1/my-data/archives")).status_code == 429
        wish = await phone.post("/shop/v1/my-data/erasure", json={"reason": "搬家"})
        assert wish.status_code == 202 and wish.json()["erasure"]["state"] == "waiting"
        off = await phone.delete("/shop/v1/my-data/erasure")
        assert off.status_code == 200 and off.json()["erasure"] is None
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(world.app), base_url="https://shop.test"
    ) as desk:
        desk.headers.update({"Cookie": world.cookie_a, "X-Siyu-Shop": world.code_a})
        told = (await desk.get("/admin/v1/data-map")).json()
        assert told["table_count"] == len(service.data_map())
        for path in ("retention", "data-access", "data-erasures", "data-archives"):
            assert (await desk.get(f"/admin/v1/{path}")).status_code == 200, path


async def test_F093_a_new_key_while_serving_and_everything_sealed_anew(
    buyer: MemberIdentity,
) -> None:
    await leave_traces(buyer)
    before = crypto.vault()
    file = config.settings().key_file
    key_id = crypto.add_key(file)
    fresh = crypto.load_vault(file)
    assert (before.newest, fresh.newest) == (key_id - 1, key_id)
    told = fresh.seal("另一个进程写的")
    assert vault().open(told) == "另一个进程写的", "an old process meets the new key and reads on"
    assert await service.reseal(buyer.shop_id) >= 2  # phone and address
    assert await service.reseal(buyer.shop_id) == 0
    async with reading(buyer.shop_id) as tx:
        sealed = await tx.value("select phone_sealed from members.members")
        assert sealed[0] == key_id and vault().open(sealed) == "+8613911112222"
        [address] = await members.list_addresses(tx, buyer.member_id)
    assert address.receiver == ADDRESS.receiver
    lost = crypto.Vault({key_id: b"x" * 32}, b"l" * 32, b"t" * 32)
    with pytest.raises(crypto.KeyMissing):
        lost.open(before.seal("谁也打不开"))


def test_a_map_that_contradicts_itself_is_refused() -> None:
    from siyu.people.privacy import rules

    for text in (
        b'["a.b"]\nplain = ["x"]\npersonal = { x = "name" }\nsubject = "staff"',
        b'["a.b"]\nplain = []\npersonal = { x = "name" }',
        b'["a.b"]\nplain = []\npersonal = { x = "name" }\nsubject = "customer"',
        b'["a.b"]\nplain = []\nperson = "true"\nuse = "trade"\nkeep = "trade"\nerase = "keep"',
    ):
        with pytest.raises(ValueError, match=r"a\.b"):
            rules.load_map({"here": text})


_AMR, _MP3 = b"#!AMR\n\x3c\x91", b"ID3\x04\x00\x00"
_WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 "


@pytest.mark.parametrize(
    ("content", "media_type", "suffix", "ending"),
    [
        (b"\xff\xd8\xff\xe0..JFIF", "", "", ".jpg"),
        (b"\x89PNG\r\n\x1a\n....", "", "", ".png"),
        (_WEBP, "", "", ".webp"),
        (_WEBP, "image/jpeg", ".png", ".webp"),  # what it is counts, not what it was called
        (b"GIF89a", "", "", ".gif"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "", "", ".wav"),
        (_MP3, "", "", ".mp3"),
        (b"\xff\xfb\x90\x64", "", "", ".mp3"),
        (b"\xff\xf1\x50\x80", "", "", ".aac"),
        (b"\x00\x00\x00\x20ftypM4A ", "", "", ".m4a"),
        (_AMR, "", "", ".amr"),
        (b"OggS\x00\x02", "", "", ".ogg"),
        (b"\x1aE\xdf\xa3\x9f", "audio/ogg", "", ".webm"),
        (b"something", "", "", ".bin"),
        (b"something", "audio/mpeg; codecs=mp3", "", ".mp3"),
        (b"something", "application/x-unheard-of", "", ".bin"),
        (b"something", "", ".webp", ".webp"),
        (b"", "", "", ".bin"),
        (b"\xff", "", "", ".bin"),
        (b"RIFF", "", "", ".bin"),
    ],
)
def test_a_file_of_an_archive_ends_as_what_it_is(
    content: bytes, media_type: str, suffix: str, ending: str
) -> None:
    assert rules.ending_of(content, media_type, suffix) == ending


@pytest.mark.parametrize(
    ("content", "said", "ending"),
    [
        (_MP3, "audio/mpeg", ".mp3"),
        (b"OggS\x00\x02", "audio/webm", ".ogg"),
        (b"unheard of", "audio/mp4", ".m4a"),
    ],
)
async def test_a_voice_is_taken_along_as_a_file_one_can_open(
    buyer: MemberIdentity, content: bytes, said: str, ending: str
) -> None:
    """The shop keeps recordings without an ending."""
    voice_id = new_id()
    folder = config.settings().data_dir / "voices" / str(buyer.shop_id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(voice_id)).write_bytes(content)
    async with transaction(buyer.shop_id) as tx:
        await tx.run(
            """insert into gifting.voices (shop_id, voice_id, member_id, media_type, size_bytes,
                 duration_ms, uploaded_at) values ($1, $2, $3, $4, 10, 1000, $5)""",
            *(buyer.shop_id, voice_id, buyer.member_id, said, clock.now()),
        )
        archive_id = await service.ask_archive(tx, buyer, buyer.member_id, "")
    await service.make_archive(buyer.shop_id, archive_id)
    async with transaction(buyer.shop_id) as tx:
        raw = await service.fetch_archive(tx, buyer, archive_id, buyer.member_id)
    archive = zipfile.ZipFile(io.BytesIO(raw))
    [name] = [one for one in archive.namelist() if one.startswith("files/")]
    assert name == f"files/gifting.voices/{voice_id}{ending}"
    assert archive.read(name) == content
    silent = {"gifting.voices": [{"voice_id": voice_id, "media_type": None}]}
    [(alone, _)] = archiving._files(buyer.shop_id, silent)
    assert alone.endswith(".bin" if content == b"unheard of" else ending), "never a bare dot"
