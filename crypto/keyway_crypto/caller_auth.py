"""Who may call, and how much: mutual TLS 1.3, one accepted name, a budget of values per peer."""

import logging
import math
import time
from pathlib import Path
from typing import Any

import grpc
from keyway_certificates import CLIENT, UNUSABLE, matched

from keyway_crypto.errors import BudgetError
from keyway_crypto.settings import SettingsError

_REMEMBERED_PEERS = 1_024
_log = logging.getLogger(__name__)


class CallerAuth(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # not generic at run time
    """Stands before every method of the server, health included, so that none can be added without it."""

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The method behind the check. Streams are not offered: they would outlive it."""
        handler = await continuation(handler_call_details)

        async def checked(request: Any, context: Any) -> Any:
            # The handshake has checked who signed the certificate; this is for whom, and over which TLS.
            peer = context.auth_context()
            names = [*peer.get("x509_common_name", ()), *peer.get("x509_subject_alternative_name", ())]
            if CLIENT.encode() not in names or list(peer.get("ssl_tls_version", ())) != [b"TLSv1.3"]:
                _log.warning("caller refused", extra={"fields": {"peer": context.peer()}})
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this certificate is not accepted here")
            if handler is None or handler.unary_unary is None:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
            return await handler.unary_unary(request, context)

        codec = (handler.request_deserializer, handler.response_serializer) if handler else ()
        return grpc.unary_unary_rpc_method_handler(checked, *codec)


class Budget:
    """Values per minute and peer: a token bucket each, in memory, that starts full."""

    def __init__(self, per_minute: int) -> None:
        self._capacity, self._rate = float(per_minute), per_minute / 60
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, peer: str, values: int) -> None:
        """Takes `values` from the peer's bucket. A full one admits a call of any size, and owes the rest.
        Raises BudgetError with the seconds to wait."""
        now = time.monotonic()
        left, since = self._buckets.pop(peer, (self._capacity, now))
        left = min(self._capacity, left + (now - since) * self._rate)
        missing = min(values, self._capacity) - left
        self._buckets[peer] = (left if missing > 0 else left - values, now)
        if len(self._buckets) > _REMEMBERED_PEERS:
            del self._buckets[next(iter(self._buckets))]
        if missing > 0:
            raise BudgetError(math.ceil(missing / self._rate))


def server_credentials(files: tuple[Path, Path, Path]) -> grpc.ServerCredentials:
    """Mutual TLS only, with `files`: authority, certificate, key. Who has no certificate of the authority is refused.
    The files are read again before every handshake, so a renewal needs no restart; half renewed ones are not taken.
    Raises SettingsError when they do not belong together at the start."""
    try:
        current, first = _load(files)
    except UNUSABLE as error:
        raise SettingsError(f"CRYPTO_TLS_*_PATH: no usable certificate ({type(error).__name__})") from None

    def renewed() -> Any:
        nonlocal current
        try:
            found, configuration = _load(files)
        except UNUSABLE as error:
            _log.warning("certificate not renewed", extra={"fields": {"error": type(error).__name__}})
            return None
        if found == current:
            return None
        current = found
        _log.info("certificate renewed")
        return configuration

    return grpc.dynamic_ssl_server_credentials(first, renewed, require_client_authentication=True)


def _load(files: tuple[Path, Path, Path]) -> tuple[list[bytes], grpc.ServerCertificateConfiguration]:
    authority, chain, key = pems = [path.read_bytes() for path in files]
    matched(authority, chain, key)
    return pems, grpc.ssl_server_certificate_configuration([(key, chain)], authority)
