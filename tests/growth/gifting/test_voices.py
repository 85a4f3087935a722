"""Voice greetings: what is taken, how long it is, and who may hear it (F072)."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from siyu.growth.gifting import background, rules, service
from siyu.growth.gifting.contracts import MAX_VOICE_BYTES, BadVoice, VoiceNotFound, VoiceTooLarge
from siyu.growth.gifting.service.recording import read_recording
from siyu.growth.gifting.service.voices import voice_file
from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.people.privacy.contracts import PersonErased
from tests.growth.gifting import sounds
from tests.growth.gifting.kit import Fair, ok, refused, token

pytestmark = pytest.mark.xdist_group("sandbox")


@pytest.mark.parametrize(
    ("raw", "media_type", "milliseconds"),
    [
        (sounds.aac(40), "audio/aac", 40 * 1024 * 1000 // 16000),
        (sounds.ID3 + sounds.aac(2), "audio/aac", 128),
        (sounds.mp3(40), "audio/mpeg", 40 * 1152 * 1000 // 44100),
        (sounds.mp3(40, version=2), "audio/mpeg", 40 * 576 * 1000 // 16000),
        (sounds.mp3(4, tag=sounds.ID3, tail=sounds.OLD_TAG), "audio/mpeg", 104),
        (sounds.opus(3), "audio/ogg", 3000),
        (sounds.vorbis(3), "audio/ogg", 3000),
        (sounds.m4a(3), "audio/mp4", 3000),
        (sounds.m4a(3, is_wide=True), "audio/mp4", 3000),
        (sounds.live_m4a(3), "audio/mp4", 30 * 1024 * 1000 // 16000),
        (sounds.live_m4a(3, own=True), "audio/mp4", 30 * 1024 * 1000 // 16000),
        (sounds.live_m4a(3, named=True), "audio/mp4", 30 * 1024 * 1000 // 16000),
        (sounds.webm(3), "audio/webm", 3000),
        (sounds.webm(3, told="d"), "audio/webm", 3000),
        (sounds.webm(3, told="f"), "audio/webm", 3000),
        (sounds.opus(60.5), "audio/ogg", 60_000),
    ],
)
def test_what_recorders_make_is_understood(raw: bytes, media_type: str, milliseconds: int) -> None:
    found = read_recording(raw)
    assert (found.media_type, found.duration_ms) == (media_type, milliseconds)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 20,
        b"MZ" + bytes(200),
        b"\x89PNG\r\n" + bytes(100),
        sounds.aac(1),
        sounds.aac(3) + b"<script>alert(1)</script>" * 20,
        sounds.aac(3, size=7)[:-7] + b"\xff\xf1\x60\x40\x00\x00\xfc",
        sounds.aac(3, rate_index=14),
        sounds.mp3(1),
        sounds.mp3(5, tail=b"<html>"),
        sounds.mp3(2, version=1),
        b"\xff\xfb\xf0\xc0" * 50,
        b"\xff\xfb\x00\xc0" * 50,
        b"\xff\xfb\x1c\xc0" * 50,
        sounds.theora(),
        b"OggS",
        sounds.m4a(3, handler=b"vide"),
        sounds.FTYP,
        sounds.FTYP + b"\0\0\0\x03moov",
        sounds.webm(3, video=True),
        b"\x1a\x45\xdf\xa3\x00" + bytes(20),
        b"\x1a\x45\xdf\xa3",
        sounds.opus(0),
    ],
)
def test_what_is_no_recording_is_refused(raw: bytes) -> None:
    with pytest.raises(BadVoice):
        read_recording(raw)


def test_a_minute_and_a_megabyte_are_the_end() -> None:
    with pytest.raises(BadVoice) as long:
        read_recording(sounds.opus(61))
    assert long.value.details["why"] == "too_long"
    with pytest.raises(VoiceTooLarge):
        read_recording(bytes(MAX_VOICE_BYTES + 1))


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=50-20", (50, 21)),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
    ],
)
def test_ranges(asked: str | None, part: tuple[int, int] | None) -> None:
    assert rules.read_range(asked, 100) == part


async def upload(fair: Fair, raw: bytes) -> object:
    return await fair.http.post(
        "/shop/v1/gifts/voices",
        files={"file": ("../../run.html", raw, "text/html")},
        headers=token(fair.anna.member),
    )


async def test_only_giver_and_those_with_the_link_hear_it(shop_fair: Fair) -> None:
    fair, ben = shop_fair, await shop_fair.person()
    raw = sounds.webm(3)
    taken = await upload(fair, raw)
    assert taken.status_code == 201 and taken.json()["duration_ms"] == 3000  # type: ignore[attr-defined]
    voice_id = taken.json()["voice_id"]  # type: ignore[attr-defined]
    gift = await fair.give(1, voice_id=voice_id)
    assert gift["voice_ms"] == 3000
    link = f"/gifts/links/{gift['link_key']}/voice"
    mine = f"/gifts/given/{gift['gift_id']}/voice"
    for who, path in ((fair.anna, mine), (ben, link)):
        heard = await who.send("GET", path)
        assert (heard.status_code, heard.content) == (200, raw)
        assert heard.headers["content-type"] == "audio/webm"
        assert heard.headers["x-content-type-options"] == "nosniff"
        assert heard.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert "private" in heard.headers["cache-control"]
    assert (await ben.send("GET", mine)).status_code == 404
    assert (await fair.http.get(f"/shop/v1{link}")).status_code == 401
    headers = token(ben.member) | {"Range": "bytes=4-7"}
    part = await fair.http.get(f"/shop/v1{link}", headers=headers)
    assert (part.status_code, part.content) == (206, raw[4:8])
    assert part.headers["content-range"] == f"bytes 4-7/{len(raw)}"
    headers["Range"] = "bytes=999999-"
    beyond = await fair.http.get(f"/shop/v1{link}", headers=headers)
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(raw)}")
    # It was thrown away by hand: said as it is.
    service.drop_file(fair.shop, UUID(voice_id))
    assert refused(await ben.send("GET", link)) == (404, "gifting.voice_not_found")


async def test_another_ones_or_a_used_recording_cannot_be_given(shop_fair: Fair) -> None:
    fair = shop_fair
    voice_id = (await upload(fair, sounds.opus())).json()["voice_id"]  # type: ignore[attr-defined]
    eve = await fair.person()
    body = fair.body(voice_id=voice_id)
    assert refused(await eve.send("POST", "/gifts", body)) == (404, "gifting.voice_not_found")
    ok(await fair.anna.send("POST", "/gifts", body))
    answer = await fair.anna.send("POST", "/gifts", body)
    assert refused(answer) == (404, "gifting.voice_not_found")
    gift = await fair.give(1)
    answer = await eve.send("GET", f"/gifts/links/{gift['link_key']}/voice")
    assert refused(answer) == (404, "gifting.voice_not_found")
    assert await fair.value("select count(*) from gifting.gifts") == 2


async def test_what_is_no_voice_leaves_nothing(shop_fair: Fair) -> None:
    fair = shop_fair
    answer = await upload(fair, b"<script>alert(1)</script>")
    assert refused(answer) == (422, "gifting.bad_voice")  # type: ignore[arg-type]
    answer = await upload(fair, sounds.aac(2) + bytes(MAX_VOICE_BYTES))
    assert answer.status_code == 413  # type: ignore[attr-defined]
    assert await fair.value("select count(*) from gifting.voices") == 0
    assert not voice_file(fair.shop, uuid4()).parent.exists()


async def test_recordings_without_a_gift_are_few_and_forgotten(shop_fair: Fair) -> None:
    fair = shop_fair
    for _ in range(20):
        assert (await upload(fair, sounds.aac(4))).status_code == 201  # type: ignore[attr-defined]
    answer = await upload(fair, sounds.aac(4))
    assert refused(answer) == (409, "gifting.too_many_voices")  # type: ignore[arg-type]
    kept = await fair.value("select min(voice_id::text) from gifting.voices")
    await fair.give(1, voice_id=kept)
    clock.advance(timedelta(hours=25))
    await background.forget_voices()
    assert await fair.value("select count(*) from gifting.voices") == 1
    assert voice_file(fair.shop, UUID(kept)).is_file()
    async with transaction(fair.shop) as tx:
        assert (await service.get_voice(tx, UUID(kept))).media_type == "audio/aac"
        with pytest.raises(VoiceNotFound):
            await service.get_voice(tx, uuid4())


async def test_an_erased_person_is_not_heard_any_more(shop_fair: Fair) -> None:
    fair = shop_fair
    given, waiting = [
        UUID((await upload(fair, sounds.aac(4))).json()["voice_id"])  # type: ignore[attr-defined]
        for _ in range(2)
    ]
    gift = await fair.give(1, voice_id=str(given))
    erased = PersonErased(fair.anna.member.person_no, fair.anna.member.member_id)
    async with transaction(fair.shop) as tx:
        await background.on_person_erased(tx, erased)
        await background.on_person_erased(tx, erased)  # told again, nothing is left
    assert await fair.value("select count(*) from gifting.voices") == 0
    assert (await fair.given(gift))["voice_ms"] is None
    for voice_id in (given, waiting, waiting):
        await background.drop_voice(fair.shop, str(voice_id))
        assert not voice_file(fair.shop, voice_id).exists()
