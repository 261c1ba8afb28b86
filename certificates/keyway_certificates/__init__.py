"""A certificate authority for one moment: it signs the identities of crypto, backend and Postgres and is forgotten.

The authority's key is never written, so nobody can sign another client later. When a third of the lifetime is left the
whole set is made anew. `python -m keyway_crypto.certificates --out DIR [--name crypto=crypto,localhost,127.0.0.1]`"""

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from inspect import signature
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

LIFETIME = timedelta(days=90)
CLIENT = "backend"
LOCAL = ("localhost", "127.0.0.1")
NAMES = {"crypto": ("crypto", *LOCAL), CLIENT: (CLIENT,), "postgres": ("postgres", "db", *LOCAL)}
UNUSABLE = (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound)
_AUTHORITY = "Keyway internal CA"
_NO_USAGE = dict.fromkeys(signature(x509.KeyUsage).parameters, False)


class Authority:
    """Signs ECDSA P-256 certificates of 90 days. Lives in memory only."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        usage = x509.KeyUsage(**_NO_USAGE | {"key_cert_sign": True, "crl_sign": True})
        self.certificate = self._sign(_AUTHORITY, self._key, x509.BasicConstraints(ca=True, path_length=0), usage)

    def issue(self, name: str, reachable_as: Sequence[str]) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        """A leaf named `name`, good for these DNS names and addresses. `backend` is a client, all others serve."""
        key = generate_private_key(SECP256R1())
        basics = x509.BasicConstraints(ca=False, path_length=None)
        usage = x509.KeyUsage(**_NO_USAGE | {"digital_signature": True})
        role = ExtendedKeyUsageOID.CLIENT_AUTH if name == CLIENT else ExtendedKeyUsageOID.SERVER_AUTH
        return self._sign(name, key, basics, usage, x509.ExtendedKeyUsage([role]), _alternatives(reachable_as)), key

    def _sign(self, name: str, key: EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> x509.Certificate:
        subject, issuer = [x509.Name.from_rfc4514_string(f"CN={text}") for text in (name, _AUTHORITY)]
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + LIFETIME)  # clocks differ
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (*extensions, own, signers):
            builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints | x509.KeyUsage))
        return builder.sign(self._key, SHA256())


def ensure(directory: Path, names: Mapping[str, Sequence[str]] = NAMES) -> bool:
    """Makes `ca.crt` and `<name>.crt`, `<name>.key` (0600) of each name, unless a good set is there.
    Returns whether a new set was made. Raises OSError when the directory cannot be written."""
    if not needs_renewal(directory, names):
        return False
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    for name, reachable_as in names.items():
        certificate, key = authority.issue(name, reachable_as)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(directory / f"{name}.key", pem, mode=0o600)
        _write(directory / f"{name}.crt", certificate.public_bytes(Encoding.PEM), mode=0o644)
    _write(directory / "ca.crt", authority.certificate.public_bytes(Encoding.PEM), mode=0o644)
    return True


def needs_renewal(directory: Path, names: Mapping[str, Sequence[str]] = NAMES, *, now: datetime | None = None) -> bool:
    """Whether a file is missing or broken, a name is not covered, or at most a third of the lifetime is left."""
    due = (now or datetime.now(UTC)) + LIFETIME / 3
    try:
        for name, reachable_as in names.items():
            leaf = matched(*[(directory / file).read_bytes() for file in ("ca.crt", f"{name}.crt", f"{name}.key")])
            covered = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if covered != _alternatives(reachable_as) or leaf.not_valid_after_utc <= due:
                return True
    except UNUSABLE:
        return True
    return False


def matched(authority: bytes, chain: bytes, key: bytes) -> x509.Certificate:
    """The certificate, of three PEM files that belong together. Raises one of UNUSABLE when they do not."""
    leaf = x509.load_pem_x509_certificate(chain)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    if leaf.public_key() != load_pem_private_key(key, password=None).public_key():
        raise ValueError("certificate and key are not a pair")
    return leaf


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Readers see the old file or the new one, and a key is never readable by others, not even for a moment."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(0o600, exist_ok=False)
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.replace(path)


def _alternatives(texts: Sequence[str]) -> x509.SubjectAlternativeName:
    names = [x509.IPAddress(ip_address(text)) if text[-1].isdigit() else x509.DNSName(text) for text in texts]
    return x509.SubjectAlternativeName(names)


def _name_option(text: str) -> tuple[str, list[str]]:
    name, _, reachable_as = text.partition("=")
    if not name.isidentifier() or not all(reachable_as.split(",")):
        raise argparse.ArgumentTypeError("expected NAME=HOST[,HOST…]")
    return name, reachable_as.split(",")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="keyway_crypto.certificates", description="make the internal certificates")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", type=_name_option, action="append", default=[], metavar="NAME=HOST[,HOST…]")
    options = parser.parse_args()
    wanted = {**NAMES, **dict(options.name)}
    made = "made" if ensure(options.out, wanted) else "still good"
    print(f"certificates: {made} ({', '.join(wanted)})")
