"""Who may call, and how much: mutual TLS 1.3, one accepted name, a budget of values per peer."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from keyway_crypto.errors import BudgetError
from keyway_crypto.settings import SettingsError

ACCEPTED_NAME = b"backend"

_REMEMBERED_PEERS = 1_024
_UNUSABLE = (OSError, ValueError, TypeError, InvalidSignature)
_log = logging.getLogger(__name__)


class CallerAuth(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # not generic at run time
    """Stands before every method of the server, health included, so that none can be added without it."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """The method behind the check. Streams are not offered: they would outlive it."""
        handler = await continuation(handler_call_details)

        async def checked(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            if not _is_backend(context):
                _log.warning("caller refused", extra={"fields": {"peer": context.peer()}})
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this certificate is not accepted here")
            if handler is None or handler.unary_unary is None:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
            return await handler.unary_unary(request, context)

        codec = (handler.request_deserializer, handler.response_serializer) if handler else ()
        return grpc.unary_unary_rpc_method_handler(checked, *codec)


def _is_backend(context: grpc.aio.ServicerContext[Any, Any]) -> bool:
    """The handshake has checked who signed the certificate; this is for whom, and over which TLS."""
    peer = context.auth_context()
    names = [*peer.get("x509_common_name", ()), *peer.get("x509_subject_alternative_name", ())]
    return ACCEPTED_NAME in names and list(peer.get("ssl_tls_version", ())) == [b"TLSv1.3"]


class Budget:
    """Values per minute and peer: a token bucket each, in memory, that starts full."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._rate = self._capacity / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, peer: str, values: int) -> None:
        """Takes `values` from the peer's bucket. A full one admits a call of any size, and owes the rest.

        Raises BudgetError with the seconds to wait.
        """
        now = time.monotonic()
        left, since = self._buckets.pop(peer, (self._capacity, now))
        left = min(self._capacity, left + (now - since) * self._rate)
        missing = min(values, self._capacity) - left
        self._buckets[peer] = (left if missing > 0 else left - values, now)
        if len(self._buckets) > _REMEMBERED_PEERS:
            self._buckets.popitem(last=False)
        if missing > 0:
            raise BudgetError(math.ceil(missing / self._rate))


class Identity:
    """The service's certificate, read again when its files change, so that a renewal needs no restart."""

    def __init__(self, files: tuple[Path, Path, Path]) -> None:
        """`files`: authority, certificate, key. Raises SettingsError when they do not belong together."""
        self._files = files
        try:
            self._stamp, self._first = self._stamped(), self._load()
        except _UNUSABLE as error:
            raise SettingsError(f"CRYPTO_TLS_*_PATH: no usable certificate ({type(error).__name__})") from None

    def credentials(self) -> grpc.ServerCredentials:
        """Mutual TLS only: a client without a certificate of our authority does not get past the handshake."""
        return grpc.dynamic_ssl_server_credentials(self._first, self._renewed, require_client_authentication=True)

    def _renewed(self) -> Any:
        """Asked before every handshake: a new configuration, or None to go on. Half renewed files are not taken."""
        try:
            if (stamp := self._stamped()) == self._stamp:
                return None
            renewed, self._stamp = self._load(), stamp
        except _UNUSABLE as error:
            _log.warning("certificate not renewed", extra={"fields": {"error": type(error).__name__}})
            return None
        _log.info("certificate renewed")
        return renewed

    def _stamped(self) -> list[tuple[int, int]]:
        return [(status.st_mtime_ns, status.st_ino) for status in [path.stat() for path in self._files]]

    def _load(self) -> grpc.ServerCertificateConfiguration:
        """Raises one of `_UNUSABLE` for files that are absent, broken, or of two generations."""
        authority, chain, key = [path.read_bytes() for path in self._files]
        leaf = load_pem_x509_certificate(chain)
        if leaf.public_key() != load_pem_private_key(key, password=None).public_key():
            raise ValueError("certificate and key are not a pair")
        leaf.verify_directly_issued_by(load_pem_x509_certificate(authority))
        return grpc.ssl_server_certificate_configuration([(key, chain)], authority)
