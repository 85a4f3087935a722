"""`POST /collect/v1`: consent first, each event by itself, once, and never a 500."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from siyu.insight.behaviour import rules, service
from siyu.insight.behaviour.service import Window
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity, member_token
from siyu.kernel.db import transaction
from siyu.kernel.errors import TooMany
from siyu.people.consents import rules as consent_texts
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel, Purpose
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform
from siyu.people.privacy import service as privacy
from siyu.warehouse.compaction import service as compaction
from tests.warehouse.support import check_invariants, rows
from tests.warehouse.test_purge import in_tail, on_disk

VERSION = consent_texts.text_in_force(Purpose.ANALYTICS).version
EVENTS = """select n.text, e.person_no, e.item_no, p.text, c.text,
                   coalesce(e.props, '{}') || jsonb_strip_nulls(jsonb_build_object(
                     'zone', nullif(e.zone, ''), 'dwell_ms', nullif(e.dwell_ms, 0))), e.at_us
            from warehouse.event_tail e join warehouse.event_name n on n.id = name_id
            join warehouse.channel c on c.id = channel_id
            join warehouse.page p on p.id = page_id
            where e.shop_id = %d order by event_no"""


def event(**more) -> dict:
    return {"name": "view", "at": datetime.now(UTC).isoformat(), "page": "/p/7?x=1"} | more


def body(*events, version: str | None = VERSION, **more) -> dict:
    return {
        "batch_key": str(uuid4()),
        "visitor": str(uuid4()),
        "consent_version": version,
        "events": list(events),
    } | more


async def send(web, content: dict, **headers) -> tuple[int, dict]:
    answer = await web.post("/collect/v1", json=content, headers=headers)
    return answer.status_code, answer.json()


async def log_in(shop, *, consent: bool | None = None) -> tuple[MemberIdentity, str]:
    async with transaction(shop) as tx:
        found = await members.record_login(
            tx, "wxapp", str(uuid4()), union_id=None, platform=Platform.H5
        )
        member = MemberIdentity(shop, found.member.member_id, found.member.person_no)
    if consent is not None:
        await decide(member, consent)
    return member, f"Bearer {member_token(member)}"


async def decide(member: MemberIdentity, granted: bool) -> None:
    async with transaction(member.shop_id) as tx:
        await consents.decide(
            tx,
            member.person_no,
            Purpose.ANALYTICS,
            text_version=VERSION,
            granted=granted,
            channel=Channel.H5,
            language="zh-CN",
        )


async def test_a_consenting_visitors_events_are_kept(web, shop, warehouse):
    sent = body(event(name="dwell", dwell_ms=1_200, zone="新品区"), event(props={"from": "poster"}))
    assert await send(web, sent) == (202, {"accepted": 2, "rejected": 0})
    first, second = await rows(EVENTS % shop)
    assert first[:6] == (
        "behaviour.dwell", 1, 0, "/p/*", "h5", {"zone": "新品区", "dwell_ms": 1_200}
    )  # fmt: skip
    assert second[:6] == ("behaviour.view", 1, 0, "/p/*", "h5", {"from": "poster"})
    assert abs(first[6] / 1e6 - datetime.now(UTC).timestamp()) < 60
    await check_invariants()


async def test_one_visitor_is_one_person_and_two_are_two(web, shop, warehouse):
    one, other = str(uuid4()), str(uuid4())
    for visitor in (one, other, one):
        await send(web, body(event(), visitor=visitor))
    assert [row[1] for row in await rows(EVENTS % shop)] == [1, 2, 1]


@pytest.mark.parametrize("version", [None, "1999-01-01", ""])
async def test_without_consent_nothing_is_kept(web, shop, warehouse, version):
    sent = body(event(), {"bad": 1}, version=version)
    assert await send(web, sent) == (202, {"accepted": 0, "rejected": 0})
    assert await rows(EVENTS % shop) == []
    assert await rows("select count(*) from warehouse.reject") == [(0,)]
    async with transaction(shop) as tx:
        assert await tx.value("select count(*) from members.persons") == 0


async def test_a_members_own_decision_counts_and_not_the_version_sent(web, shop, warehouse):
    member, token = await log_in(shop)
    taken = {"accepted": 1, "rejected": 0}
    silent = {"accepted": 0, "rejected": 0}
    assert await send(web, body(event()), Authorization=token) == (202, silent)
    await decide(member, True)
    assert await send(web, body(event(), version=None), Authorization=token) == (202, taken)
    await decide(member, False)
    assert await send(web, body(event()), Authorization=token) == (202, silent)
    assert [row[1] for row in await rows(EVENTS % shop)] == [member.person_no]


async def test_what_a_visitor_did_is_the_members_after_login(web, shop, warehouse):
    visitor = str(uuid4())
    await send(web, body(event(), visitor=visitor))
    member, token = await log_in(shop, consent=True)
    await send(web, body(event(), visitor=visitor), Authorization=token)
    assert [row[1] for row in await rows(EVENTS % shop)] == [1, member.person_no]
    async with transaction(shop) as tx:
        found = await members.persons_of_visitors(tx, [UUID(visitor)])
        joined = await tx.all(
            dict, "select payload from kernel.outbox where name = 'members.person_joined'"
        )
    assert found == {UUID(visitor): member.person_no}
    assert [row["payload"] for row in joined] == [
        {"person_no": member.person_no, "joined_person_no": 1}
    ]


async def test_a_repeated_batch_is_answered_the_same_and_kept_once(web, shop, warehouse):
    sent = body(event(), event())
    first = await send(web, sent)
    assert first == await send(web, sent) == (202, {"accepted": 2, "rejected": 0})
    assert len(await rows(EVENTS % shop)) == 2


async def test_a_bad_event_is_set_aside_and_its_neighbours_are_taken(web, shop, warehouse):
    sent = body(event(), event(name="buy"), event(at="yesterday"), event(dwell_ms=-1), event())
    assert await send(web, sent) == (202, {"accepted": 2, "rejected": 3})
    found = await rows("select shop_id, reason, sample from warehouse.reject order by reject_no")
    assert [row[:2] for row in found] == [
        (shop, "malformed_name"),
        (shop, "malformed_at"),
        (shop, "malformed_dwell_ms"),
    ]
    assert json.loads(found[0][2]) == {"name": "buy", "at": "text(32)", "page": "text(8)"}


async def test_the_channel_is_what_wechat_says(web, shop, warehouse):
    await send(web, body(event()), Referer="https://servicewechat.com/wx1/1/page-frame.html")
    await send(web, body(event()), Referer="https://evil.test/servicewechat.com/")
    assert [row[4] for row in await rows(EVENTS % shop)] == ["mp-weixin", "h5"]


async def test_an_unknown_product_stays_in_props(web, shop, warehouse):
    product_id = str(uuid4())
    await send(web, body(event(product_id=product_id)))
    assert [(row[2], row[5]) for row in await rows(EVENTS % shop)] == [
        (0, {"product_id": product_id})
    ]


NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        (NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
        (NOW + timedelta(days=400), NOW),
        (NOW - timedelta(days=30), NOW - timedelta(days=30)),
    ],
)
def test_clocks_of_phones_go_wrong(at, kept):
    assert rules.check_event(event(at=at.isoformat()), NOW).at == kept


@pytest.mark.parametrize(
    "bad",
    [
        {"at": (NOW - timedelta(days=30, seconds=1)).isoformat()},
        {"at": "2026-11-22T08:00:00"},
        {"at": "1970-01-01T00:00:00Z"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "9999-12-31T23:59:59-14:00"},
        {"at": 1_700_000_000},
        {"page": ""},
        {"page": "x" * 257},
        {"page": None},
        {"zone": "x" * 65},
        {"dwell_ms": 86_400_001},
        {"dwell_ms": 1.5},
        {"dwell_ms": True},
        {"dwell_ms": "１"},
        {"product_id": "not-an-id"},
        {"props": []},
        {"props": {"x": "y" * 2_048}},
        {"price_fen": 1},
        {"name": "behaviour.view"},
    ],
)
def test_F065_a_field_out_of_its_limits_refuses_the_event(bad):
    with pytest.raises(rules.Refused):
        rules.check_event(event(at=NOW.isoformat()) | bad, NOW)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b"{", 422),
        (b"null", 422),
        (b"\xff\xfe", 422),
        (b'{"batch_key": 1}', 422),
        (b'{"batch_key":"x","batch_key":"y"}', 422),
        (b"[" * 10_000 + b"]" * 10_000, 422),
        (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, 422),
        (b" " * 70_000, 413),
        (b"x" * 2_000_000, 413),
    ],
)
async def test_F071_malformed_bodies_are_refused(web, warehouse, raw, status):
    answer = await web.post(
        "/collect/v1", content=raw, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


@pytest.mark.parametrize(
    "change",
    [
        {"events": [{}] * 101},
        {"events": None},
        {"events": [1]},
        {"events": {}},
        {"batch_key": "x"},
        {"visitor": None},
        {"consent_version": 7},
        {"consent_version": "x" * 65},
        {"extra": 1},
        {"consent_version": "a\u0000b"},
    ],
)
async def test_F065_a_batch_out_of_shape_is_refused_whole(web, shop, warehouse, change):
    status, answer = await send(web, body(event()) | change)
    assert (status, answer["error"]["code"][:8]) == (422, "request.")
    assert await rows(EVENTS % shop) == []


@pytest.mark.parametrize(
    "props",
    [
        '{"a": "😀👨‍👩‍👧 \u202e"}',
        '{"a": "\\ud800"}',
        '{"a": 1e400}',
        '{"a": 123456789012345678901234567890}',
        '{"a": -0.0, "b": [1, null, {"c": true}]}',
        '{"a": NaN}',
        '{"": ""}',
        '{"a": "\\u0000"}',
    ],
)
async def test_F068_odd_texts_and_numbers_are_kept_or_refused(web, shop, warehouse, props):
    content = json.dumps(body(event())).replace('"events": [{', f'"events": [{{"props": {props}, ')
    answer = await web.post(
        "/collect/v1",
        content=content.encode("utf-8"),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in (202, 422), answer.text
    kept = await rows(EVENTS % shop)
    assert len(kept) == (answer.json().get("accepted", 0) if answer.status_code == 202 else 0)
    if "😀" in props:
        assert kept[0][5] == {"a": "😀👨‍👩‍👧 \u202e"}
    await check_invariants()


async def test_who_asks_is_checked(web, shop, warehouse, database):
    assert (await send(web, body(event()), **{"X-Siyu-Shop": "nobody"}))[0] == 404
    assert (await send(web, body(event()), Authorization="Bearer x.y"))[0] == 401
    foreign = MemberIdentity(shop + 1, uuid4(), 1)
    token = f"Bearer {member_token(foreign)}"
    assert (await send(web, body(event()), Authorization=token))[0] == 401
    assert await rows(EVENTS % shop) == []


async def test_too_many_batches_of_one_visitor_are_slowed_down(web, shop, warehouse, monkeypatch):
    monkeypatch.setattr(service.per_visitor, "limit", 3)
    while clock.monotonic() % 60 > 50:  # the four calls must fall into one minute
        await asyncio.sleep(1)
    visitor = str(uuid4())
    answers = [await web.post("/collect/v1", json=body(event(), visitor=visitor)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert 0 < int(answers[3].headers["Retry-After"]) <= 60
    assert (await send(web, body(event())))[0] == 202


def test_a_window_counts_per_key_and_forgets_old_keys():
    window = Window(2, keys=2)
    for key in ("a", "a", "b"):
        window.admit(key)
    with pytest.raises(TooMany):
        window.admit("a")
    window.admit("c")  # "b" is the oldest and forgotten
    window.admit("b")
    window.admit("b")
    assert len(window) == 2


async def test_many_customers_at_once_share_commits(web, shop, warehouse):
    began = clock.monotonic()
    answers = await asyncio.gather(*(send(web, body(event(), event())) for _ in range(60)))
    assert answers == [(202, {"accepted": 2, "rejected": 0})] * 60
    assert await rows(f"select count(*) from warehouse.event_tail where shop_id = {shop}") == [
        (120,)
    ]
    [(commits,)] = await rows("select count(distinct xmin::text) from warehouse.batch")
    assert commits < 60
    assert clock.monotonic() - began < 10
    await check_invariants()


async def test_F090_words_that_ask_for_more_silence_whoever_agreed_to_the_old(web, shop, warehouse):
    assert await send(web, body(event())) == (202, {"accepted": 1, "rejected": 0})
    async with transaction(shop) as tx:
        made = await consents.publish_text(
            tx, System(), Purpose.ANALYTICS, asks_more=True,
            title={"zh-CN": "浏览分析", "en": "Analytics"},
            text={"zh-CN": "我们想记录停留。" * 4, "en": "We also want your dwell time."},
        )  # fmt: skip
    assert await send(web, body(event())) == (202, {"accepted": 0, "rejected": 0})
    assert await send(web, body(event(), version=made.version)) == (
        202,
        {"accepted": 1, "rejected": 0},
    )


async def test_F088_the_events_of_an_erased_person_stop_at_once_and_leave_the_files(
    web, shop, warehouse
):
    member, token = await log_in(shop, consent=True)
    sent = body(event())
    assert await send(web, sent, Authorization=token) == (202, {"accepted": 1, "rejected": 0})
    assert await send(web, body(event())) == (202, {"accepted": 1, "rejected": 0})
    await compaction.compact()
    assert member.person_no in {person for _, person, _ in on_disk(warehouse)}
    async with transaction(shop) as tx:
        asked = await privacy.ask_erasure(tx, member, member.member_id, "")
    clock.advance(timedelta(days=7, minutes=1))
    async with transaction(shop) as tx:
        done = await privacy.carry_out(tx, asked.erasure_id)
        assert done is not None and done.state == "done"
    await privacy.erase_events(shop, asked.erasure_id)
    [told] = await privacy.tell_events_gone(shop, [done])
    assert told.events_gone_at is None, "not before it is so"
    await send(web, body(event()), Authorization=token)  # a phone that has not heard of it
    await compaction.run_round()
    left = {person for _, person, _ in on_disk(warehouse) + await in_tail()}
    assert member.person_no not in left and len(left) == 1, "the visitor's stay"
    [told] = await privacy.tell_events_gone(shop, [done])
    assert told.events_gone_at is not None
