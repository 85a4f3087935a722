"""Pure decisions of the catalogue: words, rich text, drafts, pictures (bytes in, bytes out)."""

import hashlib
import html
import io
import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import nh3
from PIL import Image, ImageOps, UnidentifiedImageError

from siyu.commerce.catalog.contracts import (
    BadImage,
    BadProduct,
    Collection,
    ProductDraft,
    SkuDraft,
)
from siyu.compliance.rulebook.contracts import Draft, Scene

# --- words ------------------------------------------------------------------------------------

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RUNS = re.compile(r"[㐀-鿿豈-﫿\U00020000-\U0003fffd]+|[^\W_㐀-鿿豈-﫿]+")
_LONGEST_WORD = 20


def clean_line(text: str) -> str:
    """One line without control and bidirectional marks, single spaces, composed (NFC) (F068)."""
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFC", text)).split())


def _runs(text: str) -> list[str]:
    return _RUNS.findall(unicodedata.normalize("NFKC", text).lower())


def _is_chinese(run: str) -> bool:
    return bool(re.match(r"[㐀-鿿豈-﫿\U00020000-\U0003fffd]", run))


def search_terms(texts: Iterable[str]) -> list[str]:
    """What a product is found by: each Chinese character and pair, each beginning of a word."""
    terms: set[str] = set()
    for run in (run for text in texts for run in _runs(text)):
        if _is_chinese(run):
            terms.update(run)
            terms.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            terms.update(run[:end] for end in range(1, min(len(run), _LONGEST_WORD) + 1))
    return sorted(terms)


def query_terms(q: str) -> list[str]:
    """Terms that a product must all have to answer `q`; empty when there is nothing to look for."""
    terms: set[str] = set()
    for run in _runs(q[:100]):
        if _is_chinese(run) and len(run) > 1:
            terms.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            terms.add(run[:_LONGEST_WORD])
    return sorted(terms)


# --- rich text --------------------------------------------------------------------------------

_OWN_IMAGE = re.compile(r"/media/([0-9a-f]{32})-(?:1200|600|200)\.webp")
_TAGS: Final = {
    "p", "br", "hr", "h2", "h3", "h4", "strong", "b", "em", "i", "u", "s", "ul", "ol", "li",
    "blockquote", "table", "thead", "tbody", "tr", "th", "td", "img",
}  # fmt: skip


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "img" and name == "src":
        return value if _OWN_IMAGE.fullmatch(value) else None
    return value


def sanitise(rich_text: str) -> str:
    """Rich text as it may be shown: plain structure and our own pictures.

    No script, no style, no address outside /media/, so it can neither run nor report (F073).
    """
    return nh3.clean(
        rich_text,
        tags=_TAGS,
        attributes={"img": {"src", "alt"}, "td": {"colspan", "rowspan"}, "th": {"colspan"}},
        attribute_filter=_keep_attribute,
        url_schemes=set(),
        link_rel=None,
    )


def plain_text(rich_text: str) -> str:
    """The words of sanitised rich text."""
    return html.unescape(re.sub(r"<[^>]*>", " ", rich_text))


# --- drafts -----------------------------------------------------------------------------------


def clean_draft(draft: ProductDraft) -> ProductDraft:
    """The draft with its words cleaned and its rich text sanitised; raises BadProduct."""
    cleaned = msgspec.structs.replace(
        draft,
        title=clean_line(draft.title),
        subtitle=clean_line(draft.subtitle),
        description_html=sanitise(draft.description_html),
        tags=_distinct(clean_line(tag) for tag in draft.tags),
        option_names=[clean_line(name) for name in draft.option_names],
        image_urls=_distinct(draft.image_urls),
        skus=[_clean_sku(sku) for sku in draft.skus],
    )
    _check_draft(cleaned)
    return cleaned


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def _clean_sku(sku: SkuDraft) -> SkuDraft:
    return msgspec.structs.replace(
        sku,
        option_values=[clean_line(value) for value in sku.option_values],
        sku_code=clean_line(sku.sku_code or "") or None,
    )


