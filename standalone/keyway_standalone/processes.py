"""Every process of an installation, started in order of need. Tests, the bench, `up` and `demo` share `Stack`."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .accounts import PROCESSES, account_of
from .control import Control
from .github_standin.world import World
from .interpreter import module_command
from .ports import port_is_free
from .postgres import APP, OWNER, Postgres
from .process import Command, Process, ProcessError
from .state import APP_ID, StateFolder

Overlay = Mapping[str, str | None]
# Who must serve before whom. Those of one row start together; the one that makes its files first is the last.
_ORDER: Final = (("github", "crypto", "postgres"), ("backend",), ("dashboard",))
_APP_NAME: Final = "keyway-standalone"


class Stack:
    """PostgreSQL, the GitHub stand-in, crypto and backend as processes of their own, talking over loopback TCP.

    `only` starts a part (names of `accounts.PROCESSES`); `ports` are those of `state.PORTS`, without it free ones that
    the folder remembers; `backend_env`, `crypto_env` and `dashboard_env` are laid over the variables of
    these processes (None takes one away); `postgres_options` are server settings such as {"fsync": "off"};
    `real_github` are the variables of a real GitHub App, with which the stand-in is not started. Each process is an
    attribute (`stack.crypto.kill()`), see `process.Process`.
    """

    def __init__(  # noqa: PLR0913 - the knobs of a test, each with its default
        self,
        state: Path,
        *,
        seed: int = 1,
        test_controls: bool = True,
        backend_env: Overlay | None = None,
        crypto_env: Overlay | None = None,
        dashboard_env: Overlay | None = None,
        postgres_options: Mapping[str, str] | None = None,
        with_dashboard: bool = False,
        only: set[str] | None = None,
        ports: Mapping[str, int] | None = None,
        real_github: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = StateFolder(state)
        self.instance = self.folder.instance(seed)
        self.ports = dict(ports or self.instance.ports)
        self.new_key = False
        self.real_github = dict(real_github or {})
        self._control_token = secrets.token_hex(24) if test_controls else None
        self._wanted = self._names(only, with_dashboard=with_dashboard)
        self.postgres = Postgres(
            self.folder.postgres,
            self.ports["postgres"],
            self.log_dir / "postgres.log",
            self.instance.passwords,
            account_of("postgres"),
            postgres_options or {},
        )
        self.github = self._process("github", self._github_command, self._http_ready("github", "/_ready"))
        self.crypto = self._process("crypto", self._crypto_command, self._crypto_ready)
        self.backend = self._process("backend", self._backend_command, self._http_ready("ops", "/readyz"))
        self.dashboard = self._process("dashboard", self._dashboard_command, self._http_ready("dashboard", "/"))
        self.crypto.environment.update(crypto_env or {})
        self.backend.environment.update(backend_env or {})
        self.dashboard.environment.update(dashboard_env or {})

    def _names(self, only: set[str] | None, *, with_dashboard: bool) -> tuple[str, ...]:
        unwanted = set() if with_dashboard else {"dashboard"}
        if self.real_github:
            unwanted.add("github")
        return tuple(name for name in PROCESSES if (name in only if only is not None else name not in unwanted))

    # addresses ---------------------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """The backend's public port."""
        return self._url("backend")

    @property
    def ops_url(self) -> str:
        """The backend's ops port: /livez, /readyz, /metrics, /openapi.json."""
        return self._url("ops")

    @property
    def dashboard_url(self) -> str:
        """The dashboard."""
        return self._url("dashboard")

    @property
    def github_url(self) -> str:
        """The stand-in, pages and API alike; its API is under /api/v3 too."""
        return self.real_github.get("GITHUB_URL", "https://github.com") if self.real_github else self._url("github")

    @property
    def crypto_address(self) -> str:
        """host:port of the crypto service."""
        return f"127.0.0.1:{self.ports['crypto']}"

    @property
    def owner_database_url(self) -> str:
        """The role that owns the schema; it may read `pg_stat_statements` and reset it."""
        return self.postgres.url(OWNER)

    @property
    def app_database_url(self) -> str:
        """The role that the backend works with."""
        return self.postgres.url(APP)

    @property
    def superuser_database_url(self) -> str:
        """The database's own administrator, for tests that play the best database writer."""
        return self.postgres.url()

    @property
    def certificates_dir(self) -> Path:
        """ca.crt, and .crt and .key of crypto, backend and postgres."""
        return self.folder.certificates

    @property
    def log_dir(self) -> Path:
        """One file per process."""
        return self.folder.logs

    @property
    def passphrase(self) -> str:
        """What the stand-in's approval page asks for."""
        return self.instance.passphrase

    @property
    def control(self) -> Control:
        """The stand-in's control endpoints; they exist under test only."""
        if self._control_token is None:
            raise ProcessError("the stand-in was started without test controls")
        return Control(self._url("github"), self._control_token)

    def world(self) -> World:
        """The stand-in's world as it last kept it."""
        return World.load(self.folder.github / "world.json")

    def _url(self, server: str) -> str:
        return f"http://127.0.0.1:{self.ports[server]}"

    # life --------------------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> list[Process]:
        """The processes of this stack, in the order in which they start."""
        return [process for row in _ORDER for process in self._row(row)]

    def start(self, progress: Callable[[str, str], None] = lambda _name, _state: None) -> None:
        """Makes what is missing in the state folder and starts everything; on any failure everything is stopped again.

        `progress` hears (process, "starting" | "ready"). Raises ProcessError.
        """
        self.folder.lock()
        try:
            self.folder.end_leftovers()
            self._refuse_taken_ports()
            self.prepare()
            for row in _ORDER:
                for process in self._row(row):
                    progress(process.name, "starting")
                    process.launch()
                    self.folder.remember(process.name, process.pid)
                for process in self._row(row):
                    process.wait_ready()
                    progress(process.name, "ready")
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Keys and certificates, before anything starts."""
        self.new_key = self.folder.ensure_encryption_key()
        if {"crypto", "backend"} & set(self._wanted):
            self.folder.ensure_certificates()

    def stop(self) -> None:
        """Stops everything, last started first."""
        for process in reversed(self.wanted):
            process.stop()
        self.folder.unlock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _row(self, names: tuple[str, ...]) -> list[Process]:
        return [getattr(self, name) for name in names if name in self._wanted]

    def _refuse_taken_ports(self) -> None:
        for server, port in self.ports.items():
            if ("backend" if server == "ops" else server) in self._wanted and not port_is_free(port):
                raise ProcessError(
                    f"port {port} ({server}) is taken by another program; choose another one: --port {server}=N"
                )

    # commands ----------------------------------------------------------------------------------------------------

    def _process(self, name: str, command: Callable[[], Command], ready: Callable[[], bool]) -> Process:
        return Process(name, account_of(name), self.log_dir / f"{name}.log", command, ready)

    def _module(self, process: str, module: str, environment: dict[str, str], *arguments: str) -> Command:
        copies = self.folder.path / "code" / process
        return module_command(module, list(arguments), environment, account_of(process), copies)

    def _github_command(self) -> Command:
        settings = {
            "STANDIN_PORT": str(self.ports["github"]),
            "STANDIN_SEED": str(self.instance.seed),
            "STANDIN_STATE": str(self.folder.github / "world.json"),
            "STANDIN_PASSPHRASE": self.instance.passphrase,
            "STANDIN_APP_ID": str(APP_ID),
            "STANDIN_APP_NAME": _APP_NAME,
            "STANDIN_APP_PUBLIC_KEY": self.instance.app_public_key,
            "STANDIN_CLIENT_ID": self.instance.client_id,
            "STANDIN_CLIENT_SECRET": self.instance.client_secret,
            "STANDIN_WEBHOOK_SECRET": self.instance.webhook_secret,
            "STANDIN_CALLBACKS": f"{self.api_url} {self.dashboard_url}",
            "STANDIN_WEBHOOK_URL": f"{self.api_url}/v1/github/webhook",
        }
        controls = ["--test-controls", self._control_token] if self._control_token else []
        return self._module("github", "keyway_standalone.github_standin", settings, *controls)

    def _crypto_command(self) -> Command:
        settings = {
            "GRPC_HOST": "127.0.0.1",
            "GRPC_PORT": str(self.ports["crypto"]),
            "ENCRYPTION_KEY_FILE": str(self.folder.encryption_key),
            **self._tls("crypto"),
        }
        return self._module("crypto", "keyway_crypto", settings)

    def _backend_command(self) -> Command:
        settings = {
            "DATABASE_URL": self.app_database_url,
            "MIGRATION_DATABASE_URL": self.owner_database_url,
            "CRYPTO_SERVICE_URL": self.crypto_address,
            "JWT_SECRET": self.instance.jwt_secret,
            "API_URL": self.api_url,
            "DASHBOARD_URL": self.dashboard_url,
            "HOST": "127.0.0.1",
            "PORT": str(self.ports["backend"]),
            "OPS_HOST": "127.0.0.1",
            "OPS_PORT": str(self.ports["ops"]),
            **self._tls("backend"),
            **(self.real_github or self._standin_app()),
            **(self._hop() if "dashboard" in self._wanted else {}),
        }
        return self._module("backend", "keyway_backend", settings)

    def _dashboard_command(self) -> Command:
        settings = {
            "API_URL": self.api_url,
            "DASHBOARD_URL": self.dashboard_url,
            "HOST": "127.0.0.1",
            "PORT": str(self.ports["dashboard"]),
            "DASHBOARD_SESSION_SECRET": self.instance.derived("dashboard-session"),
            **self._hop(),
        }
        return self._module("dashboard", "keyway_dashboard", settings)

    def _hop(self) -> dict[str, str]:
        """What the dashboard proves to the backend, so that its word about browsers is believed."""
        return {"DASHBOARD_HOP_SECRET": self.instance.derived("dashboard-hop")}

    def _standin_app(self) -> dict[str, str]:
        return {
            "GITHUB_URL": self.github_url,
            "GITHUB_BASE_URL": self.github_url,
            "GITHUB_APP_ID": str(APP_ID),
            "GITHUB_APP_NAME": _APP_NAME,
            "GITHUB_APP_CLIENT_ID": self.instance.client_id,
            "GITHUB_APP_CLIENT_SECRET": self.instance.client_secret,
            "GITHUB_APP_PRIVATE_KEY": self.instance.app_private_key_base64,
            "GITHUB_APP_WEBHOOK_SECRET": self.instance.webhook_secret,
        }

    def _tls(self, name: str) -> dict[str, str]:
        return {
            "CRYPTO_TLS_CA_PATH": str(self.certificates_dir / "ca.crt"),
            "CRYPTO_TLS_CERT_PATH": str(self.certificates_dir / f"{name}.crt"),
            "CRYPTO_TLS_KEY_PATH": str(self.certificates_dir / f"{name}.key"),
        }

    # readiness ---------------------------------------------------------------------------------------------------

    def _http_ready(self, server: str, path: str) -> Callable[[], bool]:
        return partial(_answers, self.ports[server], path)

    def _crypto_ready(self) -> bool:
        """Whether a client with the backend's certificate gets through the TLS handshake."""
        context = ssl.create_default_context(cafile=str(self.certificates_dir / "ca.crt"))
        context.load_cert_chain(self.certificates_dir / "backend.crt", self.certificates_dir / "backend.key")
        with suppress(OSError):
            raw = socket.create_connection(("127.0.0.1", self.ports["crypto"]), timeout=2)
            with raw, context.wrap_socket(raw, server_hostname="127.0.0.1"):
                return True
        return False


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
