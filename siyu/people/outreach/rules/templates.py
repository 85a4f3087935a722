"""Words with variables: whether they fit the channels, and how they read for one person."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from siyu.people.outreach.contracts import (
    VALUE_MOST,
    BadTemplate,
    BadVariables,
    Form,
    Rendered,
    Topic,
    Variable,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    VariableKind as Kind,
)

HOLE = re.compile(r"\{([a-z][a-z0-9_]{0,29})\}")
WITH_FIELDS = frozenset({Channel.SUBSCRIPTION, Channel.NOTICE})
"""Channels whose words stand in the fields of a template of the platform."""
TEXT_MOST = {
    Channel.CARE: 600,
    Channel.CONTACT: 1_000,
    Channel.SMS: 260,
    Channel.INBOX: 1_000,
}
"""Characters; WeChat takes 2,048 and 4,000 bytes of text, an SMS of four parts has 268."""
ADVERTISING = frozenset({Topic.OFFERS, Topic.NEWS})
SMS_END = "拒收请回复R"
"""Advertising by SMS says how to refuse it (通信短信息服务管理规定, 18-20)."""


def _demand(condition: object, what: str, reason: str) -> None:
    if not condition:
        raise BadTemplate(what=what, reason=reason)


def words_of(form: Form) -> dict[str, str]:
    """All words of a form by where they stand."""
    return {"title": form.title, "text": form.text, "page": form.page, **form.fields}


def check(topic: Topic, forms: Sequence[Form], variables: Sequence[Variable]) -> None:
    """Whether a template can be sent. Raises BadTemplate naming the place and why."""
    names = {one.name for one in variables}
    _demand(len(names) == len(variables), "variables", "twice")
    channels = [form.channel for form in forms]
    _demand(len(set(channels)) == len(channels), "forms", "twice")
    used: set[str] = set()
    for form in forms:
        where = form.channel.value
        for place, words in words_of(form).items():
            holes = set(HOLE.findall(words))
            used |= holes
            _demand(holes <= names, f"{where}.{place}", "unknown variable")
            _demand(not re.search(r"[{}]", HOLE.sub("", words)), f"{where}.{place}", "brace")
        if form.channel in WITH_FIELDS:
            _demand(form.outside_id, where, "outside_id")
            _demand(form.fields and not form.title and not form.text, where, "fields")
        else:
            _demand(form.text and not form.fields and not form.outside_id, where, "text")
            _demand(bool(form.title) == (form.channel is Channel.INBOX), where, "title")
        if form.channel is Channel.SMS and topic in ADVERTISING:
            _demand(form.text.endswith(SMS_END), "sms.text", SMS_END)
    _demand(used == names, "variables", "unused")


def check_values(variables: Sequence[Variable], values: Mapping[str, str], zone: str) -> None:
    """Whether every variable has a value of its kind. Raises BadVariables."""
    known = {one.name: one for one in variables}
    for name in sorted(set(values) - set(known)):
        raise BadVariables(name=name, reason="unknown")
    for name, one in known.items():
        if name not in values:
            raise BadVariables(name=name, reason="missing")
        if not 0 < len(values[name]) <= VALUE_MOST or not values[name].isprintable():
            raise BadVariables(name=name, reason="length")
        try:
            shown(one.kind, values[name], zone)
        except ValueError:
            raise BadVariables(name=name, reason=one.kind.value) from None


def shown(kind: Kind, value: str, zone: str) -> str:
    """A value as a person reads it. Raises ValueError."""
    if kind is Kind.MONEY:
        fen = int(value)
        return f"¥{fen // 100}.{fen % 100:02d}"
    if kind is Kind.NUMBER:
        return str(int(value))
    if kind is Kind.TIME:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("a moment without zone")
        return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    return value


def render(
    form: Form, variables: Sequence[Variable], values: Mapping[str, str], zone: str
) -> Rendered:
    """The words with their values in. Too long for a field is for `limits_broken` to say."""
    texts = {one.name: shown(one.kind, values[one.name], zone) for one in variables}

    def fill(words: str) -> str:
        return HOLE.sub(lambda hole: texts[hole[1]], words)

    return Rendered(
        form.channel,
        form.outside_id,
        {field: fill(words) for field, words in form.fields.items()},
        fill(form.title),
        fill(form.text),
        fill(form.page),
    )


def limits_broken(rendered: Rendered) -> str | None:
    """Which place of a message in text is too long for its channel; None: it fits."""
    most = TEXT_MOST.get(rendered.channel)
    return "text" if most is not None and len(rendered.text) > most else None
