"""Who may call, and how much: mutual TLS 1.3, one accepted name, a budget of values per peer."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keyway_crypto.errors import BudgetError, CallerError
from keyway_crypto.settings import SettingsError, TlsPaths

ACCEPTED_NAME: Final = b"backend"

_NAME_PROPERTIES: Final = ("x509_common_name", "x509_subject_alternative_name")
_REMEMBERED_PEERS: Final = 1_024
_SECONDS_PER_MINUTE: Final = 60

_log = logging.getLogger(__name__)


def check_caller(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Raises CallerError unless the peer holds the certificate of the backend and speaks TLS 1.3."""
    identity = context.auth_context()
    names = [name for field in _NAME_PROPERTIES for name in identity.get(field, ())]
    if ACCEPTED_NAME not in names or list(identity.get("ssl_tls_version", ())) != [b"TLSv1.3"]:
        raise CallerError


class CallerAuth(grpc.aio.ServerInterceptor):
    """Stands before every method of the server, health included, so that none can be added without it."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The method behind the check. Streams are not offered: they would outlive it."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return grpc.unary_unary_rpc_method_handler(_not_offered)
        answer = handler.unary_unary

        async def checked(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                check_caller(context)
            except CallerError as error:
                _log.warning("caller refused", extra={"fields": {"peer": context.peer()}})
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
            return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(checked, handler.request_deserializer, handler.response_serializer)


async def _not_offered(_request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")


class Budget:
    """Values per minute and peer: a token bucket each, in memory, that starts full."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, peer: str, values: int) -> None:
        """Takes `values` from the peer's bucket. A full bucket admits a call of any size, once, and owes the rest.

        Raises BudgetError with the seconds to wait.
        """
        now, rate = time.monotonic(), self._capacity / _SECONDS_PER_MINUTE
        left, since = self._buckets.pop(peer, (self._capacity, now))
        left = min(self._capacity, left + (now - since) * rate)
        missing = min(values, self._capacity) - left
        self._buckets[peer] = (left if missing > 0 else left - values, now)
        if len(self._buckets) > _REMEMBERED_PEERS:
            self._buckets.popitem(last=False)
        if missing > 0:
            raise BudgetError(math.ceil(missing / rate))


class Identity:
    """The service's certificate, read again when its files change, so that a renewal needs no restart."""

    def __init__(self, paths: TlsPaths) -> None:
        """Raises SettingsError when the three files do not belong together."""
        self._files = (paths.authority, paths.certificate, paths.key)
        self._seen = self._stamp()
        try:
            self._current = self._load()
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"CRYPTO_TLS_*_PATH: no usable identity ({error})") from None

    def credentials(self) -> grpc.ServerCredentials:
        """Mutual TLS only: a client without a certificate of our authority does not get past the handshake."""
        return grpc.dynamic_ssl_server_credentials(self._current, self._renewed, require_client_authentication=True)

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called before every handshake: the new configuration, or None to go on with the one in use."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return None
            renewed = self._load()
        except (OSError, ValueError, TypeError) as error:
            _log.warning("certificate not renewed", extra={"fields": {"reason": type(error).__name__}})
            return None
        self._seen = stamp
        _log.info("certificate renewed")
        return renewed

    def _stamp(self) -> list[tuple[int, int]]:
        return [(status.st_mtime_ns, status.st_ino) for status in [path.stat() for path in self._files]]

    def _load(self) -> grpc.ServerCertificateConfiguration:
        """Raises OSError, ValueError or TypeError for files that are absent, broken, or of two generations."""
        authority, chain, key = (path.read_bytes() for path in self._files)
        leaf = x509.load_pem_x509_certificate(chain)
        if leaf.public_key() != load_pem_private_key(key, password=None).public_key():
            raise ValueError("certificate and key are not a pair")
        if leaf.issuer not in [issuer.subject for issuer in x509.load_pem_x509_certificates(authority)]:
            raise ValueError("the certificate is not from this authority")
        return grpc.ssl_server_certificate_configuration([(key, chain)], authority)
