"""`.env.example` and the settings classes say the same, in both directions."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from deployment_facts import ROOT, example_names, example_text, interpolated, services
from keyway_backend.platform.settings import Settings as BackendSettings
from keyway_core import dotenv
from keyway_crypto import settings as crypto_settings
from keyway_dashboard.settings import Settings as DashboardSettings
from pydantic import BaseModel

# Compose gives a process its ports and addresses by itself; these are for caddy, the database and compose.
COMPOSE_ONLY = {
    "CADDYFILE", "CADDY_CERTS", "CADDY_TLS", "HTTP_PORT", "HTTPS_PORT", "EDGE_SUBNET",
    "DB_OWNER_PASSWORD", "DB_APP_PASSWORD", "GEOIP_FOLDER",
}  # fmt: skip
# Docker compose reads this one itself, and no file of ours names it.
COMPOSE_OWN = {"COMPOSE_PROFILES"}


class Asked(MutableMapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def crypto_names(folder: Path) -> set[str]:
    """What the crypto service reads, seen by giving it a complete environment."""
    (folder / "pem").write_text("")
    paths = dict.fromkeys(("CRYPTO_TLS_CA_PATH", "CRYPTO_TLS_CERT_PATH", "CRYPTO_TLS_KEY_PATH"), str(folder / "pem"))
    environ = Asked({"ENCRYPTION_KEY": secrets.token_hex(32), **paths})
    crypto_settings.read(environ)
    return {name for name in environ.names if not name.endswith("_FILE")}


def names_of(settings: type[BaseModel]) -> set[str]:
    """The variables of a settings class."""
    return {name.upper() for name in settings.model_fields}


def test_every_variable_is_read_by_somebody_and_every_variable_that_is_read_is_there(tmp_path: Path) -> None:
    """The names in .env.example are exactly those of the backend, crypto, the dashboard and compose."""
    read = names_of(BackendSettings) | names_of(DashboardSettings) | crypto_names(tmp_path) | COMPOSE_ONLY | COMPOSE_OWN
    assert set(example_names()) == read
    assert len(example_names()) == len(read), "a variable stands there twice"


def test_compose_takes_nothing_that_the_example_does_not_name() -> None:
    """Every ${VARIABLE} of docker-compose.yml and of the Caddyfile is one of .env.example, and the reverse for ours."""
    used = interpolated((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert used <= set(example_names())
    assert used >= COMPOSE_ONLY


def test_each_process_gets_every_variable_of_its_own_settings_and_no_other(tmp_path: Path) -> None:
    """The environment of a container holds the names of its settings class, except those that compose leaves alone."""
    given = {name: set(service.get("environment", {})) for name, service in services().items()}
    assert given["backend"] == names_of(BackendSettings)
    assert given["worker"] == given["backend"]
    assert given["dashboard"] == names_of(DashboardSettings)
    assert given["crypto"] == crypto_names(tmp_path) - {"GRPC_HOST", "GRPC_PORT"}


def test_every_default_shown_is_the_real_one() -> None:
    """A commented default equals that of the settings class."""
    shown = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.+)$", example_text(), re.MULTILINE))
    for settings in (BackendSettings, DashboardSettings):
        for name, field in settings.model_fields.items():
            if name.upper() in shown and name != "port":
                assert str(field.default).lower() == shown[name.upper()], name


def test_every_variable_has_a_line_that_says_what_it_is() -> None:
    """Each assignment stands below a comment, or below another assignment that shares it."""
    lines = example_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line):
            assert lines[number - 1].startswith("# ") or re.match(r"#?[A-Z]", lines[number - 1]), line


def test_the_example_holds_no_secret_and_parses() -> None:
    """It is a valid .env file, and every secret in it is empty."""
    values = {name: value.reveal() for name, value in dotenv.parse(example_text()).items()}
    assert {name for name, value in values.items() if value} == {"DOMAIN", "GITHUB_APP_NAME"}


@pytest.mark.parametrize("process", ["backend", "dashboard"])
def test_scripts_dev_without_a_file_says_what_makes_one(process: str, tmp_path: Path) -> None:
    """Without .env it ends with 1 and names the command."""
    done = run_dev(process, tmp_path)
    assert done.returncode == 1
    assert "make setup" in done.stderr


def test_scripts_dev_gives_the_backend_its_variables_and_never_the_key(tmp_path: Path) -> None:
    """With ENCRYPTION_KEY in .env the backend is started without it, and reports what is missing by name only."""
    (tmp_path / ".env").write_text(f"ENCRYPTION_KEY={secrets.token_hex(32)}\nJWT_SECRET=canary\nDOMAIN=keyway.local\n")
    done = run_dev("backend", tmp_path)
    assert done.returncode not in {0, 2}
    assert "DATABASE_URL" in done.stderr
    assert "ENCRYPTION_KEY" not in done.stderr
    assert "canary" not in done.stderr


def run_dev(process: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`scripts/dev` in a folder of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "dev.py"), process],
        cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
