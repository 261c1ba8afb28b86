"""A configuration that is good, as far as one can see without connecting."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from keyway_standalone.ports import free_ports


def variables(folder: Path) -> dict[str, str]:
    """Every variable that is needed. Nothing listens at its addresses; the certificates in `folder` are empty files."""
    for name in ("ca.crt", "backend.crt", "backend.key"):
        (folder / name).write_text("")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    ports = free_ports()
    return {
        "DATABASE_URL": f"postgresql://app:{secrets.token_hex(8)}@127.0.0.1:{ports['postgres']}/keyway",
        "CRYPTO_SERVICE_URL": f"127.0.0.1:{ports['crypto']}",
        "CRYPTO_TLS_CA_PATH": str(folder / "ca.crt"),
        "CRYPTO_TLS_CERT_PATH": str(folder / "backend.crt"),
        "CRYPTO_TLS_KEY_PATH": str(folder / "backend.key"),
        "JWT_SECRET": secrets.token_urlsafe(32),
        "GITHUB_APP_ID": "1",
        "GITHUB_APP_CLIENT_ID": "Iv1.x",
        "GITHUB_APP_CLIENT_SECRET": secrets.token_hex(20),
        "GITHUB_APP_PRIVATE_KEY": base64.b64encode(pem).decode(),
        "PORT": str(ports["backend"]),
        "OPS_PORT": str(ports["ops"]),
    }
