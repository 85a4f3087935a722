"""The compiled mini program: what WeChat's own compilers say of it, and a walk in its simulator."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_mini_program_compiles_and_runs() -> None:
    """Pages complete, wcc and wcsc clean, main package <= 1.5 MB; a tap on home opens a product."""
    done = subprocess.run(
        ["npm", "test", "--silent"],
        cwd=ROOT / "web" / "mp-check",
        env={**os.environ, "MP_ROOT": str(ROOT / "siyu" / "web" / "mp-weixin")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
