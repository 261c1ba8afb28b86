"""What the backend refuses to start with: a line per reason, an exit code, and no value (assurance O-08)."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping

import pytest
from keyway_backend.platform.settings import Settings
from keyway_standalone.processes import Stack
from variables import variables
from warm_servers import ours, run_to_its_end

CANARY = "CANARY" + secrets.token_hex(12)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables that only lack a database and a crypto service that are there."""
    return variables(tmp_path_factory.mktemp("boot"))


def start(environment: Mapping[str, str], *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of a backend that is expected to end by itself."""
    code, told = run_to_its_end(ours("keyway_backend", *arguments, **environment))
    assert "Traceback" not in told
    return code, [line for line in told.splitlines() if not line.startswith("{")]


def test_a_bad_configuration_is_told_and_not_quoted(good: dict[str, str]) -> None:
    """A line for each problem, beginning with its variable; exit code 78."""
    code, lines = start({**good, "JWT_SECRET": CANARY[:20], "ENCRYPTION_KEY": CANARY, "PORT": CANARY})
    assert code == 78
    assert {line.split(":")[1].strip() for line in lines} == {"ENCRYPTION_KEY", "PORT"}
    assert CANARY[:20] not in "".join(lines)


def test_a_database_that_would_lose_pushes_is_refused(good: dict[str, str], stack: Stack) -> None:
    """Each unsafe setting is named, and so is a role that could rewrite the audit."""
    unsafe = f"{stack.superuser_database_url}&options=-csynchronous_commit%3Doff"
    code, lines = start({**good, "DATABASE_URL": unsafe, "MIGRATION_DATABASE_URL": stack.owner_database_url})
    assert code == 78
    assert [("synchronous_commit" in line, "superuser" in line) for line in lines] == [(True, False), (False, True)]


def test_unknown_arguments_are_refused(good: dict[str, str]) -> None:
    """A mistyped command starts nothing."""
    assert start(good, "work")[0] == 64


def test_the_document_needs_nothing() -> None:
    """`openapi` prints the contract without a variable set, and says nothing else."""
    code, told = run_to_its_end(ours("keyway_backend", "openapi"))
    assert (code, json.loads(told)["openapi"][:2]) == (0, "3.")


def test_a_taken_port_is_named(stack: Stack) -> None:
    """Another program listens there already."""
    given = stack.backend.command().environment
    environment = {name: value for name, value in given.items() if name.lower() in Settings.model_fields}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, lines = start({**environment, "PORT": str(taken.getsockname()[1]), "OPS_PORT": "0"})
    assert (code, lines[0].startswith("keyway-backend: PORT: cannot listen on 127.0.0.1")) == (78, True)
