"""How long each folder of the suite takes, and the share of each part: a plugin of pytest's for `scripts/shares`."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any, Final

_SLOWEST: Final = 40
# What the main job had to show (sign in, push, pull, who may), before the whole API was there.
MAIN_JOB: Final = {
    "backend/access/test_github_tokens.py", "backend/access/test_grants.py", "backend/access/test_macs.py",
    "backend/access/test_matrix.py", "backend/access/test_roles.py", "backend/access/test_sessions.py",
    "backend/accounts/test_device_flow.py", "backend/db/test_engine.py", "backend/db/test_migrate.py",
    "backend/platform/test_address.py", "backend/platform/test_bodies.py", "backend/platform/test_boot.py",
    "backend/platform/test_settings.py", "backend/secrets/test_first_push.py", "backend/secrets/test_instance.py",
    "backend/secrets/test_legacy_push.py", "backend/secrets/test_pull.py", "backend/secrets/test_push.py",
    "backend/secrets/test_push_refused.py", "backend/vaults/test_vaults.py", "invariants/test_access_matrix.py",
    "invariants/test_bad_input.py", "invariants/test_database_writer.py", "invariants/test_fail_open.py",
    "invariants/test_identity.py", "invariants/test_key_isolation.py", "invariants/test_leaks.py",
    "invariants/test_nothing_torn.py", "invariants/test_regressions.py", "invariants/test_row_forgery.py",
    "invariants/test_the_judge.py", "invariants/test_values_survive.py",
}  # fmt: skip
API: Final = "the whole API"
MOST_MINUTES: Final = {API: 3.0, "CLI, MCP server and Action": 1.5, "dashboard": 2.0}
_CLIENTS: Final = {"cli", "mcp", "action"}


def part_of(path: PurePosixPath) -> str:
    """Which part of the project a test file proves. `path` begins with `tests`."""
    folder, inside = path.parts[1], "/".join(path.parts[1:])
    if folder in {"backend", "contracts", "invariants"}:
        return "main job" if inside in MAIN_JOB else API
    if folder in _CLIENTS:
        return "CLI, MCP server and Action"
    return folder if folder == "dashboard" else "stand-ins, core, crypto, deployment"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints seconds of work by folder and file, and the share of each part in minutes of the run."""
    folders: dict[str, float] = defaultdict(float)
    files: dict[str, float] = defaultdict(float)
    parts: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "nodeid", "") and hasattr(report, "duration"):
                path = PurePosixPath(report.nodeid.partition("::")[0])
                folders["/".join(path.parts[:3] if path.parts[1] == "backend" else path.parts[:2])] += report.duration
                files[str(path)] += report.duration
                parts[part_of(path)] += report.duration
    workers = int(os.environ["TEST_WORKERS"])
    write = terminalreporter.write_line
    write(f"\nseconds of work by folder ({workers} workers)")
    for folder, seconds in sorted(folders.items(), key=lambda item: -item[1]):
        write(f"{seconds:8.1f}  {folder}")
    write("seconds of work by file")
    for file, seconds in sorted(files.items(), key=lambda item: -item[1])[:_SLOWEST]:
        write(f"{seconds:8.1f}  {file}")
    write("minutes of the run by part")
    for part, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        most = f" (at most {MOST_MINUTES[part]:g})" if part in MOST_MINUTES else ""
        write(f"{seconds / workers / 60:8.1f}  {part}{most}")
