"""`scripts/setup-env` in folders of its own."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from deployment_facts import ROOT
from keyway_core import dotenv

GENERATED = [
    "ENCRYPTION_KEY", "JWT_SECRET", "DASHBOARD_SESSION_SECRET", "DASHBOARD_HOP_SECRET", "DB_OWNER_PASSWORD",
    "DB_APP_PASSWORD", "GITHUB_APP_WEBHOOK_SECRET",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone that holds .env.example only."""
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def setup(folder: Path, *options: str) -> str:
    """Runs it; its output."""
    command = [sys.executable, str(ROOT / "deploy" / "setup_env.py"), "--folder", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=90).stdout


def variables(folder: Path) -> dict[str, str]:
    """What .env assigns."""
    return {name: value.reveal() for name, value in dotenv.parse((folder / ".env").read_text()).items()}


def mode(path: Path) -> int:
    """Its permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


class TestRefusals:
    """What it does not touch."""

    def test_what_is_there_is_never_overwritten(self, folder: Path) -> None:
        """A second run changes no byte of .env, and neither does a run on a .env that somebody completed."""
        setup(folder)
        before = (folder / ".env").read_bytes()
        assert "left as it is" in setup(folder)
        assert (folder / ".env").read_bytes() == before

    def test_a_key_ring_gets_no_single_key(self, folder: Path) -> None:
        """With ENCRYPTION_KEYS an empty ENCRYPTION_KEY stays empty."""
        (folder / ".env").write_text("ENCRYPTION_KEY=\nENCRYPTION_KEYS=1:aa\nJWT_SECRET=\n")
        setup(folder)
        assert variables(folder)["ENCRYPTION_KEY"] == ""
        assert len(variables(folder)["JWT_SECRET"]) >= 32

    def test_a_certificate_of_the_operator_stays(self, folder: Path) -> None:
        """A fullchain.pem that we did not make is not replaced."""
        served = folder / "certs" / "caddy"
        served.mkdir(parents=True)
        (served / "fullchain.pem").write_text("theirs")
        assert "left as it is" in setup(folder)
        assert (served / "fullchain.pem").read_text() == "theirs"

    def test_no_secret_is_printed_unless_asked(self, folder: Path) -> None:
        """The output names what was made and tells to store the key; only --show-key prints it."""
        said = setup(folder)
        made = variables(folder)
        assert not [name for name in GENERATED if made[name] in said]
        assert "Store ENCRYPTION_KEY" in said
        assert setup(folder, "--show-key").strip() == made["ENCRYPTION_KEY"]


class TestEnvironment:
    """The file that it makes."""

    def test_a_fresh_file_is_private_and_has_strong_keys(self, folder: Path) -> None:
        """.env has mode 0600, a 64-hex key and different long secrets that need no quoting in an address."""
        setup(folder)
        made = variables(folder)
        assert mode(folder / ".env") == 0o600
        assert re.fullmatch(r"[0-9a-f]{64}", made["ENCRYPTION_KEY"])
        assert len({made[name] for name in GENERATED}) == len(GENERATED)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{40,}", made[name]) for name in GENERATED)

    def test_the_copy_of_the_example_is_filled_in_place(self, folder: Path) -> None:
        """After `cp .env.example .env` only the empty generated lines change, and what was typed stays."""
        example = (folder / ".env.example").read_text().replace("DOMAIN=keyway.local", "DOMAIN=example.com")
        (folder / ".env").write_text(example)
        setup(folder)
        changed = [
            new.partition("=")[0]
            for old, new in zip(example.splitlines(), (folder / ".env").read_text().splitlines(), strict=True)
            if old != new
        ]
        assert sorted(changed) == sorted(GENERATED)
        assert variables(folder)["DOMAIN"] == "example.com"


class TestCertificates:
    """What ./Caddyfile serves."""

    def test_they_cover_the_three_names_and_only_the_owner_gets_near_the_key(self, folder: Path) -> None:
        """The chain is signed by certs/ca.crt for all names; the folder above the key that caddy reads is closed."""
        setup(folder)
        leaf = x509.load_pem_x509_certificate((folder / "certs/caddy/fullchain.pem").read_bytes())
        authority = x509.load_pem_x509_certificate((folder / "certs/ca.crt").read_bytes())
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = names.get_values_for_type(x509.DNSName)
        assert covered == ["keyway.local", "api.keyway.local", "app.keyway.local"]
        assert mode(folder / "certs") == 0o700
        assert not list(folder.rglob("ca.key"))


class TestHosts:
    """The hosts file, a copy of one here."""

    @pytest.mark.parametrize(
        "start", ["127.0.0.1 localhost\n", "127.0.0.1 localhost", "", "# 127.0.0.1 keyway.local\n"]
    )
    def test_the_names_are_added_once(self, folder: Path, start: str) -> None:
        """The line is added after what is there, and a second run adds nothing."""
        file = folder / "hosts"
        file.write_text(start)
        setup(folder, "--hosts", "--hosts-file", str(file))
        setup(folder, "--hosts", "--hosts-file", str(file))
        lines = file.read_text().splitlines()
        assert lines == [*start.splitlines(), "127.0.0.1 keyway.local api.keyway.local app.keyway.local"]
        assert not (folder / ".env").exists()
