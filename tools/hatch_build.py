"""Builds the front ends into siyu/web before packing, unless they are already there.

An sdist carries them, so installing from it needs no Node. Editable installs skip this.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SITES = {
    "console": ("web/console", "dist"),
    "h5": ("web/shop", "dist/h5"),
    "mp-weixin": ("web/shop", "dist/mp-weixin"),
}


class FrontEnds(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or os.environ.get("SIYU_SKIP_WEB") == "1":
            return
        root = Path(self.root)
        for name, (source, built) in SITES.items():
            target = root / "siyu/web" / name
            if target.exists():
                continue
            if not shutil.which("npm"):
                raise RuntimeError(f"{target} is missing and npm was not found: install Node 20")
            folder = root / source
            if not (folder / "node_modules").exists():
                subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
            if not (folder / built).exists():
                subprocess.run(["npm", "run", "build"], cwd=folder, check=True)
            shutil.copytree(folder / built, target)
