"""HTTP by the standard library (docs/adr/0004-cli-http.md): nothing is followed or guessed."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from keyway_cli.errors import Misconfigured, Unavailable
from keyway_cli.files import reason
from keyway_cli.origin import Origin

if TYPE_CHECKING:
    import ssl

TIMEOUT_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0  # the system asks three times until then
SLOW_SECONDS: Final = 3.0
ANSWER_BYTES: Final = 64 * 1024 * 1024
_PAUSES: Final = (0.1, 0.5, 1.0)
_BROKEN: Final = (ConnectionError, http.client.IncompleteRead, http.client.BadStatusLine)


class Reply(NamedTuple):
    """What a server answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoConnection(TimeoutError):
    """Nobody was there to take the connection."""


class Proxy(NamedTuple):
    """A plain HTTP proxy that is asked to CONNECT, with the headers that it wants."""

    host: str
    port: int
    headers: dict[str, str]


class Transport:
    """Requests to one origin. Never follows a redirect, so that no credential reaches another server.

    `on_slow` is told, once, that an answer is waited for.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        ca_file: str = "",
        timeout: float = TIMEOUT_SECONDS,
        on_slow: Callable[[str], None] | None = None,
    ) -> None:
        self._origin = origin
        self._ca_file = ca_file
        self._timeout = timeout
        self._on_slow = on_slow

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, repeatable: bool) -> Reply:
        """One answer. A request that may safely arrive twice is repeated when its connection breaks.

        Raises Unavailable when nobody answers, and Misconfigured when the server's certificate is not trusted.
        """
        pauses = iter(_PAUSES if repeatable else ())
        while True:
            try:
                with self._patience():
                    return self._exchange(method, path, headers, body)
            except ConnectionRefusedError as error:
                raise self._unreachable(error) from None
            except _BROKEN as error:
                if (pause := next(pauses, None)) is None:
                    raise self._unreachable(error) from None
                time.sleep(pause)
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                raise self._unreachable(error) from None

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        connection = self._connection()
        try:
            self._open(connection)
            connection.request(method, self._origin.prefix + path, body or None, dict(headers))
            answer = connection.getresponse()
            content = answer.read(ANSWER_BYTES + 1)
            missing = answer.length
        finally:
            connection.close()
        if len(content) > ANSWER_BYTES:
            raise Unavailable(f"{self._origin.name} answers more than {ANSWER_BYTES} bytes")
        # read(n) gives a body that was cut off as if it were whole.
        if missing:
            raise http.client.IncompleteRead(content, missing)
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def _open(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except TimeoutError:
            raise NoConnection from None
        connection.sock.settimeout(self._timeout)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Tells somebody who waits that it is the server that is waited for."""
        if self._on_slow is None:
            yield
            return
        from threading import Timer

        timer = Timer(SLOW_SECONDS, self._tell_slow)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _tell_slow(self) -> None:
        told, self._on_slow = self._on_slow, None
        if told:
            told(f"waiting for {self._origin.name}, for {self._timeout:g} seconds at most ...")

    def _connection(self) -> http.client.HTTPConnection:
        scheme, host, port, _ = self._origin
        seconds = min(CONNECT_SECONDS, self._timeout)
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=seconds)
        context = trusting(self._ca_file)
        if (proxy := _proxy_for(host)) is None:
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=seconds, context=context)
        connection.set_tunnel(host, port, headers=proxy.headers)
        return connection

    def _unreachable(self, error: Exception) -> Misconfigured | Unavailable:
        if type(error).__name__ == "SSLCertVerificationError":
            why = getattr(error, "verify_message", "") or "it cannot be verified"
            return Misconfigured(
                f"the certificate of {self._origin.name} is not trusted: {why}",
                "for a certificate authority of your own set KEYWAY_CA_FILE to its certificate (PEM)",
            )
        return Unavailable(
            f"cannot reach {self._origin.name}: {self._why(error)}", "the server or the network is down; try again"
        )

    def _why(self, error: Exception) -> str:
        if isinstance(error, NoConnection):
            return f"nobody took the connection within {min(CONNECT_SECONDS, self._timeout):g} seconds"
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout:g} seconds"
        if isinstance(error, socket.gaierror | UnicodeError):
            return "its name is not known"
        if isinstance(error, OSError):
            return reason(error)
        return "the answer is not complete HTTP"


def trusting(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts the system's authorities (or SSL_CERT_FILE) and, besides, the one in a file."""
    import ssl

    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise Misconfigured(f"KEYWAY_CA_FILE cannot be read: {reason(error)}") from None
    return context


def _proxy_for(host: str) -> Proxy | None:
    """The proxy that HTTPS_PROXY and NO_PROXY mean for a host."""
    if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    address = proxies.get("https") or proxies.get("all", "")
    if not address or proxy_bypass(host):
        return None
    return _parse_proxy(address)


def _parse_proxy(address: str) -> Proxy:
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port or 8080
    except ValueError:
        host, port = None, 0
    if not host:
        raise Misconfigured("HTTPS_PROXY is not an address", "write it like http://proxy.example.com:3128")
    if parts.username is None:
        return Proxy(host, port, {})
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()})
