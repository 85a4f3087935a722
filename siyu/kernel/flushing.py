"""The statement that writes what a transaction kept for its end: events, answers, audit; alone, or
as a part of another one, for a trip costs more than a row.
"""

import functools
import re

from siyu.kernel import idempotency

_EVENTS = """
insert into kernel.outbox (shop_id, event_id, name, payload, happened_at)
select $1, event_id, coalesce(name, (select split_part($3, e'\\x1f', 1))), payload::jsonb,
  coalesce(happened_at, ($5::timestamptz[])[1])
from unnest($2::uuid[], string_to_array($3, e'\\x1f'), string_to_array($4, e'\\x1f'),
    $5::timestamptz[])
  as e (event_id, name, payload, happened_at)
"""


def _audit(first: int) -> str:
    kinds = ("uuid", "timestamptz", "text", "text", "text", "text", "text", "jsonb")
    columns = ", ".join(f"${first + no}::{kind}[]" for no, kind in enumerate(kinds))
    return f"""audited as (
  insert into kernel.audit (shop_id, audit_id, at, actor, actor_name, action, subject_kind,
    subject_id, detail)
  select $1, * from unnest({columns}))"""


# One trip for whatever there is; there may be no events.
ALONE = {
    (False, False): _EVENTS,
    (True, False): f"with {idempotency.KEPT}{_EVENTS}",
    (False, True): f"with {_audit(6)}{_EVENTS}",
    (True, True): f"with {idempotency.KEPT}, {_audit(13)}{_EVENTS}",
}


@functools.cache
def together_with(sql: str) -> str:
    """A statement that begins with `with`, and writes events and answers too; their arguments come
    after its own.
    """
    head, _, rest = sql.strip().partition(" ")
    assert head == "with", sql
    last = renumbered(f"{idempotency.KEPT}, told as ({_EVENTS})", count_parameters(sql))
    return f"with {last}, {rest}"


_PARAMETER = re.compile(r"\$(\d+)")


def count_parameters(sql: str) -> int:
    """How many arguments a statement takes."""
    return max(map(int, _PARAMETER.findall(sql)), default=0)


def renumbered(sql: str, by: int) -> str:
    """A statement whose arguments come after `by` others."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", sql)
