import contextlib
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from siyu.commerce.catalog import rules
from siyu.commerce.catalog.contracts import BadImage, BadProduct, ProductDraft, SkuDraft
from siyu.kernel.ids import new_id
from tests.commerce.catalog.pictures import SVG, bomb, photo, png


def draft(*skus: SkuDraft, **fields: object) -> ProductDraft:
    return ProductDraft(title="茶", skus=list(skus) or [SkuDraft(price_fen=1)], **fields)


# --- words ---


@given(st.text(max_size=60), st.data())
def test_whatever_stands_in_a_text_is_found(text: str, data: st.DataObject) -> None:
    terms = set(rules.search_terms([text]))
    start = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.sampled_from([text, *text.split(), text[start:]]))
    if re.fullmatch(r"[一-鿿]+", piece):
        assert set(rules.query_terms(piece)) <= terms
    assert set(rules.query_terms(text)) <= terms


@given(st.text(max_size=200))
def test_clean_line_is_stable_and_has_nothing_unseen(text: str) -> None:
    clean = rules.clean_line(text)
    assert rules.clean_line(clean) == clean
    assert not set(clean) & set("\x00\n\r\t\u202e\u2066\u200f")


def test_emoji_families_stay_whole() -> None:
    assert rules.clean_line("  👩‍👩‍👧 \u202e茶\n") == "👩‍👩‍👧 茶"


# --- drafts ---


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (draft(SkuDraft(price_fen=5, market_price_fen=4)), "skus"),
        (draft(SkuDraft(price_fen=5, member_price_fen=6)), "skus"),
        (draft(SkuDraft(price_fen=5), SkuDraft(price_fen=6)), "skus"),
        (draft(SkuDraft(price_fen=5, option_values=["大"])), "skus"),
        (draft(SkuDraft(price_fen=5), option_names=["量"]), "skus"),
        (draft(SkuDraft(price_fen=5, option_values=[" "]), option_names=["量"]), "skus"),
        (
            draft(SkuDraft(price_fen=5, option_values=["a", "b"]), option_names=["量", "量 "]),
            "option_names",
        ),
        (
            draft(
                SkuDraft(price_fen=5, option_values=["大"], sku_code="A"),
                SkuDraft(price_fen=5, option_values=["小"], sku_code="A "),
                option_names=["量"],
            ),
            "skus",
        ),
        (ProductDraft(title="\u202e \x01", skus=[SkuDraft(price_fen=1)]), "title"),
    ],
)
def test_contradictions_are_refused(bad: ProductDraft, field: str) -> None:
    with pytest.raises(BadProduct) as refused:
        rules.clean_draft(bad)
    assert refused.value.details["field"] == field


def test_skus_are_known_again_by_values_then_by_id() -> None:
    big, small = new_id(), new_id()
    living = {big: ["大"], small: ["小"]}

    def match(*wanted: SkuDraft) -> list[object]:
        return list(rules.match_skus(living, wanted))

    swapped = (
        SkuDraft(sku_id=small, option_values=["大"], price_fen=1),
        SkuDraft(sku_id=big, option_values=["小"], price_fen=1),
    )
    assert match(*swapped) == [big, small]
    renamed = (SkuDraft(sku_id=big, option_values=["特大"], price_fen=1),)
    assert match(*renamed) == [big]
    taken = (SkuDraft(option_values=["大"], price_fen=1), *renamed)
    assert match(*taken) == [big, None]
    with pytest.raises(BadProduct):
        match(SkuDraft(sku_id=new_id(), option_values=["中"], price_fen=1))


# --- rich text (F073) ---


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("<p>好<script>alert(1)</script>茶</p>", "<p>好茶</p>"),
        ('<img src="x" onerror="alert(1)">', "<img>"),
        ('<a href="javascript:alert(1)">点</a>', "点"),
        ('<a href="https://evil.example/">点</a>', "点"),
        ('<p style="background:url(//evil.example/x)">a</p>', "<p>a</p>"),
        ("<style>p{background:url(//evil.example)}</style>", ""),
        ('<img src="https://evil.example/pixel.gif">', "<img>"),
        ('<img src="//evil.example/pixel.gif">', "<img>"),
        ('<img src="/media/../admin/v1/logout">', "<img>"),
        ('<img src="/media/' + "a" * 32 + '-600.webp" alt="茶">',
         '<img src="/media/' + "a" * 32 + '-600.webp" alt="茶">'),
        ("<svg><style><img src=x onerror=alert(1)></style></svg>", "<img>"),
        ("<math><mtext></p><script>1</script>", ""),
        ('<iframe src="https://evil.example"></iframe>', ""),
        ("<form action=//evil.example><input name=q></form>", ""),
        ("<h1>大</h1><table><tr><td colspan=2 class=x>1</td></tr></table>",
         "大<table><tbody><tr><td colspan=\"2\">1</td></tr></tbody></table>"),
    ],
)  # fmt: skip
def test_F073_rich_text_can_neither_run_nor_report(dirty: str, clean: str) -> None:
    assert rules.sanitise(dirty) == clean


@given(st.text(alphabet=st.sampled_from("<>/=\"' abpscritmgonerjv:;&#x3C()"), max_size=80))
def test_f073_sanitising_twice_changes_nothing(text: str) -> None:
    once = rules.sanitise(text)
    assert rules.sanitise(once) == once
    assert "<script" not in once.lower()


# --- pictures (F072) ---


def test_f072_a_picture_is_written_anew_without_its_story() -> None:
    raw = photo(1600, 800)
    picture = rules.encode_picture(raw)
    assert (picture.width, picture.height) == (600, 1200)  # upright: the camera was turned
    assert set(picture.files) == {1200, 600, 200}
    for longest, data in picture.files.items():
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "WEBP"
            assert max(image.size) == longest
            assert not image.getexif() and "exif" not in image.info
        assert "张三".encode() not in data and b"Exif" not in data
    assert rules.encode_picture(raw).key == picture.key


def test_f072_a_polyglot_loses_its_other_half() -> None:
    html = b"<html><script>alert(1)</script>"
    picture = rules.encode_picture(png(300, 200) + html)
    assert all(b"<script" not in data for data in picture.files.values())


def test_small_pictures_are_not_blown_up() -> None:
    picture = rules.encode_picture(png(150, 100))
    with Image.open(io.BytesIO(picture.files[1200])) as image:
        assert image.size == (picture.width, picture.height) == (150, 100)
    assert rules.fitted(150, 100, 600) == (150, 100)
    assert rules.fitted(1200, 900, 600) == (600, 450)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (SVG, "format"),
        (b"", "format"),
        (b"GIF89a", "broken"),
        (b"%PDF-1.4 hello", "format"),
        (bomb(20_000, 20_000), "pixels"),
        (bomb(5_001, 5_000), "pixels"),
        (png(30, 30)[:60], "broken"),
        (b"\xff\xd8\xff" + b"x" * 50, "broken"),
        (png(10, 10) + b"\0" * rules.MAX_UPLOAD, "size"),
    ],
)
def test_f072_what_is_no_picture_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(BadImage) as refused:
        rules.encode_picture(raw)
    assert refused.value.details["why"] in (why, "broken" if why == "format" else why, "format")


@given(st.binary(max_size=300), st.sampled_from([png(9, 9), photo(16, 16), b"RIFF....WEBPVP8 "]))
def test_f072_no_bytes_bring_it_down(noise: bytes, head: bytes) -> None:
    for raw in (noise, head[: len(head) // 2] + noise, head + noise):
        with contextlib.suppress(BadImage):
            rules.encode_picture(raw)