def _check_draft(draft: ProductDraft) -> None:
    names = draft.option_names
    grid = [tuple(sku.option_values) for sku in draft.skus]
    codes = [sku.sku_code for sku in draft.skus if sku.sku_code]
    ids = [sku.sku_id for sku in draft.skus if sku.sku_id]
    wrong = (
        ("title", "empty", not draft.title),
        ("option_names", "empty or twice", "" in names or len(set(names)) < len(names)),
        ("skus", "not one value per option", any(len(row) != len(names) for row in grid)),
        ("skus", "empty value", any("" in row for row in grid)),
        ("skus", "the same options twice", len(set(grid)) < len(grid)),
        ("skus", "the same code twice", len(set(codes)) < len(codes)),
        ("skus", "the same SKU twice", len(set(ids)) < len(ids)),
        (
            "skus",
            "market price below price",
            any((sku.market_price_fen or sku.price_fen) < sku.price_fen for sku in draft.skus),
        ),
        (
            "skus",
            "member price above price",
            any((sku.member_price_fen or 0) > sku.price_fen for sku in draft.skus),
        ),
        (
            "skus",
            "floor price above price",
            any((sku.floor_fen or 0) > sku.price_fen for sku in draft.skus),
        ),
    )
    for field, why, is_wrong in wrong:
        if is_wrong:
            raise BadProduct(field=field, why=why)


def match_skus(living: dict[UUID, list[str]], drafts: Sequence[SkuDraft]) -> list[UUID | None]:
    """Which living SKU each draft means; None is a new one. Raises BadProduct for a strange id.

    Option values say which; a draft whose values no living SKU has is a renaming when it names
    a living SKU that no other draft means.
    """
    by_values = {tuple(values): sku_id for sku_id, values in living.items()}
    meant = [by_values.get(tuple(draft.option_values)) for draft in drafts]
    for i, draft in enumerate(drafts):
        if draft.sku_id and draft.sku_id not in living:
            raise BadProduct(field="skus", why="not a SKU of this product")
        if meant[i] is None and draft.sku_id not in meant:
            meant[i] = draft.sku_id
    return meant


def is_on(collection: Collection, now: datetime) -> bool:
    """Whether `now` lies in [starts_at, ends_at); an open end is always."""
    starts_at, ends_at = collection.starts_at, collection.ends_at
    return (starts_at is None or starts_at <= now) and (ends_at is None or now < ends_at)


def option_values(grid: Sequence[Sequence[str]]) -> list[list[str]]:
    """The values of each option in the order they first stand in the grid of SKUs."""
    return [list(dict.fromkeys(column)) for column in zip(*grid, strict=True)]


# --- pictures ---------------------------------------------------------------------------------

SIZES = (1200, 600, 200)
"""Longest sides in pixels: page, card, thumbnail. A smaller picture is never blown up."""
MAX_UPLOAD = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


class Picture(msgspec.Struct, frozen=True):
    """A re-encoded picture: key, pixels of the largest size, and a WebP file for each of SIZES."""

    key: str
    width: int
    height: int
    files: dict[int, bytes]


def image_url(key: str, size: int = SIZES[0]) -> str:
    """Where a size of a picture is served."""
    return f"/media/{key}-{size}.webp"


def fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """Pixels of a picture in the size whose longest side is at most `longest`."""
    whole = max(width, height, longest)
    return max(1, width * longest // whole), max(1, height * longest // whole)


def image_key(url: str) -> str:
    """The key in an address that `image_url` gave; raises BadProduct for any other address."""
    match = _OWN_IMAGE.fullmatch(url)
    if match is None:
        raise BadProduct(field="image_url", why="not a picture of this shop")
    return match[1]


def encode_picture(raw: bytes) -> Picture:
    """Decode an upload within limits and write it anew; raises BadImage (F072).

    The pixels are judged by the header before any is decoded. Nothing of the uploaded bytes
    survives: no metadata, no second file behind the first.
    """
    if len(raw) > MAX_UPLOAD:
        raise BadImage(why="size")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(raw), formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadImage(why="pixels")
                image.draft("RGB", (SIZES[0], SIZES[0]))
                upright = ImageOps.exif_transpose(image)
                transparent = "A" in upright.getbands() or "transparency" in upright.info
                whole = upright.convert("RGBA" if transparent else "RGB")
    except UnidentifiedImageError:
        raise BadImage(why="format") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadImage(why="pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError):
        # What Pillow raises for a file that ends or contradicts itself.
        raise BadImage(why="broken") from None
    sizes = {size: _fit(whole, size) for size in SIZES}
    files = {size: _webp(image) for size, image in sizes.items()}
    largest = SIZES[0]
    key = hashlib.sha256(files[largest]).hexdigest()[:32]
    return Picture(key, *sizes[largest].size, files)


def _fit(image: Image.Image, longest: int) -> Image.Image:
    fitted = image.copy()
    fitted.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    fitted.info.clear()
    return fitted


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=82, method=3)
    return out.getvalue()


def words_of(draft: ProductDraft) -> Draft:
    """What customers will read of a product, for the rulebook; addresses inside tags left out."""
    described = html.unescape(re.sub(r"<[^>]*>", " ", draft.description_html))
    texts = {"title": draft.title, "subtitle": draft.subtitle, "description": described}
    return Draft(Scene.PRODUCT, {field: text for field, text in texts.items() if text})
