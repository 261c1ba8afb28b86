"""Certificates appear, are renewed in time, and leave no key behind that could sign another."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from keyway_certificates import LIFETIME, NAMES, ensure, needs_renewal

FILES = {"ca.crt"} | {f"{name}.{part}" for name in NAMES for part in ("crt", "key")}


def load(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())


def test_exactly_these_files_appear_and_keys_are_private(tmp_path: Path) -> None:
    """No key of the authority among them; keys are 0600."""
    assert ensure(tmp_path / "new" / "directory")
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "directory").iterdir()}
    assert found == {name: 0o600 if name.endswith(".key") else 0o644 for name in FILES}


def test_leaves_say_what_they_are_for(certificates: Path) -> None:
    """P-256, 90 days, signed by the authority; only the backend is a client."""
    authority = load(certificates, "ca")
    for name in NAMES:
        leaf = load(certificates, name)
        leaf.verify_directly_issued_by(authority)
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        client = ExtendedKeyUsageOID.CLIENT_AUTH in usages
        key = leaf.public_key()
        assert isinstance(key, EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        assert client == (name == "backend")
        assert abs(leaf.not_valid_after_utc - datetime.now(UTC) - LIFETIME) < timedelta(minutes=10)


def test_a_good_set_is_kept(tmp_path: Path) -> None:
    """Running it at every start changes nothing."""
    ensure(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert not ensure(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_renewal_is_due_when_a_third_is_left(certificates: Path) -> None:
    """Neither earlier nor later."""
    end = load(certificates, "crypto").not_valid_after_utc
    assert not needs_renewal(certificates, now=end - LIFETIME / 3 - timedelta(minutes=1))
    assert needs_renewal(certificates, now=end - LIFETIME / 3 + timedelta(minutes=1))


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["missing", "broken", "foreign"])
def test_a_damaged_set_is_made_anew_as_a_whole(name: str, damage: str, tmp_path: Path) -> None:
    """The authority's key is gone, so one bad file means all new ones."""
    ensure(tmp_path / "set")
    victim = tmp_path / "set" / name
    if damage == "missing":
        victim.unlink()
    elif damage == "broken":
        victim.write_bytes(victim.read_bytes()[:60])
    else:
        ensure(tmp_path / "other")
        victim.write_bytes((tmp_path / "other" / name).read_bytes())
    assert ensure(tmp_path / "set")
    assert not needs_renewal(tmp_path / "set")


def test_the_command_covers_a_name_that_was_asked_for(tmp_path: Path) -> None:
    """Another host name makes a new set; the same command again makes none."""
    command = [sys.executable, "-m", "keyway_crypto.certificates", "--out", str(tmp_path)]
    outputs = [
        subprocess.run([*command, *more], check=True, capture_output=True, text=True).stdout
        for more in ([], ["--name", "crypto=vault.internal,10.0.0.7"], ["--name", "crypto=vault.internal,10.0.0.7"])
    ]
    names = load(tmp_path, "crypto").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [text.split()[1] for text in outputs] == ["made", "made", "still"]
    assert names.get_values_for_type(x509.DNSName) == ["vault.internal"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]


@pytest.mark.parametrize("option", ["crypto", "crypto=", "../crypto=host"])
def test_a_malformed_name_is_refused(option: str, tmp_path: Path) -> None:
    """A name becomes a file name, so it cannot leave the directory."""
    command = [sys.executable, "-m", "keyway_crypto.certificates", "--out", str(tmp_path / "out"), "--name", option]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 2
    assert not (tmp_path / "out").exists()
