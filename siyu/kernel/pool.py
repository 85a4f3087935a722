"""The driver's connections and their pool, without what a request does not need."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

BETWEEN = "\x1f"
"""Between texts that travel as one: an array of arrays of different lengths is none, and of each
element of a list the driver asks whether it is itself one. SQL parts them by `e'\\x1f'`.
"""


def sparse(column: Sequence[Any]) -> Sequence[Any]:
    """A column for unnest, which fills up short ones: of nothing but None nothing travels."""
    return [] if column.count(None) == len(column) else column


encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.decode


class Connection(asyncpg.Connection):
    """A pooled connection without asyncpg's reset trip: our settings end with the transaction, but
    for two that it keeps for the next one. replans: how it plans; None when that is not known.
    shop_id: whose rows it sees outside of a transaction; 0: nobody's.
    """

    replans: bool | None = True
    shop_id = 0

    def get_reset_query(self) -> str:
        """None."""
        return ""


class Pool(asyncpg.Pool):
    """asyncpg's pool, which makes a task and a timer each time a connection is taken or given back;
    here only where there is something to wait for.
    """

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109
        """Whoever takes a connection bare sees nobody's rows: not asking whose is an error."""
        connection = await self.take(timeout=timeout)
        if connection._con.shop_id:
            connection._con.shop_id = 0
            try:
                await connection.execute("reset siyu.shop_id")
            except BaseException:
                await self.release(connection)
                raise
        return connection

    async def take(self, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """A connection as the one before left it, for those who say whose rows they want."""
        free: Any = self._queue  # type: ignore[attr-defined]
        # The last given back is the first taken.
        inner = None if free is None or free.empty() else free._queue[-1]._con
        is_ready = inner is not None and not inner.is_closed()
        return await super()._acquire(None if is_ready else timeout)  # type: ignore[misc]

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Give a connection back; one with an open transaction or a cancelled statement is settled
        by asyncpg first.
        """
        inner = connection._con
        if (
            inner is None
            or inner.is_closed()
            or inner.is_in_transaction()
            or inner._protocol._is_cancelling()
        ):
            await super().release(connection, timeout=timeout or 5)
        else:
            is_wanted = bool(self._queue._getters)  # type: ignore[attr-defined]
            inner._on_release()
            await connection._holder.release(timeout)
            if is_wanted:  # who waits goes first, before we ask again
                await asyncio.sleep(0)


async def set_up(connection: Any) -> None:
    """JSON by msgspec."""
    for name in ("json", "jsonb"):
        head = b"\x01" if name == "jsonb" else b""
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            format="binary",
            encoder=lambda value, head=head: head + encode_json(value),
            decoder=lambda data, head=head: _decode_json(data[len(head) :]),
        )
