"""Whether containers can be built and run here."""

from __future__ import annotations

import shutil
import subprocess


def engine_problem() -> str | None:
    """Why there is no container engine here, or None where `docker info` works: then nothing may be skipped."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=180)
    return None if asked.returncode == 0 else f"docker info: {(asked.stderr or asked.stdout).strip().splitlines()[-1]}"
