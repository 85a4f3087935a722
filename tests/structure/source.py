"""The source of the program as the structure tests see it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIYU = ROOT / "siyu"
NOT_DOMAINS = ("kernel", "app", "sandbox", "web", "migrations")

FILES = {
    "__init__", "contracts", "rules", "queries", "service", "http_shop", "http_admin", "http_open",
    "http_callback", "background", "invariants",
}  # fmt: skip


def groups() -> list[Path]:
    """Folders of groups that exist."""
    return sorted(
        folder
        for folder in SIYU.iterdir()
        if folder.is_dir() and folder.name not in NOT_DOMAINS and any(folder.rglob("*.py"))
    )


def domains() -> list[Path]:
    """Folders of domains that exist."""
    return sorted(
        folder
        for group in groups()
        for folder in group.iterdir()
        if folder.is_dir() and any(folder.glob("*.py"))
    )


def modules() -> list[Path]:
    """All Python files of the program."""
    return sorted(SIYU.rglob("*.py"))


def where(file: Path, node: ast.AST | None = None) -> str:
    """A place as text, for the list of offenders."""
    line = f":{getattr(node, 'lineno', 0)}" if node is not None else ""
    return f"{file.relative_to(ROOT)}{line}"


@cache
def tree(file: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(file.read_text("utf-8"))


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a file."""
    for node in ast.walk(tree(file)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def imports(file: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Imported module names of siyu; `from siyu.a import b` counts as `siyu.a.b`."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, as far as it is one."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))
