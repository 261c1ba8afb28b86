"""`python -m keyway_backend`: serve the public and the ops port. `… worker`: do background jobs, and serve the ops port
alone. `… openapi`: print the OpenAPI document.

Exit codes: 0 stopped, 69 something that it needs does not answer, 78 it must not run as it is configured.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import orjson
import psycopg
import uvloop
from psycopg_pool import PoolTimeout

from keyway_backend import VERSION, app, worker
from keyway_backend.db import demands
from keyway_backend.health import Health
from keyway_backend.instance import WrongInstanceError
from keyway_backend.ops import ops_app
from keyway_backend.platform import log, metrics, settings
from keyway_backend.platform.errors import Unavailable
from keyway_backend.platform.servers import AddressTakenError, Server, listening, server
from keyway_backend.platform.settings import Settings

EXIT_USAGE: Final = 64
EXIT_UNAVAILABLE: Final = 69
EXIT_CONFIGURATION: Final = 78
_DATABASE_SECONDS: Final = 10.0
_NOTICE_SECONDS: Final = 0.2

_log = log.logger("process")


class RefusedError(Exception):
    """The process must not serve. One line per reason."""

    def __init__(self, reasons: str, code: int = EXIT_CONFIGURATION) -> None:
        super().__init__(reasons)
        self.code = code


def main() -> None:
    """The command line."""
    match sys.argv[1:]:
        case []:
            _tell_refusals(partial(_run, _serve))
        case ["worker"]:
            _tell_refusals(partial(_run, _work))
        case ["openapi"]:
            sys.stdout.buffer.write(orjson.dumps(app.document(), option=orjson.OPT_INDENT_2) + b"\n")
        case _:
            sys.stderr.write("usage: python -m keyway_backend [worker | openapi]\n")
            raise SystemExit(EXIT_USAGE)


def _tell_refusals(work: Callable[[], None]) -> None:
    """Ends the process with a line per reason when it must not go on."""
    try:
        work()
    except RefusedError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"keyway-backend: {line}\n")
        raise SystemExit(error.code) from None


def _run(what: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    try:
        configured = settings.load()
        log.configure(configured.log_level)
        _migrate_aside(configured)
        uvloop.run(what(configured))
    except (settings.SettingsError, WrongInstanceError, AddressTakenError) as error:
        raise RefusedError(str(error)) from None
    except Unavailable as error:
        raise RefusedError(f"CRYPTO_SERVICE_URL: {error.detail}", EXIT_UNAVAILABLE) from None
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise RefusedError(f"DATABASE_URL: {_named(error)}", EXIT_UNAVAILABLE) from None


def _migrate_aside(configured: Settings) -> None:
    """In a process of its own, because what a migration loads is 20 MB that serving never needs."""
    child = get_context("fork").Process(target=_tell_refusals, args=(partial(_migrate, configured),))
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(child.exitcode)


def _migrate(configured: Settings) -> None:
    """Brings the schema up to date; waits for a database that is still starting."""
    from keyway_backend.db import migrate  # noqa: PLC0415 - see _migrate_aside

    owner, application = configured.migration_database_url, configured.database_url
    deadline = time.monotonic() + _DATABASE_SECONDS
    while True:
        try:
            migrate.migrate(
                owner.get_secret_value(),
                application.get_secret_value(),
                audit_days=configured.audit_retention_days,
            )
        except migrate.SchemaTooNew as error:
            raise RefusedError(f"MIGRATION_DATABASE_URL: {error}") from None
        except migrate.FAILURES as error:
            starting = isinstance(getattr(error, "orig", error), psycopg.OperationalError)
            if not starting or time.monotonic() > deadline:
                reason = f"MIGRATION_DATABASE_URL: the schema could not be brought up to date: {_named(error)}"
                raise RefusedError(reason, EXIT_UNAVAILABLE) from None
            time.sleep(0.5)
        else:
            return


def _named(error: Exception) -> str:
    """What went wrong, without the driver's sentence: that quotes addresses and statements."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None)
    return f"{type(cause).__name__}, SQLSTATE {state}" if state else f"{type(cause).__name__}: it does not answer"


async def _serve(configured: Settings) -> None:
    await _refuse_unmet(configured)
    async with AsyncExitStack() as opened:
        running = await opened.enter_async_context(app.services(configured))
        stops: list[Callable[[], None]] = []
        if configured.worker_in_process:
            stops.append((await opened.enter_async_context(worker.working(configured, running))).retire)
        public, described = app.application(running, configured)
        ops = ops_app(running.health, described.openapi)
        gc.freeze()  # what lives as long as the process is not looked through again, nor when it ends
        metrics.BUILD.labels(VERSION).set(1)
        with (
            listening(configured.host, configured.port, "PORT") as public_socket,
            listening(configured.ops_host, configured.ops_port, "OPS_PORT") as ops_socket,
        ):
            servers = server(public), server(ops)
            stopping = asyncio.create_task(_stop_when_told(running.health, servers, stops))
            if configured.session_cookie_domain:
                _log.warning("legacy_cookies", domain=configured.session_cookie_domain)
            _log.info("serving", port=public_socket.getsockname()[1], ops_port=ops_socket.getsockname()[1])
            await asyncio.gather(servers[0].serve([public_socket]), servers[1].serve([ops_socket]))
            stopping.cancel()
    _log.info("stopped")


async def _work(configured: Settings) -> None:
    await _refuse_unmet(configured)
    async with app.services(configured) as running, worker.working(configured, running) as jobs:
        metrics.BUILD.labels(VERSION).set(1)
        with listening(configured.ops_host, configured.ops_port, "OPS_PORT") as ops_socket:
            ops = server(ops_app(running.health, app.document))
            gc.freeze()
            stopping = asyncio.create_task(_stop_when_told(running.health, [ops], [jobs.retire]))
            _log.info("working", ops_port=ops_socket.getsockname()[1])
            await ops.serve([ops_socket])
            stopping.cancel()
    _log.info("stopped")


async def _refuse_unmet(configured: Settings) -> None:
    if unmet := await demands.unmet(configured.database_url.get_secret_value()):
        raise RefusedError("\n".join(unmet))


async def _stop_when_told(health: Health, servers: Sequence[Server], stops: Sequence[Callable[[], None]]) -> None:
    """On SIGTERM or SIGINT: not ready any more, then no new connections and no new jobs, then what was begun is ended:
    requests and jobs side by side, so that the end takes as long as the longer of them.
    """
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
    health.draining = True
    await asyncio.sleep(_NOTICE_SECONDS)
    for one in servers:
        one.should_exit = True
    for stop in stops:
        stop()


if __name__ == "__main__":
    main()
