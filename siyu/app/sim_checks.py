"""What must hold in a simulation: all truths at all times, at the end the books of both sides."""

import re
from collections.abc import Mapping

import msgspec

from siyu.app import truths
from siyu.app.sim_database import WRITTEN, Behind
from siyu.app.sim_shop import Shop
from siyu.kernel.db import reading, system_transaction
from siyu.kernel.ids import ShopId
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.sandbox.client import SandboxClient

SHOWN_ROWS = 5
_NAME = re.compile(r"\b[a-z_]+\.[a-z_]+\b")
PLAN_KEPT = 50
"""So many times the truths of a domain are asked by one plan."""


class Violated(Exception):
    """Something that must always hold does not."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("\n".join(found))
        self.found = found


class _Domain(msgspec.Struct):
    """The truths of one domain: one statement for all of them, and the tables it reads."""

    name: str
    truths: Mapping[str, str]
    connection: Behind
    tables: frozenset[str]
    seen: tuple[int, ...] | None = None
    """How often each table had been written to when it was last asked."""
    times: int = 0

    @property
    def all_at_once(self) -> str:
        parts = [
            f"select $t${truth}$t$ as truth, count(*) as rows from ({sql}) _"
            for truth, sql in self.truths.items()
        ]
        return f"select * from ({' union all '.join(parts)}) _ where rows > 0"


class Auditor:
    """Asks truths on connections of its own: those of the domains whose tables, or the tables of
    others that they read, were written to since they were last asked; or all of them.

    To plan them takes ten times as long as to answer them, so a plan is kept; not for ever, for it
    was made for the rows of its day.
    """

    def __init__(self, shop_connection: Behind, system_connection: Behind) -> None:
        self._connection = shop_connection
        self.domains = [
            _Domain(name, listed, connection, frozenset(_NAME.findall(" ".join(listed.values()))))
            for connection, of_all in (
                (system_connection, truths.OF_THE_INSTALLATION),
                (shop_connection, truths.OF_A_SHOP),
            )
            for name, listed in of_all.items()
        ]

    async def broken(self, *, everything: bool = False) -> list[str]:
        """The truths that do not hold, each with its first rows."""
        found: list[str] = []
        written = {row["table"]: row["times"] for row in await self._connection.fetch(WRITTEN)}
        assert written, "the rows of every table are counted"
        for domain in self.domains:
            seen = tuple(times for table, times in written.items() if table in domain.tables)
            if everything or seen != domain.seen:
                found += await self._of(domain)
                domain.seen = seen
        return found

    async def _of(self, domain: _Domain) -> list[str]:
        found: list[str] = []
        plan, domain.times = domain.times // PLAN_KEPT, domain.times + 1
        for row in await domain.connection.fetch(f"{domain.all_at_once} /* plan {plan} */"):
            sql = domain.truths[row["truth"]]
            shown = await domain.connection.fetch(f"select * from ({sql}) _ limit {SHOWN_ROWS}")
            rows = "; ".join(str(dict(one)) for one in shown)
            found.append(f"{domain.name}: {row['truth']}: {row['rows']} rows: {rows}")
        return found


async def compare_with_bank(shop: Shop, sandbox: SandboxClient) -> int:
    """What WeChat's bank holds for the shop minus what our ledger says it holds, in fen."""
    bank = await sandbox.bank(shop.mchid)
    if bank["problems"]:
        raise Violated([f"the sandbox's bank is broken: {one}" for one in bank["problems"]])
    async with reading(shop.shop_id) as tx:
        books = [await ledger.balance(tx, book) for book in (Book.WECHAT, Book.WECHAT_FROZEN)]
    return int(bank["books_fen"]) - sum(book.posted for book in books)


async def lost_orders(shop_id: ShopId, acknowledged: list[str]) -> list[str]:
    """Orders that were acknowledged to a customer and are not there."""
    async with reading(shop_id) as tx:
        rows = await tx.connection.fetch(
            """select id from unnest($1::uuid[]) as acknowledged (id)
                where not exists (select from ordering.orders where order_id = id)""",
            acknowledged,
        )
    return [f"acknowledged and lost: order {row['id']}" for row in rows]


# A refund that waits for the merchant to top up the account at WeChat goes on by itself after that:
# nobody here does, and the console says so.
_POOR = """select refund_id from payments.refunds
            where state = 'created' and problem = 'NOT_ENOUGH'"""
# What must have come to its end when everybody had time; a ticket of the console is an end, too.
_OPEN: dict[str, str] = {
    "order": "select order_id::text from ordering.orders where status = 'pending_payment'",
    "refund of an order": f"""select refund_id::text from ordering.refunds
                             where status = 'started' and refund_id not in ({_POOR})""",
    "payment": """select payment_id::text from payments.attempts
                   where state in ('created', 'paying')""",
    "refund": f"""select concat_ws(' ', refund_id, state, problem) from payments.refunds
                   where state in ('waiting', 'created', 'processing')
                     and refund_id not in ({_POOR})""",
    "parked money": """select concat_ws(' ', s.parked_id, s.reason, s.state, r.state, r.problem)
                        from payments.suspense s
                        left join payments.refunds r using (shop_id, parked_id)
                        where s.state = 'refunding'
                            and coalesce(r.state, '') not in ('failed', 'abnormal')
                           or s.state = 'parked' and s.ticket is null""",
    "top-up": "select top_up_id::text from stored_value.top_ups where state = 'pending'",
    "stored value of an order": """select order_id::text from stored_value.spendings
                                    where state = 'held'""",
    "points of an order": "select order_id::text from points.spendings where state = 'held'",
    "call about a split": """select order_id::text || ' ' || kind from profit_sharing.requests
                              where state in ('created', 'processing')""",
    "payout": """select payout_id::text || ' ' || state from payouts.payouts
                  where state in ('created', 'accepted', 'waiting', 'sending', 'cancelling')""",
    "gift": "select gift_id::text from gifting.shares where state in ('waiting', 'expired')",
    "case": f"""select case_id::text from after_sale.cases
                 where state = 'refunding' and trouble is null and refund_id not in ({_POOR})""",
    # Of a payment whose amount was told wrong, under WeChat's own signature, a ticket must say so.
    "reconciliation": """select concat_ws(' ', "on", difference, bill, number, theirs_fen, ours_fen,
                            ledger_fen) from reconciliation.tickets t where state = 'open'
                          and not exists (select from payments.suspense s
                            where s.shop_id = t.shop_id and s.number = t.number
                              and s.reason = 'wrong_amount')""",
    "news": """select outside_id || ' ' || coalesce(reason, '') from kernel.inbox
                where state <> 'done'""",
}
_DEAD: dict[str, str] = {
    "job": "select entrypoint from jobs.pgqueuer where status = 'failed'",
    "delivery": "select state || ' ' || reaction from kernel.deliveries where state <> 'done'",
}


async def unfinished(shop_id: ShopId) -> list[str]:
    """What still waits, or is dead, although everybody has had time."""
    found: list[str] = []
    async with system_transaction() as tx:
        for what, sql in _DEAD.items():
            found += [f"dead {what}: {row[0]}" for row in await tx.connection.fetch(sql)]
    async with reading(shop_id) as read:
        for what, sql in _OPEN.items():
            found += [f"unfinished {what}: {row[0]}" for row in await read.connection.fetch(sql)]
    return found
