"""A certificate authority for one moment: it signs the identities of crypto, backend and Postgres and is forgotten.

The authority's key is never written, so nobody can sign another client later. When a third of the lifetime is left the
whole set is made anew. `python -m keyway_crypto.certificates --out DIR [--name crypto=crypto,localhost,127.0.0.1]`
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=90)
CLIENT = "backend"
NAMES: Mapping[str, Sequence[str]] = {
    "crypto": ("crypto", "localhost", "127.0.0.1"),
    "backend": (CLIENT,),
    "postgres": ("postgres", "db", "localhost", "127.0.0.1"),
}

_AUTHORITY = "Keyway internal CA"
_CLOCK_SKEW = timedelta(minutes=5)
_CRITICAL = (x509.BasicConstraints, x509.KeyUsage)
_USAGES = (  # noqa: SIM905  # a list would be one name a line
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
    "encipher_only decipher_only"
).split()


class Authority:
    """Signs ECDSA P-256 certificates of 90 days. Lives in memory only."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        basics = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = self._sign(_AUTHORITY, self._key, basics, _usage("key_cert_sign", "crl_sign"))

    def issue(self, name: str, reachable_as: Sequence[str]) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        """A leaf named `name`, good for these DNS names and addresses. `backend` is a client, all others serve."""
        key = generate_private_key(SECP256R1())
        role = ExtendedKeyUsageOID.CLIENT_AUTH if name == CLIENT else ExtendedKeyUsageOID.SERVER_AUTH
        basics = x509.BasicConstraints(ca=False, path_length=None)
        names = x509.SubjectAlternativeName(_general_names(reachable_as))
        certificate = self._sign(name, key, basics, _usage("digital_signature"), x509.ExtendedKeyUsage([role]), names)
        return certificate, key

    def _sign(self, name: str, key: EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> x509.Certificate:
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, _AUTHORITY))
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - _CLOCK_SKEW).not_valid_after(now + LIFETIME)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (*extensions, own, signers):
            builder = builder.add_extension(extension, critical=isinstance(extension, _CRITICAL))
        return builder.sign(self._key, SHA256())


def ensure(directory: Path, names: Mapping[str, Sequence[str]] = NAMES) -> bool:
    """Makes `ca.crt` and `<name>.crt`, `<name>.key` (0600) of each name, unless a good set is there.

    Returns whether a new set was made. Raises OSError when the directory cannot be written.
    """
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
    try:
        authority = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
        return not all(_is_good(directory / name, names[name], authority, now or datetime.now(UTC)) for name in names)
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return True


def _is_good(stem: Path, reachable_as: Sequence[str], authority: x509.Certificate, now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(stem.with_suffix(".crt").read_bytes())
    certificate.verify_directly_issued_by(authority)
    key = load_pem_private_key(stem.with_suffix(".key").read_bytes(), password=None)
    covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fits = certificate.public_key() == key.public_key() and list(covered) == _general_names(reachable_as)
    return fits and certificate.not_valid_after_utc - now > LIFETIME / 3


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Readers see the old file or the new one, and a key is never readable by others, not even for a moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.chmod(mode)
    temporary.replace(path)


def _general_names(texts: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.IPAddress(ip_address(text)) if text[-1].isdigit() else x509.DNSName(text) for text in texts]


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in _USAGES})


def _name_option(text: str) -> tuple[str, list[str]]:
    name, _, reachable_as = text.partition("=")
    if not name.isidentifier() or not all(reachable_as.split(",")):
        raise argparse.ArgumentTypeError("expected NAME=HOST[,HOST…]")
    return name, reachable_as.split(",")


def main() -> int:
    """The command: idempotent, says whether it made anything."""
    parser = argparse.ArgumentParser(prog="keyway_crypto.certificates", description="make the internal certificates")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", type=_name_option, action="append", default=[], metavar="NAME=HOST[,HOST…]")
    options = parser.parse_args()
    names = {**NAMES, **dict(options.name)}
    made = ensure(options.out, names)
    sys.stdout.write(f"certificates: {'made' if made else 'still good'} ({', '.join(names)})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
