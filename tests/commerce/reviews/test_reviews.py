"""Reviews through HTTP: who may say something, what is shown, what authors and staff can do."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from siyu.commerce.reviews import background, rules, service
from siyu.commerce.reviews.contracts import ReviewChecking, ReviewSettings, ReviewState
from siyu.kernel import clock, config
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId
from tests.commerce.catalog.pictures import SVG, bomb
from tests.commerce.reviews.kit import Street, customers, ok, open_street, refused


@pytest.fixture
async def street(shop: ShopId) -> AsyncIterator[Street]:
    async with open_street(shop) as street:
        yield street
        assert await street.broken() == []


@pytest.fixture
async def anna(street: Street) -> MemberIdentity:
    return (await customers(street, 1))[0]


async def figures(street: Street) -> dict[str, Any]:
    shown = await street.shown(await street.product_of(street.skus[0]))
    return dict(shown["figures"])


# --- who may say something --------------------------------------------------------------------


async def test_only_the_buyer_of_a_completed_line_of_our_own(street: Street, anna: MemberIdentity):
    (other,) = await customers(street, 1)
    good = await street.received(anna, street.skus[0])
    for order_id, who in (
        (good, other),
        (await street.received(anna, street.skus[0], status="paid"), anna),
        (await street.received(anna, street.skus[0], status="shipped"), anna),
        (await street.received(anna, street.skus[0], source="import"), anna),
        (await street.received(anna, street.skus[0], delivery="gift"), anna),
    ):
        assert refused(await street.review(who, order_id)) == (404, "reviews.not_received")
    assert refused(await street.review(anna, good, line_no=2)) == (404, "reviews.not_received")
    assert await street.value("select count(*) from reviews.reviews") == 0

    made = ok(await street.review(anna, good))
    assert made["first"]["state"] == "waiting"
    again = await street.review(anna, good)
    assert refused(again) == (409, "reviews.already_reviewed")
    assert again.json()["error"]["details"]["review_id"] == made["review_id"]


async def test_a_line_that_was_given_back_is_none(street: Street, anna: MemberIdentity):
    order_id = await street.received(anna, street.skus[0])
    async with transaction(street.shop) as tx:
        await tx.run("update ordering.order_lines set refunded_quantity = 1")
    assert refused(await street.review(anna, order_id)) == (404, "reviews.not_received")
    assert ok(await street.send(anna, "GET", "/reviews/waiting"))["items"] == []


async def test_what_waits_for_a_review(street: Street, anna: MemberIdentity):
    first = await street.received(anna, *street.skus, days_ago=3)
    second = await street.received(anna, street.skus[0], days_ago=1)
    await street.received(anna, street.skus[0], days_ago=90)
    waiting = ok(await street.send(anna, "GET", "/reviews/waiting"))["items"]
    assert [(line["order_id"], line["line_no"]) for line in waiting] == [
        (str(second), 1), (str(first), 1), (str(first), 2),
    ]  # fmt: skip
    ok(await street.review(anna, first, line_no=2))
    waiting = ok(await street.send(anna, "GET", "/reviews/waiting"))["items"]
    assert [line["line_no"] for line in waiting] == [1, 1]
    late = await street.review(anna, await street.received(anna, street.skus[0], days_ago=90))
    assert refused(late) == (409, "reviews.time_over")


async def test_a_repeated_request_is_one_review(street: Street, anna: MemberIdentity):
    order_id = await street.received(anna, street.skus[0])
    body = {"order_id": order_id, "line_no": 1, "stars": 4}
    answers = [await street.send(anna, "POST", "/reviews", body, key="same") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert await street.value("select count(*) from reviews.reviews") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"stars": 0}, {"stars": 6}, {"stars": True}, {"stars": "5"}, {"text": "好" * 501},
        {"picture_ids": ["00000000-0000-0000-0000-000000000001"] * 10}, {"service_stars": 9},
        {"unknown": 1},
    ],
)  # fmt: skip
async def test_F076_what_is_malformed_is_refused(
    street: Street, anna: MemberIdentity, wrong: dict[str, Any]
):
    order_id = await street.received(anna, street.skus[0])
    assert (await street.review(anna, order_id, **wrong)).status_code == 422
    assert await street.value("select count(*) from reviews.reviews") == 0


async def test_F068_words_come_back_equal_without_marks_of_direction(
    street: Street, anna: MemberIdentity
):
    order_id = await street.received(anna, street.skus[0])
    family = "👨‍👩‍👧‍👦 好茶\n第二行"
    made = ok(await street.review(anna, order_id, text="\u202e" + family + "\u0007"))
    assert made["first"]["text"] == family


# --- deciding ---------------------------------------------------------------------------------


async def test_nothing_is_shown_before_it_was_let_through(street: Street, anna: MemberIdentity):
    product_id = await street.product_of(street.skus[0])
    made = ok(await street.review(anna, await street.received(anna, street.skus[0]), stars=4))
    assert (await street.shown(product_id))["items"] == []
    assert (await figures(street))["count"] == 0

    row = ok(await street.approve(made["review_id"]))
    assert row["is_shown"] and row["first"]["decided_by"] == "boss"
    page = await street.shown(product_id)
    assert [one["stars"] for one in page["items"]] == [4]
    assert page["figures"] == {
        "product_id": str(product_id), "count": 1, "average_tenths": 40,
        "star_counts": [0, 0, 0, 1, 0], "with_pictures": 0,
    }  # fmt: skip
    assert refused(await street.approve(made["review_id"])) == (409, "reviews.decision_refused")
    assert [one["part"] for one in await street.told("review_approved")] == ["first"]
    assert (await street.told("review_submitted"))[0]["person_no"] == anna.person_no


async def test_hidden_stays_with_its_author_and_the_reason(street: Street, anna: MemberIdentity):
    product_id = await street.product_of(street.skus[0])
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    ok(await street.approve(made["review_id"]))
    ok(await street.hide(made["review_id"], why="含有联系方式"))
    assert (await street.shown(product_id))["items"] == []
    assert (await figures(street))["count"] == 0
    mine = ok(await street.send(anna, "GET", f"/reviews/{made['review_id']}"))
    assert (mine["first"]["state"], mine["first"]["reason"]) == ("hidden", "含有联系方式")
    assert mine["first"]["text"] == "很香。"
    ok(await street.approve(made["review_id"]))
    assert (await figures(street))["count"] == 1
    story = (await street.desk(f"/{made['review_id']}/story"))["items"]
    assert [one["event"] for one in story] == ["submitted", "approved", "hidden", "approved"]


async def test_a_reason_is_needed_to_hide(street: Street, anna: MemberIdentity):
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    seen = await street.seen(made["review_id"])
    assert (await street.act(made["review_id"], "hide", seen)).status_code == 422
    unseen = await street.act(made["review_id"], "hide", seen | {"reason": "\u202e\u202e"})
    assert unseen.status_code == 422


async def test_what_was_changed_since_it_was_read_is_not_let_through(
    street: Street, anna: MemberIdentity
):
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    seen = await street.seen(made["review_id"])
    ok(await street.send(anna, "PUT", f"/reviews/{made['review_id']}", {"stars": 1, "text": "差"}))
    answer = await street.act(made["review_id"], "approve", seen)
    assert refused(answer) == (409, "reviews.decision_refused")
    ok(await street.approve(made["review_id"]))
    assert (await figures(street))["star_counts"] == [1, 0, 0, 0, 0]


async def test_listed_words_stop_a_text_until_it_was_read(street: Street, anna: MemberIdentity):
    decided = await street.decide(checking="words", words=["加微信", "加微信", "！！", "ＶＸ"])
    assert decided["words"] == ["加微信", "ＶＸ"]
    order = await street.received(anna, *street.skus)
    bad = ok(await street.review(anna, order, text="好的，加 微-信 vx88 再说"))
    assert bad["first"]["state"] == "waiting"
    row = (await street.desk(state="waiting"))["items"][0]
    assert row["first"]["hits"] == ["加微信", "ＶＸ"]
    good = ok(await street.review(anna, order, line_no=2, text="茶香很正"))
    assert good["first"]["state"] == "approved"
    told = await street.told("review_approved")
    assert [one["review_id"] for one in told] == [good["review_id"]]


async def test_pictures_wait_for_eyes_whatever_the_rule(street: Street, anna: MemberIdentity):
    await street.decide(checking="words")
    picture = await street.uploaded(anna)
    order = await street.received(anna, street.skus[0])
    made = ok(await street.review(anna, order, picture_ids=[picture]))
    assert made["first"]["state"] == "waiting"


# --- authors ----------------------------------------------------------------------------------


async def test_an_edit_moves_the_figures_and_keeps_the_earlier_words(
    street: Street, anna: MemberIdentity
):
    await street.decide(checking="words", edit_hours=2)
    made = ok(await street.review(anna, await street.received(anna, street.skus[0]), stars=5))
    path = f"/reviews/{made['review_id']}"
    ok(await street.send(anna, "PUT", path, {"stars": 2, "text": "一般", "is_anonymous": True}))
    assert (await figures(street))["star_counts"] == [0, 1, 0, 0, 0]
    story = (await street.desk(f"/{made['review_id']}/story"))["items"]
    assert [(one["event"], one["text"]) for one in story] == [
        ("submitted", ""),
        ("edited", "很香。"),
    ]
    await street.decide(checking="all")
    ok(await street.send(anna, "PUT", path, {"stars": 3}))
    assert (await figures(street))["count"] == 0
    clock.advance(timedelta(hours=2))
    late = await street.send(anna, "PUT", path, {"stars": 1})
    assert refused(late) == (409, "reviews.time_over")


async def test_something_is_added_once_and_decided_for_itself(street: Street, anna: MemberIdentity):
    product_id = await street.product_of(street.skus[0])
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    path = f"/reviews/{made['review_id']}/addition"
    ok(await street.send(anna, "POST", path, {"text": "两周后：还是很香"}))
    again = await street.send(anna, "POST", path, {"text": "再来"})
    assert refused(again) == (409, "reviews.already_added")
    ok(await street.approve(made["review_id"]))
    assert (await street.shown(product_id))["items"][0]["more"] is None
    assert (await street.shown(product_id, show="added"))["items"] == []
    ok(await street.approve(made["review_id"], "more"))
    (one,) = (await street.shown(product_id, show="added"))["items"]
    assert one["more"]["text"] == "两周后：还是很香"
    assert (await figures(street))["count"] == 1


async def test_others_reviews_are_not_found(street: Street, anna: MemberIdentity):
    (other,) = await customers(street, 1)
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    path = f"/reviews/{made['review_id']}"
    for method, tail, body in (
        ("GET", "", None), ("PUT", "", {"stars": 1}), ("POST", "/addition", {"text": "x"}),
        ("PUT", "/reuse", {"allowed": True}), ("PUT", "/helpful", {"helpful": True}),
    ):  # fmt: skip
        answer = await street.send(other, method, path + tail, body)
        assert refused(answer) == (404, "reviews.not_found"), (method, tail)


async def test_anonymous_names_nobody(street: Street, anna: MemberIdentity):
    order = await street.received(anna, *street.skus)
    await street.decide(checking="words")
    ok(await street.review(anna, order))
    ok(await street.review(anna, order, line_no=2, is_anonymous=True))
    named = (await street.shown(await street.product_of(street.skus[0])))["items"][0]
    secret = (await street.shown(await street.product_of(street.skus[1]), anna))["items"][0]
    assert named["author"].startswith("会**") and len(named["author"]) == 4
    assert secret["author"] is None and secret["is_own"]


async def test_helpful_counts_each_member_once(street: Street, anna: MemberIdentity):
    await street.decide(checking="words")
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    path = f"/reviews/{made['review_id']}/helpful"
    readers = await customers(street, 3)
    for reader in readers * 2:
        voted = ok(await street.send(reader, "PUT", path, {"helpful": True}))
    assert voted["helpful_count"] == 3 and voted["voted"]
    for _ in range(2):
        less = ok(await street.send(readers[0], "PUT", path, {"helpful": False}))
    assert less["helpful_count"] == 2 and not less["voted"]
    own = await street.send(anna, "PUT", path, {"helpful": True})
    assert refused(own) == (409, "reviews.own_review")


async def test_content_needs_consent_and_a_review_that_is_shown(
    street: Street, anna: MemberIdentity
):
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    review_id = made["review_id"]
    assert not made["allows_reuse"]
    ok(await street.send(anna, "PUT", f"/reviews/{review_id}/reuse", {"allowed": True}))
    offer = await street.act(review_id, "reusable", {"on": True})
    assert refused(offer) == (409, "reviews.no_consent")
    ok(await street.approve(review_id))
    ok(await street.act(review_id, "reusable", {"on": True}))
    async with transaction(street.shop) as tx:
        (offered,) = await service.list_reusable(tx, None, 10)
    assert str(offered.review_id) == review_id and offered.reuse_text_version == "2026-11"

    mine = await street.send(anna, "PUT", f"/reviews/{review_id}/reuse", {"allowed": False})
    assert ok(mine)["is_reusable"] is False
    async with transaction(street.shop) as tx:
        assert await service.list_reusable(tx, None, 10) == []
    offer = await street.act(review_id, "reusable", {"on": True})
    assert refused(offer) == (409, "reviews.no_consent")
    changes = [one["is_reusable"] for one in await street.told("review_reuse_changed")]
    assert changes == [True, False]


async def test_hiding_ends_the_reuse(street: Street, anna: MemberIdentity):
    order_id = await street.received(anna, street.skus[0])
    made = ok(await street.review(anna, order_id, allow_reuse=True))
    ok(await street.approve(made["review_id"]))
    ok(await street.act(made["review_id"], "reusable", {"on": True}))
    row = ok(await street.hide(made["review_id"]))
    assert row["reusable_at"] is None and row["allows_reuse"]


async def test_the_shop_answers_and_answers_anew(street: Street, anna: MemberIdentity):
    made = ok(await street.review(anna, await street.received(anna, street.skus[0])))
    ok(await street.approve(made["review_id"]))
    assert len((await street.desk(unanswered=True))["items"]) == 1
    ok(await street.act(made["review_id"], "answer", {"text": "谢谢"}))
    ok(await street.act(made["review_id"], "answer", {"text": "谢谢您"}))
    assert (await street.desk(unanswered=True))["items"] == []
    shown = await street.shown(await street.product_of(street.skus[0]))
    assert shown["items"][0]["answer"] == "谢谢您"
    story = (await street.desk(f"/{made['review_id']}/story"))["items"]
    assert story[-1]["text"] == "谢谢"


# --- lists ------------------------------------------------------------------------------------


async def test_filters_and_pages_of_a_product(street: Street):
    await street.decide(checking="words")
    product_id = await street.product_of(street.skus[0])
    writers = await customers(street, 5)
    ids = []
    for stars, writer in enumerate(writers, start=1):
        order = await street.received(writer, street.skus[0])
        ids.append(ok(await street.review(writer, order, stars=stars))["review_id"])
    ok(await street.send(writers[0], "PUT", f"/reviews/{ids[1]}/helpful", {"helpful": True}))
    for show, stars in (("good", [5, 4]), ("middle", [3]), ("bad", [2, 1]), ("pictures", [])):
        page = await street.shown(product_id, show=show)
        assert [one["stars"] for one in page["items"]] == stars
        assert page["figures"]["average_tenths"] == 30
    for sort, wanted in (("new", [5, 4, 3, 2, 1]), ("helpful", [2, 5, 4, 3, 1])):
        seen, cursor = [], {}
        while True:
            page = await street.shown(product_id, sort=sort, limit=2, **cursor)
            seen += [one["stars"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == wanted
    bad = await street.send(
        None, "GET", f"/products/{product_id}/reviews", sort="stars; drop table x"
    )
    assert bad.status_code in (400, 422)


async def test_F069_the_export_is_inert(street: Street, anna: MemberIdentity):
    order_id = await street.received(anna, street.skus[0])
    ok(await street.review(anna, order_id, text="=cmd|'/c calc'!A1"))
    answer = await street.http.get("/admin/v1/reviews/export")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 2 and "'=cmd|'/c calc'!A1" in rows[1]
    assert rows[1][rows[0].index("状态")] == "待审核"
    answer = await street.http.get("/admin/v1/reviews/export", headers={"Accept-Language": "en"})
    header, row = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert all(cell.isascii() for cell in header)
    assert (row[header.index("State")], row[header.index("Anonymous")]) == ("Waiting", "No")


async def test_rights(shop: ShopId):
    async with open_street(shop, frozenset({"reviews.read"})) as street:
        assert (await street.http.get("/admin/v1/reviews")).status_code == 200
        body = {"part": "first", "seen_at": "2026-01-01T00:00:00Z"}
        nothing = "00000000-0000-0000-0000-000000000001"
        assert (await street.act(nothing, "approve", body)).status_code == 403


# --- pictures ---------------------------------------------------------------------------------


async def test_F072_pictures_are_re_encoded_or_refused(street: Street, anna: MemberIdentity):
    for raw in (SVG, bomb(20_000, 20_000), b"GIF89a<script>"):
        answer = await street.picture(anna, raw)
        assert refused(answer) == (422, "catalog.bad_image")
    assert not list(config.settings().data_dir.rglob("x.png"))
    assert await street.value("select count(*) from reviews.pictures") == 0


async def test_a_picture_is_public_only_while_its_review_is_shown(
    street: Street, anna: MemberIdentity
):
    (other,) = await customers(street, 1)
    picture = await street.uploaded(anna)
    order_id = await street.received(anna, street.skus[0])
    made = ok(await street.review(anna, order_id, picture_ids=[picture]))
    public = f"/shop/v1/reviews/shown/{street.code}/{picture}"

    async def seen_by_all() -> int:
        return (await street.http.get(public)).status_code

    assert await seen_by_all() == 404
    assert (await street.send(anna, "GET", f"/reviews/pictures/{picture}")).status_code == 200
    assert (await street.send(other, "GET", f"/reviews/pictures/{picture}")).status_code == 404
    assert (await street.http.get(f"/admin/v1/reviews/pictures/{picture}")).status_code == 200
    ok(await street.approve(made["review_id"]))
    answer = await street.http.get(public, params={"size": 200})
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = await street.shown(await street.product_of(street.skus[0]), show="pictures")
    assert page["figures"]["with_pictures"] == 1
    (view,) = page["items"][0]["first"]["pictures"]
    assert (await street.http.get(view["thumb_url"])).status_code == 200
    assert (await street.http.get(public, params={"size": 7})).status_code == 404
    assert (await street.http.get(public.replace(street.code, "nobody"))).status_code == 404
    ok(await street.hide(made["review_id"]))
    assert await seen_by_all() == 404


async def test_an_edit_changes_pictures_and_the_others_go(street: Street, anna: MemberIdentity):
    one, two, three = [await street.uploaded(anna) for _ in range(3)]
    order_id = await street.received(anna, street.skus[0])
    made = ok(await street.review(anna, order_id, picture_ids=[one, two]))
    body = {"stars": 5, "picture_ids": [three, one]}
    mine = ok(await street.send(anna, "PUT", f"/reviews/{made['review_id']}", body))
    assert [p["picture_id"] for p in mine["first"]["pictures"]] == [three, one]
    twice = {"stars": 5, "picture_ids": [one, one]}
    answer = await street.send(anna, "PUT", f"/reviews/{made['review_id']}", twice)
    assert refused(answer) == (404, "reviews.picture_not_found")
    clock.advance(timedelta(hours=25))
    await background.forget_pictures()
    left = await street.value("select array_agg(picture_id::text) from reviews.pictures")
    assert sorted(left) == sorted([three, one])
    folder = config.settings().data_dir / "reviews" / str(street.shop)
    assert {Path(f).name[:36] for f in folder.iterdir()} == {one, three}


async def test_nobody_takes_anothers_picture(street: Street, anna: MemberIdentity):
    (other,) = await customers(street, 1)
    theirs = await street.uploaded(other)
    order_id = await street.received(anna, street.skus[0])
    answer = await street.review(anna, order_id, picture_ids=[theirs])
    assert refused(answer) == (404, "reviews.picture_not_found")
    assert await street.value("select count(*) from reviews.reviews") == 0


async def test_thirty_pictures_wait_and_no_more(street: Street, anna: MemberIdentity):
    async with transaction(street.shop) as tx:
        await tx.run(
            """insert into reviews.pictures (shop_id, picture_id, member_id, width, height,
                 uploaded_at)
               select $1, gen_random_uuid(), $2, 1, 1, now() from generate_series(1, 30)""",
            street.shop,
            anna.member_id,
        )
    answer = await street.picture(anna)
    assert refused(answer) == (409, "reviews.too_many_pictures")


# --- being forgotten --------------------------------------------------------------------------


async def test_who_is_forgotten_leaves_no_words_pictures_or_votes(
    street: Street, anna: MemberIdentity
):
    (other,) = await customers(street, 1)
    picture = await street.uploaded(anna)
    await street.decide(checking="words")
    order = await street.received(anna, *street.skus)
    made = ok(await street.review(anna, order, text="我住 3 号楼", picture_ids=[picture]))
    ok(await street.approve(made["review_id"]))
    ok(await street.send(anna, "PUT", f"/reviews/{made['review_id']}", {"stars": 4, "text": "改"}))
    theirs = ok(await street.review(other, await street.received(other, street.skus[1])))
    vote = f"/reviews/{theirs['review_id']}/helpful"
    ok(await street.send(anna, "PUT", vote, {"helpful": True}))

    async with transaction(street.shop) as tx:
        gone = await service.forget_member(tx, anna.member_id)
    assert [str(one.picture_id) for one in gone] == [picture]
    assert (await figures(street))["count"] == 0
    shown = (await street.shown(await street.product_of(street.skus[1])))["items"]
    assert [one["helpful_count"] for one in shown] == [0]
    for column, table in (("text", "posts"), ("text", "story"), ("actor", "story")):
        said = await street.value(
            f"select string_agg({column}, '|') from reviews.{table} where review_id = $1",
            made["review_id"],
        )
        assert "号楼" not in said and f"会员 {anna.person_no}" not in said
    row = await street.desk(f"/{made['review_id']}")
    assert (row["person_no"], row["author"], row["stars"]) == (None, "", 4)
    assert refused(await street.approve(made["review_id"])) == (409, "reviews.decision_refused")


# --- rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "tenths"),
    [
        ([0, 0, 0, 0, 0], None), ([1, 0, 0, 0, 0], 10), ([0, 0, 0, 0, 9], 50),
        ([0, 0, 0, 1, 1], 45), ([1, 0, 0, 0, 2], 37), ([0, 0, 0, 11, 9], 45),
        ([19, 1, 0, 0, 0], 11),
    ],
)  # fmt: skip
def test_the_average_is_in_whole_tenths(counts: list[int], tenths: int | None):
    """44.5 tenths are 45: halves go up."""
    assert rules.average_tenths(counts) == tenths


def test_names_are_shown_by_their_ends():
    assert [rules.shown_name(name) for name in ("王小明", "王五", "李", "")] == [
        "王**明", "王**", "李**", "**",
    ]  # fmt: skip


def test_words_alone_let_nothing_through_where_staff_read_all():
    settings = ReviewSettings(checking=ReviewChecking.ALL)
    assert rules.first_state(settings, [], False) is ReviewState.WAITING
