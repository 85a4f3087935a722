"""Scaffold of a domain: `make domain NAME=growth/lottery` writes its files and a first test."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from siyu.kernel.migrate import TOWER  # noqa: E402

FILES = {
    "__init__.py": '''"""{title}: what it is for, in one sentence.

Owns: the tables of the schema `{name}`.
Always holds: the truths of `invariants.py`.
Emits: {pascal}Opened.
Called by: floors above, through `service` and `contracts`.
"""
''',
    "contracts.py": '''"""Nouns of {title}: ids, states, errors and events."""

from typing import ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import NotFound
from siyu.kernel.events import Event

{pascal}Id = NewType("{pascal}Id", UUID)


class {pascal}(msgspec.Struct, frozen=True, kw_only=True):
    """One {title}, as the other domains may see it."""

    {singular}_id: UUID
    name: str


class {pascal}NotFound(NotFound):
    """There is no such {title} in this shop."""

    code = "{name}.not_found"


class {pascal}Opened(Event, frozen=True):
    """A {title} was opened."""

    name: ClassVar[str] = "{name}.opened"
    {singular}_id: UUID
''',
    "rules.py": '''"""Decisions of {title}: pure functions of plain values; `now` is passed in."""

LONGEST_NAME = 60


def is_good_name(name: str) -> bool:
    """Whether a name may be shown: 1 to 60 characters that are not all blank."""
    return bool(name.strip()) and len(name) <= LONGEST_NAME
''',
    "schema.sql": """create schema {name};

create table {name}.{plural} (
  shop_id int not null,
  {singular}_id uuid not null,
  name text not null check (length(name) between 1 and 60),
  created_at timestamptz not null,
  primary key (shop_id, {singular}_id)
);
comment on table {name}.{plural} is 'One row per {title} of a shop.';
select kernel.tenant_table('{name}.{plural}', worker => true);
""",
    "queries.py": '''"""All SQL of {title}."""

from datetime import datetime
from uuid import UUID

from siyu.{group}.{name}.contracts import {pascal}
from siyu.kernel.db import ReadTx, Tx


async def get_{singular}(tx: ReadTx, {singular}_id: UUID) -> {pascal} | None:
    """The {title}, or None when it is not of this shop."""
    return await tx.maybe(
        {pascal},
        """select {singular}_id, name from {name}.{plural}
            where shop_id = $1 and {singular}_id = $2""",
        tx.shop_id,
        {singular}_id,
    )


async def insert_{singular}(tx: Tx, {singular}: {pascal}, at: datetime) -> None:
    """Write a new {title}."""
    await tx.run(
        """insert into {name}.{plural}
             (shop_id, {singular}_id, name, created_at)
           values ($1, $2, $3, $4)""",
        tx.shop_id,
        {singular}.{singular}_id,
        {singular}.name,
        at,
    )
''',
    "service.py": '''"""Verbs of {title}."""

from uuid import UUID

from siyu.{group}.{name} import queries, rules
from siyu.{group}.{name}.contracts import {pascal}, {pascal}NotFound, {pascal}Opened
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import BadInput
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id


async def open_{singular}(tx: Tx, name: str) -> {pascal}:
    """Open a {title}; BadInput for a name that cannot be shown."""
    if not rules.is_good_name(name):
        raise BadInput(field="name")
    {singular} = {pascal}({singular}_id=new_id(), name=name)
    await queries.insert_{singular}(tx, {singular}, clock.now())
    emit(tx, {pascal}Opened({singular}_id={singular}.{singular}_id))
    return {singular}


async def get_{singular}(tx: ReadTx, {singular}_id: UUID) -> {pascal}:
    """The {title}; {pascal}NotFound when it is not of this shop."""
    {singular} = await queries.get_{singular}(tx, {singular}_id)
    if {singular} is None:
        raise {pascal}NotFound({singular}_id=str({singular}_id))
    return {singular}
''',
    "invariants.py": '''"""Truths of {title}: each query returns no rows."""

INVARIANTS = {{
    "every name can be read": """
        select shop_id, {singular}_id from {name}.{plural}
        where btrim(name) = ''""",
}}
''',
}

TEST = '''"""{pascal}: the verbs, as callers use them."""

import pytest

from siyu.{group}.{name} import service
from siyu.{group}.{name}.contracts import {pascal}NotFound
from siyu.kernel.db import Tx
from siyu.kernel.errors import BadInput
from siyu.kernel.ids import new_id


async def test_opened_is_found(tx: Tx) -> None:
    opened = await service.open_{singular}(tx, "春茶")
    assert await service.get_{singular}(tx, opened.{singular}_id) == opened


async def test_unknown_is_refused(tx: Tx) -> None:
    with pytest.raises({pascal}NotFound):
        await service.get_{singular}(tx, new_id())


async def test_blank_name_is_refused(tx: Tx) -> None:
    with pytest.raises(BadInput):
        await service.open_{singular}(tx, "  ")
'''


def make(path: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a domain; the new paths. SystemExit with the reason when refused."""
    group, _, name = path.partition("/")
    if not re.fullmatch(r"[a-z]+/[a-z][a-z_]*", path):
        raise SystemExit(f"{path!r} is not GROUP/DOMAIN, such as growth/lottery")
    if group not in TOWER or not TOWER[group]:
        known = ", ".join(known for known, domains in TOWER.items() if domains)
        raise SystemExit(f"there is no group {group!r}; the planned ones are {known}")
    if name not in TOWER[group]:
        raise SystemExit(
            f"{name!r} has no place in {group!r} yet (planned: {', '.join(TOWER[group])}); "
            "give it one in TOWER of siyu/kernel/migrate.py and in the contracts of pyproject.toml"
        )
    domain = root / "siyu" / group / name
    if domain.exists():
        raise SystemExit(f"{domain} exists already")
    singular = name.removesuffix("s")
    words = {
        "group": group,
        "name": name,
        "singular": singular,
        "plural": singular + "s",
        "pascal": "".join(word.title() for word in singular.split("_")),
        "title": singular.replace("_", " "),
    }
    texts = {domain / file: text for file, text in FILES.items()}
    texts[root / "tests" / group / name / "test_service.py"] = TEST
    parent = domain.parent / "__init__.py"
    if not parent.exists():
        texts[parent] = (
            f'"""The group {group}: see `TOWER` in `kernel/migrate.py` for its planned order."""\n'
        )
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**words) if file != parent else text, "utf-8")
    for step in (["check", "--fix"], ["format"]):  # the order of imports depends on the names
        command = [sys.executable, "-m", "ruff", *step, "-q", *map(str, texts)]
        subprocess.run(
            [part for part in command if not part.endswith(".sql")], cwd=root, check=True
        )
    return sorted(texts)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make domain NAME=growth/lottery")
    for made in make(sys.argv[1]):
        print(made.relative_to(ROOT))
