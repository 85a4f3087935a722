"""What stands above profiles asks here: of one person, or of everybody at once."""

from collections.abc import Mapping, Sequence
from datetime import date

from siyu.kernel.db import ReadTx
from siyu.kernel.i18n import Language
from siyu.people.profiles import rules
from siyu.people.profiles.contracts import Condition, Field, FieldRule, Values
from siyu.people.profiles.service import asking_store as store
from siyu.people.profiles.service.asking_store import (
    Known,
    list_everybody,
    list_on_ladder,
    list_refreshed,
    list_tag_names,
    list_tagged,
    list_top,
)

__all__ = [
    "Known",
    "check_condition",
    "field_of",
    "find_fitting",
    "holds",
    "known_of",
    "list_everybody",
    "list_on_ladder",
    "list_refreshed",
    "list_tag_names",
    "list_tagged",
    "list_top",
    "page_words",
    "roots_of",
    "value_words",
    "words_of",
]


def field_of(key: str) -> Field | None:
    """The field of a key."""
    return rules.field_of(key)


def check_condition(condition: Condition) -> None:
    """Raises BadRule when it names no field, or asks it what it cannot tell."""
    rules.check_rule(FieldRule(conditions=[condition]))


def holds(condition: Condition, values: Values, today: date) -> bool:
    """Whether a person with these values fulfils it."""
    return rules.fits(FieldRule(conditions=[condition]), values, today)


def page_words(page: str, language: Language) -> str:
    """What a page of the shop is called; its path when it has no name."""
    return rules.page_words(page, language)


def value_words(
    field: Field, value: int | bool | str | list[str] | None, language: Language
) -> str:
    """A value of a field as people say it; None: not known."""
    return rules.value_words(field, value, language)


def words_of(condition: Condition, language: Language) -> str:
    """A condition as people say it."""
    return rules.sentence(FieldRule(conditions=[condition]), language)


async def find_fitting(
    tx: ReadTx, asked: Sequence[tuple[Condition, bool]], today: date
) -> list[list[int]]:
    """Per (condition, wanted) everybody with a profile of whom the condition holds, or, with
    wanted False, does not; one pass over all profiles."""
    return await store.list_fitting(tx, asked, today) if asked else []


async def known_of(tx: ReadTx, persons: Sequence[int]) -> dict[int, Known]:
    """Profiles by number; who has none is missing."""
    return {one.person_no: one for one in await store.list_known(tx, persons)}


async def roots_of(tx: ReadTx, persons: Sequence[int]) -> Mapping[int, int]:
    """Every number of the persons to whom these numbers belong → whose it is today."""
    found = {one.person_no: one.root_no for one in await store.list_roots(tx, persons)}
    return {number: number for number in persons} | found
