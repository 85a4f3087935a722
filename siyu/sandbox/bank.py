"""The bank behind the sandbox: double entry, every fen goes from one account to another.

Accounts are `outside` (banks and cards; below zero by what has come in), `fees` (WeChat's own),
`person:<id>` (kept as the person's balance) and, of each merchant, `<mchid>:basic` (available),
`:frozen` (for splitting), `:refunds` and `:transfers` (on the way to people). A movement takes
from one and gives to another, so the sum of all is zero for ever; `find_problems` proves it, and
that each account is what its movements say.
"""

import msgspec

from siyu.sandbox.store import Store

OUTSIDE = "outside"
FEES = "fees"
FEE_BPS = 60  # 0.6 %, WeChat's usual rate


class ShortOfMoney(Exception):
    """The source has less than was asked of it; nothing moved."""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """`number` is the merchant's (out_trade_no, out_refund_no, …), `wechat_no` WeChat's."""

    movement_id: int
    at: float
    kind: str
    source: str
    target: str
    fen: int
    mchid: str | None
    number: str
    wechat_no: str
    note: str


class BankView(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's money at WeChat, in fen.

    books_fen: what books must show that count refunds and transfers only when they have arrived,
    and fees as the bills tell them: basic + frozen + on the way. fees_fen: taken and not given
    back; a fee comes back when the refund leaves. problems: [] or the bank is broken.
    """

    mchid: str
    basic_fen: int
    frozen_fen: int
    refunds_fen: int
    transfers_fen: int
    books_fen: int
    fees_fen: int
    problems: list[str]
    movements: list[Movement]


def basic(mchid: str) -> str:
    """The account a merchant disposes of."""
    return f"{mchid}:basic"


def frozen(mchid: str) -> str:
    """What is held for splitting."""
    return f"{mchid}:frozen"


def refunds(mchid: str) -> str:
    """Refunds that left the merchant and have not arrived."""
    return f"{mchid}:refunds"


def transfers(mchid: str) -> str:
    """Transfers that left the merchant and have not arrived."""
    return f"{mchid}:transfers"


def person(person_id: str) -> str:
    """Somebody's 零钱."""
    return f"person:{person_id}"


def balance(store: Store, account: str) -> int:
    """Fen on an account; 0 for one that never saw any."""
    if account.startswith("person:"):
        sql = "select balance_fen from people where person_id = ?"
        return int(store.value(sql, account.removeprefix("person:")) or 0)
    return int(store.value("select fen from accounts where account = ?", account) or 0)


def move(
    store: Store,
    kind: str,
    source: str,
    target: str,
    fen: int,
    *,
    at: float,
    mchid: str | None = None,
    number: str = "",
    wechat_no: str = "",
    note: str = "",
) -> None:
    """Move money; nothing for 0 fen. Raises ShortOfMoney. In the caller's transaction."""
    if fen == 0:
        return
    assert fen > 0 and source != target
    if source != OUTSIDE and balance(store, source) < fen:
        raise ShortOfMoney(source, fen)
    _add(store, source, -fen)
    _add(store, target, fen)
    store.run(
        """insert into movements (at, kind, source, target, fen, mchid, number, wechat_no, note)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        at, kind, source, target, fen, mchid, number, wechat_no, note,
    )  # fmt: skip


def _add(store: Store, account: str, fen: int) -> None:
    if account.startswith("person:"):
        sql = "update people set balance_fen = balance_fen + ? where person_id = ?"
        store.run(sql, fen, account.removeprefix("person:"))
        return
    store.run("insert or ignore into accounts values (?, 0)", account)
    store.run("update accounts set fen = fen + ? where account = ?", fen, account)


def set_person_balance(store: Store, person_id: str, fen: int, at: float) -> None:
    """Fill or empty somebody's purse from outside."""
    account = person(person_id)
    more = fen - balance(store, account)
    source, target = (OUTSIDE, account) if more > 0 else (account, OUTSIDE)
    move(store, "purse", source, target, abs(more), at=at)


def half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator, rounded half up to a whole."""
    return (2 * numerator + denominator) // (2 * denominator)


def fee_of(total_fen: int, bps: int) -> int:
    """WeChat's fee for one payment."""
    return half_up(total_fen * bps, 10_000)


def fee_back(fee_fen: int, total_fen: int, refunded_fen: int, given_fen: int) -> int:
    """The part of the fee that comes back when `refunded_fen` of a payment are refunded in all and
    `given_fen` of the fee were given back before; a full refund brings back all of it."""
    return max(0, half_up(fee_fen * refunded_fen, total_fen) - given_fen)


class _Sum(msgspec.Struct, frozen=True):
    account: str
    fen: int


def list_accounts(store: Store) -> dict[str, int]:
    """Every account and its balance; the sum is 0."""
    rows = store.all(
        _Sum,
        """select account, fen from accounts
           union all select 'person:' || person_id, balance_fen from people""",
    )
    return {row.account: row.fen for row in rows}


def find_problems(store: Store) -> list[str]:
    """What contradicts double entry; [] is the proof."""
    accounts = list_accounts(store)
    moved: dict[str, int] = {}
    for row in store.all(
        _Sum,
        """select account, sum(fen) as fen from (
             select target as account, fen from movements
             union all select source, -fen from movements) group by account""",
    ):
        moved[row.account] = row.fen
    found = [
        f"{account} holds {fen} fen, its movements say {moved.get(account, 0)}"
        for account, fen in accounts.items()
        if fen != moved.get(account, 0)
    ]
    if total := sum(accounts.values()):
        found.append(f"all accounts together hold {total} fen instead of 0")
    for suffix, sql in _PARTS.items():
        parts = {row.account: row.fen for row in store.all(_Sum, sql)}
        held = {name: fen for name, fen in accounts.items() if name.endswith(f":{suffix}")}
        found += [
            f"{account} holds {held.get(account, 0)} fen, what is open says {parts.get(account, 0)}"
            for account in sorted(parts.keys() | held.keys())
            if held.get(account, 0) != parts.get(account, 0)
        ]
    return found


_PARTS = {
    "frozen": """select mchid || ':frozen' as account, sum(frozen_fen) as fen
                   from sharings group by mchid""",
    "refunds": """select mchid || ':refunds' as account, sum(refund_fen) as fen
                    from refunds where state in ('PROCESSING', 'ABNORMAL') group by mchid""",
    "transfers": """select mchid || ':transfers' as account, sum(fen) as fen from transfers
                     where state not in ('SUCCESS', 'FAIL', 'CANCELLED') group by mchid""",
}


def view(store: Store, mchid: str, after: int, limit: int) -> BankView:
    """A merchant's money, and its movements with a number above `after`, oldest first."""
    held = {
        name: balance(store, f"{mchid}:{name}")
        for name in ("basic", "frozen", "refunds", "transfers")
    }
    fees = store.value(
        """select coalesce(sum(case when target = 'fees' then fen else -fen end), 0)
             from movements where mchid = ? and 'fees' in (source, target)""",
        mchid,
    )
    return BankView(
        mchid=mchid,
        basic_fen=held["basic"],
        frozen_fen=held["frozen"],
        refunds_fen=held["refunds"],
        transfers_fen=held["transfers"],
        books_fen=sum(held.values()),
        fees_fen=int(fees),
        problems=find_problems(store),
        movements=store.all(
            Movement,
            """select * from movements where mchid = ? and movement_id > ?
                order by movement_id limit ?""",
            mchid,
            after,
            limit,
        ),
    )
