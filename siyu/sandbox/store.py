"""The sandbox's memory: one SQLite file (write-ahead log), typed rows out.

Calls are synchronous and short. `with store.writing():` is one transaction; nothing awaits inside,
so requests cannot interleave in it, and a killed process leaves nothing half done.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Store:
    """Rows are returned as the msgspec Struct asked for, matched by column name."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("pragma foreign_keys = on")
        self._widen_apps()
        self._db.executescript((Path(__file__).parent / "schema.sql").read_text())
        self._widen_messages()

    def _widen_apps(self) -> None:
        """Files of earlier versions knew mini-programs only."""
        sql = self.value("select sql from sqlite_master where name = 'apps'")
        if sql and "kind" not in sql:
            self._db.execute(
                "alter table apps add column kind text not null default 'mini_program'"
            )

    def _widen_messages(self) -> None:
        """Files of earlier versions did not know every kind of message."""
        sql = self.value("select sql from sqlite_master where name = 'messages'")
        if "'template'" not in sql:
            start = sql.index("kind text not null check (")
            end = sql.index("mine integer")
            kinds = "'receipt', 'notice', 'card', 'refund', 'transfer', 'text', 'template'"
            wider = f"{sql[:start]}kind text not null check (kind in ({kinds})), {sql[end:]}"
            self._db.executescript(
                f"""begin; alter table messages rename to old_messages; {wider};
                    insert into messages select * from old_messages;
                    drop table old_messages; commit;
                    create index messages_of_person on messages (person_id, message_id);"""
            )

    def close(self) -> None:
        """Write the log back and let go of the file."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def all(self, row: type[T], sql: str, *args: object) -> list[T]:
        """Every row."""
        found = self._db.execute(sql, args).fetchall()
        return [msgspec.convert(dict(r), row) for r in found]

    def maybe(self, row: type[T], sql: str, *args: object) -> T | None:
        """The first row, if there is one."""
        found = self.all(row, sql, *args)
        return found[0] if found else None

    def value(self, sql: str, *args: object) -> Any:
        """The first column of the first row, or None."""
        found = self._db.execute(sql, args).fetchall()
        return found[0][0] if found else None

    def run(self, sql: str, *args: object) -> int:
        """Number of rows touched."""
        return self._db.execute(sql, args).rowcount

    def insert(self, table: str, row: object) -> int:
        """Insert a Struct by its field names; returns the row id."""
        values = msgspec.structs.asdict(row)  # type: ignore[arg-type]
        marks = ", ".join("?" * len(values))
        done = self._db.execute(
            f"insert into {table} ({', '.join(values)}) values ({marks})",
            tuple(values.values()),
        )
        return done.lastrowid or 0
