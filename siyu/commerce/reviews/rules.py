"""Pure decisions of reviews: words, states, times, figures."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from siyu.commerce.reviews.contracts import ReviewChecking, ReviewSettings, ReviewState

_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_GAPS = re.compile(r"[\W_]+")


def clean_text(text: str) -> str:
    """Words as they are kept: composed, lines kept, no control or bidirectional marks (F068)."""
    lines = _UNSEEN.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n"))).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in lines)).strip()


def _bare(text: str) -> str:
    return _GAPS.sub("", unicodedata.normalize("NFKC", text).casefold())


def clean_words(words: Iterable[str]) -> list[str]:
    """A word list as it is kept: each word once, those of signs alone left out."""
    return list(dict.fromkeys(word for raw in words if _bare(word := clean_text(raw))))


def find_words(text: str, words: Sequence[str]) -> list[str]:
    """The listed words that stand in a text, whatever its width, case, and the gaps between."""
    bare = _bare(text)
    return [word for word in words if _bare(word) in bare]


def first_state(settings: ReviewSettings, hits: Sequence[str], has_pictures: bool) -> ReviewState:
    """How a part begins. Pictures wait for eyes: no list of words can read them."""
    free = settings.checking is ReviewChecking.WORDS and not hits and not has_pictures
    return ReviewState.APPROVED if free else ReviewState.WAITING


def review_until(settings: ReviewSettings, completed_at: datetime) -> datetime:
    """Until when goods can be reviewed (exclusive)."""
    return completed_at + timedelta(days=settings.review_days)


def addition_until(settings: ReviewSettings, completed_at: datetime) -> datetime:
    """Until when something can be added (exclusive)."""
    return completed_at + timedelta(days=settings.addition_days)


def edit_until(settings: ReviewSettings, submitted_at: datetime) -> datetime:
    """Until when a review can be changed by its author (exclusive)."""
    return submitted_at + timedelta(hours=settings.edit_hours)


class Counted(NamedTuple):
    """What the figures count of one review; `is_shown` false: nothing."""

    is_shown: bool
    stars: int
    has_pictures: bool


NOTHING = Counted(False, 1, False)


class Moves(NamedTuple):
    """Differences of a product's figures: of 1..5 stars, and with pictures."""

    stars: tuple[int, ...]
    with_pictures: int

    def __bool__(self) -> bool:
        """Whether anything moves."""
        return any(self.stars) or bool(self.with_pictures)


def figure_moves(before: Counted, after: Counted) -> Moves:
    """What has to be added to the figures when a review changes from `before` to `after`."""

    def stars(one: Counted, star: int) -> int:
        return int(one.is_shown and one.stars == star)

    def pictured(one: Counted) -> int:
        return int(one.is_shown and one.has_pictures)

    return Moves(
        tuple(stars(after, star) - stars(before, star) for star in range(1, 6)),
        pictured(after) - pictured(before),
    )


def average_tenths(star_counts: Sequence[int]) -> int | None:
    """The average of 1..5 stars in tenths, half a tenth up; None without reviews."""
    count = sum(star_counts)
    total = sum(stars * many for stars, many in enumerate(star_counts, start=1))
    return (total * 20 + count) // (count * 2) if count else None


def shown_name(nickname: str) -> str:
    """A nickname as strangers read it: its first and last character."""
    name = clean_text(nickname)
    return f"{name[:1]}**{name[-1:] if len(name) > 2 else ''}"
