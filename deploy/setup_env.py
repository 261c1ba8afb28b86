"""Prepares a deployment: `.env`, and certificates for keyway.local. Safe to run again: what is there stays as it is.

usage: scripts/setup-env               .env (mode 0600) and certs/
       scripts/setup-env --hosts       adds keyway.local to the hosts file; needs root
       scripts/setup-env --show-key    prints ENCRYPTION_KEY, to store it elsewhere
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

from keyway_certificates import ensure
from keyway_core import dotenv
from keyway_core.dotenv import DotenvError
from keyway_core.sensitive import Sensitive

NAMES: Final = ("keyway.local", "api.keyway.local", "app.keyway.local")
HOSTS_LINE: Final = f"127.0.0.1 {' '.join(NAMES)}"
GENERATED: Final = {
    "ENCRYPTION_KEY": lambda: secrets.token_hex(32),
    "JWT_SECRET": lambda: secrets.token_urlsafe(48),
    "DASHBOARD_SESSION_SECRET": lambda: secrets.token_urlsafe(48),
    "DASHBOARD_HOP_SECRET": lambda: secrets.token_urlsafe(48),
    "DB_OWNER_PASSWORD": lambda: secrets.token_urlsafe(32),
    "DB_APP_PASSWORD": lambda: secrets.token_urlsafe(32),
    "GITHUB_APP_WEBHOOK_SECRET": lambda: secrets.token_hex(32),
}


def values(text: str) -> dict[str, str]:
    """What a .env text assigns."""
    return {name: value.reveal() for name, value in dotenv.parse(text).items()}


def fill(text: str) -> tuple[str, list[str]]:
    """The text with every empty generated variable filled, and the names of those."""
    present = values(text)
    empty = [name for name in GENERATED if present.get(name) == ""]
    if any(present.get(name) for name in ("ENCRYPTION_KEYS", "ENCRYPTION_KEYS_FILE", "ENCRYPTION_KEY_FILE")):
        empty = [name for name in empty if name != "ENCRYPTION_KEY"]
    return dotenv.update(text, {name: Sensitive(GENERATED[name]()) for name in empty}), empty


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(path)


def prepare_variables(folder: Path) -> list[str]:
    """Makes .env, or fills what is empty in it. What to tell."""
    file = folder / ".env"
    there = file.exists()
    text, made = fill((file if there else folder / ".env.example").read_text(encoding="utf-8"))
    if made or not there:
        write_private(file, text)
    said = [f".env: made {', '.join(made)}" if made else ".env: complete, left as it is"]
    if "ENCRYPTION_KEY" in made:
        said.append("Store ENCRYPTION_KEY somewhere else too: without it no secret can be read again.")
        said.append("  scripts/setup-env --show-key")
    empty = [name for name, value in values(text).items() if not value and name.startswith("GITHUB_")]
    return said + ([f".env: for a deployment fill in {', '.join(empty)} (docs/self-hosting.md)"] if empty else [])


def prepare_certificates(folder: Path) -> list[str]:
    """Makes or renews what ./Caddyfile serves keyway.local with. A certificate that somebody put there stays."""
    ours, served = folder / "certs", folder / "certs" / "caddy"
    if (served / "fullchain.pem").exists() and not (ours / "keyway.crt").exists():
        return ["certs/caddy: a certificate of yours is there, left as it is"]
    for place, mode in ((ours, 0o700), (served, 0o755)):
        place.mkdir(exist_ok=True)
        place.chmod(mode)
    made = ensure(ours, {"keyway": NAMES})
    # Caddy's container has a user of its own, who must be able to read the key: the folder above, which only you can
    # enter, is what keeps everybody else away.
    for source, target in (("keyway.crt", "fullchain.pem"), ("keyway.key", "privkey.pem")):
        (served / target).write_bytes((ours / source).read_bytes())
        (served / target).chmod(0o644)
    return [f"certs/: certificates of keyway.local {'made' if made else 'still good'}; trust certs/ca.crt to use them"]


def hosts(file: Path) -> list[str]:
    """Adds our line to the hosts file, unless it knows the names."""
    text = file.read_text(encoding="utf-8")
    if all(re.search(rf"^[^#]*\s{re.escape(name)}(\s|$)", text, re.MULTILINE) for name in NAMES):
        return [f"{file}: knows keyway.local already"]
    with file.open("a", encoding="utf-8") as out:
        out.write(("" if text.endswith("\n") or not text else "\n") + HOSTS_LINE + "\n")
    return [f"{file}: added {HOSTS_LINE}"]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/setup-env", description="prepare a deployment")
    parser.add_argument("--folder", type=Path, default=Path(), help="where .env.example lies and .env shall lie")
    parser.add_argument("--hosts", action="store_true", help="add keyway.local to the hosts file; needs root")
    parser.add_argument("--hosts-file", type=Path, default=Path("/etc/hosts"), help="default: /etc/hosts")
    parser.add_argument("--show-key", action="store_true", help="print ENCRYPTION_KEY")
    options = parser.parse_args()
    try:
        if options.show_key:
            said = [values((options.folder / ".env").read_text(encoding="utf-8")).get("ENCRYPTION_KEY", "")]
        elif options.hosts:
            said = hosts(options.hosts_file)
        else:
            said = prepare_variables(options.folder) + prepare_certificates(options.folder)
            said.append("For keyway.local in a browser: sudo scripts/setup-env --hosts")
    except OSError as error:
        sys.stderr.write(f"setup-env: {error.filename}: {error.strerror}\n")
        return 1
    except DotenvError as error:
        sys.stderr.write(f"setup-env: .env, {error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
