"""`python -m keyway_crypto`: serves until SIGTERM or SIGINT. Configuration comes from variables, see `settings`."""

import asyncio
import ctypes
import json
import logging
import os
import resource
import signal
import sys
import time

# Set before grpc is loaded. TLS 1.3 has its own cipher list; for 1.2 only one that needs a pre-shared key is left, and
# there is none, so no handshake below 1.3 can succeed. The library's own log lines are not ours: off.
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-CHACHA20-POLY1305"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from keyway_core.limits import GRPC_MESSAGE_BYTES

from keyway_crypto import VERSION
from keyway_crypto.caller_auth import Budget, CallerAuth, server_credentials
from keyway_crypto.servicer import SERVICE, CryptoServicer
from keyway_crypto.settings import Settings, SettingsError, read

_PR_SET_DUMPABLE = 4
_DRAIN_SECONDS, _CALLS_AT_ONCE = 10, 256
_SIZES = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
_OPTIONS = [("grpc.so_reuseport", 0), *[(name, GRPC_MESSAGE_BYTES) for name in _SIZES]]
_log = logging.getLogger("keyway_crypto")


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how bad, what, and `fields`. Only named ones get in: no argument of a call can."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line = {"time": moment, "level": record.levelname.lower(), "service": "crypto", "event": record.getMessage()}
        return json.dumps(line | getattr(record, "fields", {}))


def harden() -> None:
    """No core file, and no other process of this user may read memory or environment. Raises OSError if refused."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


async def serve(settings: Settings) -> None:
    """Runs until a signal asks it to stop: health says so first, then calls in flight get 10 seconds."""
    server = grpc.aio.server(interceptors=[CallerAuth()], options=_OPTIONS, maximum_concurrent_rpcs=_CALLS_AT_ONCE)
    checks = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    server.add_generic_rpc_handlers((CryptoServicer(settings.ring, Budget(settings.values_per_minute)).handler(),))
    try:
        port = server.add_secure_port(settings.address, server_credentials(settings.tls))
    except RuntimeError:
        raise SettingsError("GRPC_HOST, GRPC_PORT: this address cannot be listened on") from None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await checks.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    fields = {"version": VERSION, "port": port, "keys": settings.ring.fingerprints(), "active": settings.ring.active}
    _log.info("serving", extra={"fields": fields})
    await stop.wait()
    await checks.enter_graceful_shutdown()
    await server.stop(_DRAIN_SECONDS)
    _log.info("stopped")


def main() -> int:
    """The process: 0 after a stop, 78 with one line on stderr for a configuration that cannot be served with."""
    harden()
    try:
        settings = read(os.environ)
        logging.basicConfig()
        logging.root.handlers[0].setFormatter(JsonLines())
        _log.setLevel(settings.log_level)
        asyncio.run(serve(settings))
    except SettingsError as error:
        sys.stderr.write(f"keyway-crypto: {error}\n")
        return os.EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
