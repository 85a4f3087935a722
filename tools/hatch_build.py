"""Before packing: compiles the kernels of the warehouse and builds the front ends into siyu/web.

An sdist carries the front ends, so installing from it needs no Node; editable installs skip them.
Without a C compiler the wheel is pure and DuckDB answers what the kernels would.
"""

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SITES = {
    "console": ("web/console", "dist"),
    "h5": ("web/shop", "dist/h5"),
    "mp-weixin": ("web/shop", "dist/mp-weixin"),
}
KERNEL = "siyu/warehouse/engines/service"


class Build(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and compile_kernel(Path(self.root)):
            build_data["pure_python"] = False
            if version != "editable":
                build_data["tag"] = f"cp311-abi3-{platform_tag()}"
        if version != "editable" and os.environ.get("SIYU_SKIP_WEB") != "1":
            build_sites(Path(self.root))


def compile_kernel(root: Path) -> bool:
    """Compile the kernels in place; False where there is no compiler. Raises when they do not."""
    sources, target = sorted((root / KERNEL).glob("*.c")), root / KERNEL / "_kernel.abi3.so"
    # One of an older source would be worse than none.
    target.unlink(missing_ok=True)
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if os.name != "posix" or not shutil.which(compiler[0]):
        return False
    include = sysconfig.get_paths()["include"]
    if not Path(include, "Python.h").exists():
        return False
    link = shlex.split(sysconfig.get_config_var("LDSHARED") or "")[1:] or ["-shared"]
    fresh = target.with_suffix(f".{os.getpid()}")
    subprocess.run(
        [
            *(*compiler, "-O3", "-Wall", "-fPIC", "-fvisibility=hidden", f"-I{include}"),
            *(*link, *map(str, sources), "-o", str(fresh)),
        ],
        check=True,
    )
    fresh.replace(target)
    return True


def platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def build_sites(root: Path) -> None:
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
