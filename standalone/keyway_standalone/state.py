"""The state folder: every key, certificate and password of one installation, made at first start and kept."""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TextIO

import psutil
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .accounts import Account, account_of, write_private
from .interpreter import base_environment
from .ports import free_ports
from .postgres import Passwords
from .process import ProcessError, kill_all

# Demo numbers start where no real person, App or repository is (design.md 2).
APP_ID: Final = 2**40 + 1
# Six words of it are 37 bits, for a page on loopback that pauses after a few wrong tries.
_WORDS: Final = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()


@dataclass(frozen=True)
class Instance:
    """What one installation must remember. `app_private_key` is PEM; `passphrase` opens the approval page."""

    seed: int
    superuser_password: str
    owner_password: str
    app_password: str
    jwt_secret: str
    client_id: str
    client_secret: str
    webhook_secret: str
    app_private_key: str
    passphrase: str
    ports: dict[str, int]

    @property
    def passwords(self) -> Passwords:
        """Those of the database."""
        return Passwords(self.superuser_password, self.owner_password, self.app_password)

    def derived(self, purpose: str) -> str:
        """One more secret of this installation, the same at every start."""
        return hmac.digest(self.jwt_secret.encode(), purpose.encode(), "sha256").hex()

    @property
    def app_public_key(self) -> str:
        """What the stand-in checks App JWTs with, PEM."""
        key = _private_key(self.app_private_key).public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def app_private_key_base64(self) -> str:
        """The form that fits into one line of an environment."""
        return base64.b64encode(self.app_private_key.encode()).decode()


class StateFolder:
    """A folder of one installation. Made with mode 0700, or 0711 when started by root, so that each process reaches
    the part that is its own and no other."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        mode = 0o711 if os.geteuid() == 0 else 0o700
        self.path.mkdir(mode=mode, parents=True, exist_ok=True)
        self.path.chmod(mode)
        if not account_of("postgres").can_enter(self.path / "postgres"):
            raise ProcessError(
                f"the users that Keyway's processes run as cannot reach {self.path}: choose another folder with --state"
            )
        self.certificates = self.path / "certificates"
        self.logs = Account(None).private_folder(self.path / "logs")
        self.crypto = account_of("crypto").private_folder(self.path / "crypto")
        self.github = account_of("github").private_folder(self.path / "github")
        self.postgres = self.path / "postgres"
        self.encryption_key = self.crypto / "encryption.key"
        self._running = self.path / "running.json"
        self._lock: TextIO | None = None

    def lock(self) -> None:
        """Insists on being the only Keyway of this folder. Raises ProcessError."""
        if self._lock is not None:
            return
        handle = (self.path / "lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise ProcessError(f"another Keyway is running in {self.path}: stop it, or choose --state") from None
        self._lock = handle

    def unlock(self) -> None:
        """Lets another Keyway have the folder. Nothing runs any more."""
        if self._lock is not None:
            self._running.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def remember(self, name: str, pid: int) -> None:
        """Notes a process that was started, for a next start after a supervisor that was killed."""
        noted = json.loads(self._running.read_text()) if self._running.exists() else {}
        noted[name] = [pid, psutil.Process(pid).create_time()]
        write_private(self._running, json.dumps(noted), Account(None))

    def end_leftovers(self) -> None:
        """Ends what a killed supervisor left running. A number that belongs to another process by now is left alone."""
        noted = json.loads(self._running.read_text()) if self._running.exists() else {}
        for pid, born in noted.values():
            with suppress(psutil.NoSuchProcess):
                head = psutil.Process(pid)
                if head.create_time() == born:
                    kill_all([head, *head.children(recursive=True)])
        self._running.unlink(missing_ok=True)

    def instance(self, seed: int) -> Instance:
        """What this installation remembers; at first start everything is made up."""
        file = self.path / "instance.json"
        if file.exists():
            return Instance(**json.loads(file.read_text()))
        made = _new_instance(seed, free_ports())
        write_private(file, json.dumps(asdict(made), indent=1), Account(None))
        return made

    def ensure_encryption_key(self) -> bool:
        """Makes the key that seals everything, readable by crypto only. True when it was made just now."""
        if self.encryption_key.exists():
            return False
        write_private(self.encryption_key, secrets.token_hex(32) + "\n", account_of("crypto"))
        return True

    def ensure_certificates(self) -> None:
        """Makes or renews the CA and the leaves; each key is then readable by its own process only."""
        self.certificates.mkdir(mode=0o755, exist_ok=True)
        names = ["--name", "crypto=crypto,localhost,127.0.0.1"]
        done = subprocess.run(
            [sys.executable, "-m", "keyway_crypto.certificates", "--out", str(self.certificates), *names],
            env=base_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ProcessError(f"no certificates:\n{done.stderr}")
        self.certificates.chmod(0o755)
        for name in ("crypto", "backend", "postgres"):
            account_of(name).own(self.certificates / f"{name}.key")
        for certificate in self.certificates.glob("*.crt"):
            certificate.chmod(0o644)


def _new_instance(seed: int, ports: dict[str, int]) -> Instance:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    fresh = Passwords.new()
    return Instance(
        seed=seed,
        superuser_password=fresh.superuser,
        owner_password=fresh.owner,
        app_password=fresh.app,
        jwt_secret=secrets.token_urlsafe(48),
        client_id=f"Iv23{secrets.token_hex(8)}",
        client_secret=secrets.token_hex(20),
        webhook_secret=secrets.token_hex(32),
        app_private_key=pem,
        passphrase="-".join(secrets.choice(_WORDS) for _ in range(6)),
        ports=ports,
    )


def _private_key(pem: str) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the App key is not RSA")
    return key
