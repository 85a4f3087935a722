"""How often something may be called: WeChat's published quotas, which operators may change."""

import msgspec

from siyu.sandbox.world import World

MINUTE, DAY, MONTH = 60, 86400, 30 * 86400

# operation -> [(seconds of a window, calls allowed in it)]
# Source: quotas in the mini-program API pages; Pay: 500 creations a second per merchant.
PUBLISHED: dict[str, list[tuple[int, int]]] = {
    "pay.create": [(1, 500)],
    "token.stable": [(MINUTE, 10_000), (DAY, 500_000)],
    "token.forced": [(DAY, 20)],
    "token.legacy": [(DAY, 2_000)],
    "login": [(MINUTE, 100)],  # per person
    "code_image": [(MINUTE, 5_000)],
    "clear_quota": [(MONTH, 10)],
    "message.subscription": [(DAY, 30_000_000)],  # an app with payment
    "message.notice": [(DAY, 100_000)],
}


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` allowed, and `used` so far, in the running window of `seconds`."""

    seconds: int
    calls: int
    used: int


def list_quotas(world: World, subject: str, operation: str) -> list[Quota]:
    """What holds for this subject (appid, mchid, openid), its own settings before others."""
    allowed = dict(PUBLISHED.get(operation, []))
    for row in world.store.all(
        _Limit,
        """select seconds, calls from limits where subject in (?, '*') and operation = ?
            order by subject <> '*'""",
        subject,
        operation,
    ):
        allowed[row.seconds] = row.calls
    now = world.at()
    used = {
        row.seconds: row.calls
        for row in world.store.all(
            _Usage, "select seconds, slot, calls from usage where subject = ? and operation = ?",
            subject, operation,
        )
        if row.slot == int(now // row.seconds)
    }  # fmt: skip
    return [
        Quota(seconds=seconds, calls=calls, used=used.get(seconds, 0))
        for seconds, calls in sorted(allowed.items())
    ]


class _Limit(msgspec.Struct, frozen=True):
    seconds: int
    calls: int


class _Usage(msgspec.Struct, frozen=True):
    seconds: int
    slot: int
    calls: int


def exceeded(world: World, subject: str, operation: str) -> Quota | None:
    """Count one call; the quota it breaks (then it is not counted), or None."""
    quotas = list_quotas(world, subject, operation)
    for quota in quotas:
        if quota.used >= quota.calls:
            return quota
    for quota in quotas:
        world.store.run(
            """insert into usage values (?, ?, ?, ?, 1)
               on conflict (subject, operation, seconds) do update
               set calls = case when slot = excluded.slot then calls + 1 else 1 end,
                   slot = excluded.slot""",
            subject,
            operation,
            quota.seconds,
            int(world.at() // quota.seconds),
        )
    return None


def count_call(world: World, subject: str, operation: str) -> bool:
    """Count one call; False when it is one too many."""
    return exceeded(world, subject, operation) is None


def clear(world: World, subject: str) -> None:
    """Forget what a subject has used (clear_quota), except how often it has cleared."""
    world.store.run("delete from usage where subject = ? and operation <> 'clear_quota'", subject)
