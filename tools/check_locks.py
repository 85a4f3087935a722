"""Lock files must be complete and name no registry: no address, every package with its hash."""

import json
import re
import sys
from pathlib import Path

ADDRESS = re.compile(r"https?://|--index-url|--find-links|--extra-index")
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-spark.lock")
bad: list[str] = []

for name in LOCKS:
    text = Path(name).read_text()
    bad += [f"{name}: {line.strip()}" for line in text.splitlines() if ADDRESS.search(line)]
    pins = [line for line in text.splitlines() if "==" in line]
    if text.count("--hash=sha256:") < len(pins):
        bad.append(f"{name}: a pin has no hash")

locks = [p for p in Path().glob("**/package-lock.json") if "node_modules" not in p.parts]
for path in locks:
    packages = json.loads(path.read_text())["packages"]
    present = {name.rpartition("node_modules/")[2] for name in packages}
    for name, entry in packages.items():
        if name and "resolved" in entry:
            bad.append(f"{path}: {name} names an address")
        if name and "integrity" not in entry and not entry.get("link"):
            bad.append(f"{path}: {name} has no hash")
        # A platform package that is missing breaks `npm ci` on that platform.
        for optional in entry.get("optionalDependencies", {}):
            if optional not in present:
                bad.append(f"{path}: {name} misses {optional}")

print("\n".join(bad) or f"{len(locks) + len(LOCKS)} lock files are complete and name no registry")
sys.exit(bool(bad))
