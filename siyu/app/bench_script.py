"""An order's recorded statements as a script for pgbench."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import msgspec


async def parameter_types(connection: Any, sql: str) -> list[str]:
    """The types PostgreSQL gave the parameters of a statement."""
    if "$1" not in sql:
        return []
    prepared = await connection.prepare(sql)
    return [
        f"{kind.name[:-2]}[]" if kind.kind == "array" else kind.name
        for kind in prepared.get_parameters()
    ]


class Script:
    """Recorded statements turned into a pgbench script."""

    def __init__(self, types: list[list[str]]) -> None:
        self._types = types
        self._statements: list[str] = []
        self.columns: list[str] = []
        self.rows: list[list[str]] = []

    def add(self, first: list[Any], second: list[Any]) -> None:
        """Take the arguments of a buyer, from two orders of theirs."""
        made: dict[str, str] = {}
        names: list[str] = []
        row: list[str] = []
        statements: list[str] = []
        for place, ((sql, args), (_, others)) in enumerate(zip(first, second, strict=True)):
            values: list[str] = []
            for no, (value, other) in enumerate(zip(args, others, strict=True)):
                kind = self._types[place][no]
                fresh = _fresh(value, other, made)
                if fresh is not None:
                    values.append(f"({fresh})::{kind}")
                elif value is None:
                    values.append(f"null::{kind}")
                else:
                    names.append(f"a{place}_{no}")
                    row.append(_literal(value))
                    values.append(f":{names[-1]}::{kind}")
            statements.append(_filled(sql, values))
        self._statements = self._statements or statements
        self.columns = self.columns or names
        assert (self._statements, self.columns) == (statements, names), "orders differ in shape"
        self.rows.append(row)

    def text(self) -> str:
        """One transaction. Ids grow with time, as ours do, so that indexes are filled alike."""
        body: list[str] = []
        for sql in self._statements:
            parts = sql.strip().split("; ")
            lines = [re.sub(r"\s+", " ", part).strip() + ";" for part in parts]
            # What travels together in the app travels together here.
            body += ["\\startpipeline", *lines, "\\endpipeline"] if len(lines) > 1 else lines
        return "\n".join(
            [
                "\\if :seen = 0",
                "\\set seen 1",
                f"select {', '.join(self.columns)} from bench.arguments where buyer = :client_id",
                "\\gset",
                "\\endif",
                "\\set n :n + 1",
                "\\set hi :base + :n * 65536 + :client_id",
                *(f"\\set lo{i} random(1, 9000000000000000000)" for i in range(_MOST_IDS)),
                *body,
                "",
            ]
        )


_MOST_IDS = 9


def _filled(sql: str, values: list[str]) -> str:
    return re.sub(r"\$(\d+)", lambda match: values[int(match[1]) - 1], sql)


def _fresh(value: Any, other: Any, made: dict[str, str]) -> str | None:
    """How pgbench makes a value that is new in each order; None when it may stay as recorded."""
    if isinstance(value, list | tuple) and len(value) == 1:
        inner = _fresh(value[0], other[0], made)
        return None if inner is None else f"array[{inner}]"
    if value == other or not isinstance(value, UUID | str | int):
        return None
    if isinstance(value, str) and value.startswith("{"):
        return None  # what an event says: nobody hears these
    key = str(value)
    if key not in made:
        low = f":lo{len(made)}"
        assert len(made) < _MOST_IDS
        digits = f"lpad(to_hex(:hi::bigint), 16, '0') || lpad(to_hex({low}::bigint), 16, '0')"
        if isinstance(value, UUID):
            made[key] = f"({digits})::uuid"
        else:
            made[key] = low if isinstance(value, int) else f"substr({digits}, 1, {len(value)})"
    return made[key]


def _literal(value: Any) -> str:
    """A value as PostgreSQL reads it from text."""
    match value:
        case bool():
            return "t" if value else "f"
        case bytes():
            return "\\x" + value.hex()
        case list() | tuple():
            if value and isinstance(value[0], msgspec.Struct | dict):
                value = [msgspec.json.encode(item).decode() for item in value]
            return "{" + ",".join(_element(item) for item in value) + "}"
        case msgspec.Struct() | dict():
            return msgspec.json.encode(value).decode()
    return str(value)


def _element(value: Any) -> str:
    if value is None:
        return "null"
    return '"' + _literal(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


async def store_arguments(owner_url: str, script: Script) -> None:
    """Put the buyers' arguments where the script looks for them."""
    owner = await asyncpg.connect(owner_url)
    columns = ", ".join(f"{name} text" for name in script.columns)
    await owner.execute(f"create schema bench; create table bench.arguments (buyer int, {columns})")
    await owner.execute("grant usage on schema bench to siyu_app")
    await owner.execute("grant select on bench.arguments to siyu_app")
    records = [(number, *row) for number, row in enumerate(script.rows)]
    await owner.copy_records_to_table("arguments", schema_name="bench", records=records)
    await owner.close()
