"""The shape of the package: planned order, closed set of files, two doors per domain."""

import ast
import tomllib

from siyu.kernel import migrate
from tests.structure.source import FILES, ROOT, SIYU, domains, groups, imports, modules, tree, where


def test_every_group_and_domain_has_its_place() -> None:
    placed = {f"{group}/{domain}" for group, listed in migrate.TOWER.items() for domain in listed}
    assert [g.name for g in groups() if g.name not in migrate.TOWER] == []
    assert [d for d in domains() if f"{d.parent.name}/{d.name}" not in placed] == []


def test_import_contracts_tell_the_same_order() -> None:
    """import-linter knows the order from pyproject.toml, migrations from `TOWER`: one truth."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    order = {
        contract["containers"][0] if contract.get("containers") else "siyu": [
            part.strip("() ") for layer in contract["layers"] for part in layer.split("|")
        ]
        for contract in contracts
        if contract["type"] == "layers"
    }

    def bottom_up(layers: list[str]) -> list[str]:
        return [name.rpartition(".")[2].strip() for name in reversed(layers)]

    listed = [name for name in bottom_up(order["siyu"]) if name in migrate.TOWER]
    assert listed == [name for name in migrate.TOWER if name in listed]
    for group, planned in migrate.TOWER.items():
        inside = [name for name in bottom_up(order.get(f"siyu.{group}", [])) if name in planned]
        assert {d.name for d in domains() if d.parent.name == group} <= set(inside or planned)


def test_every_schema_is_applied() -> None:
    written = {file for file in SIYU.rglob("schema.sql") if "sandbox" not in file.parts}
    assert written == set(migrate.schema_files())


def test_closed_set_of_files() -> None:
    wrong = []
    for domain in domains():
        for entry in domain.iterdir():
            known = entry.stem in FILES and entry.suffix == ".py"
            split = entry.name in ("contracts", "rules", "service") and entry.is_dir()
            known = known or split or entry.name in (
                "schema.sql", "data_map.toml", "__pycache__", "py.typed",
            )  # fmt: skip
            if not known:
                wrong.append(where(entry))
        for name in ("contracts", "rules", "service"):
            if (domain / name).is_dir() and (domain / f"{name}.py").exists():
                wrong.append(f"{where(domain)} has both {name}.py and {name}/")
    assert wrong == []


def test_groups_hold_domains_only() -> None:
    wrong = [
        where(entry)
        for group in groups()
        for entry in group.iterdir()
        if entry.is_file() and entry.name != "__init__.py"
    ]
    assert wrong == []


def test_each_domain_opens_with_its_charter() -> None:
    """5 to 15 lines, and no code."""
    wrong = []
    for domain in domains():
        body = tree(domain / "__init__.py").body
        charter = ast.get_docstring(tree(domain / "__init__.py")) or ""
        if len(body) != 1 or not 3 <= len(charter.splitlines()) <= 15:
            wrong.append(
                f"{where(domain)}: {len(body)} statements, {len(charter.splitlines())} lines"
            )
    assert wrong == []


def test_two_doors() -> None:
    """From another domain only `service` (verbs) and `contracts` (nouns) may be imported."""
    roots = {f"siyu.{d.parent.name}.{d.name}": d for d in domains()}
    wrong = []
    for file in modules():
        if file.is_relative_to(SIYU / "app"):
            continue  # puts everything together: routes, background, invariants
        for name, node in imports(file):
            for root, domain in roots.items():
                if name.startswith(f"{root}.") and not file.is_relative_to(domain):
                    door = name.removeprefix(f"{root}.").split(".")[0]
                    if door not in ("service", "contracts"):
                        wrong.append(f"{where(file, node)} imports {name}")
    assert wrong == []


def test_kernel_knows_no_floor_above() -> None:
    wrong = [
        f"{where(file, node)} imports {name}"
        for file in (SIYU / "kernel").glob("*.py")
        for name, node in imports(file)
        if name.startswith("siyu.")
        and name.split(".")[1] in {*(g.name for g in groups()), "app", "sandbox"}
    ]
    assert wrong == []


def test_rules_are_pure() -> None:
    """No database, clock, network or randomness: `now` is passed in."""
    banned = (
        "siyu.kernel.db", "siyu.kernel.clock", "siyu.kernel.jobs", "asyncpg", "httpx", "random",
        "secrets", "os", "time", "asyncio",
    )  # fmt: skip
    wrong = [
        f"{where(file, node)} imports {name}"
        for file in (*SIYU.rglob("rules.py"), *SIYU.rglob("rules/*.py"))
        for name, node in imports(file)
        if any(name == b or name.startswith(f"{b}.") for b in banned)
        and name not in ("siyu.kernel.clock.business_day", "siyu.kernel.clock.day_start")  # pure
    ]
    assert wrong == []


def test_nobody_imports_the_sandbox_but_the_app() -> None:
    wrong = [
        where(file, node)
        for file in modules()
        if not file.is_relative_to(SIYU / "sandbox") and not file.is_relative_to(SIYU / "app")
        for name, node in imports(file)
        if name.startswith("siyu.sandbox")
    ]
    assert wrong == []
