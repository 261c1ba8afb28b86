"""The issuer's keys: what counts as one, and what its silence means (policy.yaml `oidc.verify.keys`)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from keyway_backend.clients.oidc import IssuerKeys, IssuerUnknown

GOOD: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
SMALL: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505 - to be refused


class Issuer:
    """A server that answers as it is told to, and counts."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, b"{}", 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            """Answers GET."""

            def do_GET(self) -> None:
                """One answer."""
                issuer.asked += 1
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(issuer.body)))
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def publish(self, *keys: dict[str, Any]) -> None:
        """From now on these keys."""
        self.status, self.body = 200, json.dumps({"keys": keys}).encode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """A server of the test's own."""
    running = Issuer()
    yield running
    running.server.shutdown()
    running.server.server_close()
    running.thread.join()


def listed(kid: str, key: rsa.RSAPublicKey = GOOD, **more: Any) -> dict[str, Any]:
    """A key as a JWKS lists it."""
    return json.loads(RSAAlgorithm.to_jwk(key)) | {"kid": kid, "use": "sig"} | more


def ask(url: str, *kids: str) -> list[Any]:
    """Keys of one client, by name, one after the other."""

    async def run() -> list[Any]:
        keys = IssuerKeys(url)
        try:
            return [await keys.key(kid) for kid in kids]
        finally:
            await keys.close()

    return asyncio.run(run())


class TestRefused:
    """What is no key, and what is no answer."""

    @pytest.mark.parametrize(
        ("status", "body"),
        [(500, b"{}"), (404, b"{}"), (302, b""), (200, b""), (200, b"{}"), (200, b'{"keys": 7}'), (200, b"[]"),
         (200, b'{"keys": [{"kty": "RSA", "kid": "a", "use": "sig"}]}'), (200, b" " * 300_000)],
    )  # fmt: skip
    def test_no_answer(self, issuer: Issuer, status: int, body: bytes) -> None:
        """Whatever is no list of keys is silence, and a redirect is not followed."""
        issuer.status, issuer.body = status, body
        with pytest.raises(IssuerUnknown):
            ask(issuer.url, "a")

    def test_nobody_there(self) -> None:
        """A refused connection."""
        with pytest.raises(IssuerUnknown):
            ask("http://127.0.0.1:1", "a")

    def test_keys_that_do_not_count(self, issuer: Issuer) -> None:
        """Too small, for encryption, of another kind, without a name."""
        issuer.publish(listed("small", SMALL), listed("enc", use="enc"), {"kty": "oct", "kid": "oct", "k": "AAAA"})
        assert ask(issuer.url, "small", "enc", "oct") == [None, None, None]

    def test_unknown_names_do_not_make_us_ask_at_will(self, issuer: Issuer) -> None:
        """Once for all of them."""
        issuer.publish(listed("a"))
        assert ask(issuer.url, *[f"x{number}" for number in range(20)]) == [None] * 20
        assert issuer.asked == 1


class TestAccepted:
    """A key by its name."""

    def test_asked_once(self, issuer: Issuer) -> None:
        """And then remembered."""
        issuer.publish(listed("a"), listed("b"))
        found = ask(issuer.url, "a", "b", "a")
        assert [key.key_size for key in found] == [2048, 2048, 2048]
        assert issuer.asked == 1
