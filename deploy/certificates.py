#!/opt/keyway/bin/python
"""The one-shot service `certificates`: makes or renews the internal set, and gives each service its own part.

It runs without root and without capabilities. It belongs to the groups of the services, so it may hand a file to one
of them; the folders are volumes, and each service mounts its own alone.
"""

import os
from pathlib import Path

from keyway_certificates import ensure

FOLDER = Path("/certificates")
PARTS = {"crypto": ("crypto", 10001), "backend": ("backend", 10002), "db": ("postgres", 10003)}


def hand_over(source: Path, target: Path, group: int) -> None:
    """Copies a file so that `group` may read it and others may not; readers see the old one or the new one."""
    draft = target.with_name(f".{target.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(source.read_bytes())
        os.fchown(out.fileno(), -1, group)
        os.fchmod(out.fileno(), 0o440)
    draft.replace(target)


made = ensure(FOLDER / "all")
for service, (name, group) in PARTS.items():
    part = FOLDER / service
    os.chown(part, -1, group)
    part.chmod(0o750)
    for file in ("ca.crt", f"{name}.crt", f"{name}.key"):
        hand_over(FOLDER / "all" / file, part / file, group)
print("certificates:", "made, handed over" if made else "still good, handed over")
