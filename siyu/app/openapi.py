"""Writes the API documents that the front ends' clients are generated from.

`python -m siyu.app.openapi` writes `docs/openapi/{admin,shop}.json`; `--check` fails when they
differ from the code.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from siyu.app.http import create_litestar

OUT = Path("docs/openapi")
LANES = {"admin": ("/admin/v1", "/open/v1"), "shop": ("/shop/v1", "/collect/v1")}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "description": "stable; switch on this"},
                "message": {"type": "string", "description": "for people, zh-CN or en"},
                "details": {"type": "object", "additionalProperties": True},
            },
        }
    },
}


def _references(node: Any, found: set[str]) -> set[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            found.add(node["$ref"].rpartition("/")[2])
        for value in node.values():
            _references(value, found)
    elif isinstance(node, list):
        for value in node:
            _references(value, found)
    return found


def lane(document: dict[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    """One lane's part of the whole document, with only the schemas it uses."""
    paths = {path: item for path, item in document["paths"].items() if path.startswith(prefixes)}
    for item in paths.values():
        for operation in item.values():
            refusals = {
                code: answer
                for code, answer in operation["responses"].items()
                if code.startswith("2")
            }
            refusals["default"] = {
                "description": "A refusal",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            }
            operation["responses"] = refusals
    schemas = {**document.get("components", {}).get("schemas", {}), "Error": ERROR}
    needed: set[str] = set()
    wanted = _references(paths, set())
    while wanted - needed:
        needed |= wanted
        wanted = _references([schemas[name] for name in needed], set())
    return {
        "openapi": document["openapi"],
        "info": document["info"],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {name: schemas[name] for name in sorted(needed)}},
    }


def main() -> int:
    """Write or check the documents; the exit code."""
    document = create_litestar().openapi_schema.to_schema()
    stale = []
    for name, prefixes in LANES.items():
        file = OUT / f"{name}.json"
        # Copied through JSON: lanes must not share nodes, and defaults may be sets.
        part = lane(json.loads(msgspec.json.encode(document)), prefixes)
        text = json.dumps(part, indent=1, ensure_ascii=False) + "\n"
        if "--check" in sys.argv:
            if not file.exists() or file.read_text("utf-8") != text:
                stale.append(str(file))
        else:
            OUT.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make openapi`")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
