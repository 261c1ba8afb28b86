"""Whatever is sent, the answer says what to do, repeats no value, and nothing that was stored is lost."""

from __future__ import annotations

import json
import runpy
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from keyway_standalone.processes import Stack
from oracle import canaries, stage
from oracle.hostile import BODY_LIMIT, KEY_LIMIT, REFUSED_KEYS, VALUE_LIMIT, Hostile, Sender, corpus
from oracle.report import Record
from oracle.wire import Answer, Call, bearer, send, send_bytes
from stack import running_stack

SENDERS: Final = 4
SECONDS: Final = 4.0
PLAINTEXT: Final = 4_194_304
AT_LEAST: Final = 120
FILES: Final = Path(__file__).parents[1] / "core" / "hostile_env.py"
FILES_AT_LEAST: Final = 60
# What the HTTP parser refuses before there is a request has no problem body.
BEFORE_HTTP: Final = frozenset({0, 400, 408, 431})


@dataclass(frozen=True)
class Refused:
    """A hostile request and its answer."""

    request: Hostile
    answer: Answer

    @property
    def parsed(self) -> dict[str, Any]:
        """The problem body, or nothing."""
        try:
            found = self.answer.json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def complaints(self) -> Iterator[str]:
        """What is wrong with this answer."""
        status = self.answer.status
        if status not in self.request.statuses:
            yield f"{status} instead of {sorted(self.request.statuses)}: {self.answer.body[:300]!r}"
        elif 0 in self.request.statuses and not self.parsed:
            return
        elif self.parsed.get("status") != status or len(self.parsed.get("detail", "")) < 10:
            yield f"no problem body: {self.answer.body[:300]!r}"
        elif "application/json" not in self.answer.header("content-type"):
            yield f"content type {self.answer.header('content-type')}"
        elif self.request.names not in json.dumps([self.parsed.get("detail"), self.parsed.get("errors")]):
            yield f"does not name {self.request.names}: {self.answer.body[:300]!r}"
        if self.answer.seconds > SECONDS:
            yield f"took {self.answer.seconds:.1f} s"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """An installation of its own: its logs are searched, and its key is exchanged."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def home(stack: Stack) -> stage.Home:
    """An administrator with a vault of which something is stored."""
    return stage.home(stack)


@pytest.fixture(scope="module")
def sender(home: stage.Home) -> Sender:
    """Who sends what is hostile: somebody who may do everything, so that only the request is at fault."""
    return Sender(home.token, home.full_name, canaries.new())


@pytest.fixture(scope="module")
def refused(stack: Stack, sender: Sender, home: stage.Home) -> list[Refused]:
    """The whole corpus, sent."""
    before = home.state()
    requests = list(corpus(sender))
    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(lambda one: send_bytes(stack.api_url, one.chunks()), requests))
    assert home.state() == before, "a refused request changed something"
    return [Refused(request, answer) for request, answer in zip(requests, answers, strict=True)]


class TestHostileRequests:
    def test_are_refused_with_what_to_do(self, refused: list[Refused], record_property: Record) -> None:
        """Each is a 4xx that names the field, the key or the figure, in time, and never a 422 or a failure of ours."""
        assert len(refused) >= AT_LEAST
        complaints = [f"{one.request.name}: {what}" for one in refused for what in one.complaints()]
        assert not complaints, "\n".join(complaints)
        record_property("hostile requests", f"{len(refused)} refused, 0 echoes in answers and logs")

    def test_are_repeated_in_no_answer(self, refused: list[Refused], sender: Sender) -> None:
        """No answer holds anything of what was sent."""
        assert [one.request.name for one in refused if list(canaries.hits(one.answer.raw, [sender.canary]))] == []

    def test_are_repeated_in_no_log(self, stack: Stack, refused: list[Refused], sender: Sender) -> None:
        """No log of any process holds anything of what was sent; the same search finds what is meant to be logged."""
        assert refused
        logged = canaries.new("id")
        send(stack.api_url, Call("GET", "/v1/vaults", (("X-Request-ID", logged),)))
        deadline = time.monotonic() + 5  # a line is written after its answer
        while not (found := canaries.in_files(stack.log_dir, [sender.canary, logged])) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found == {("backend.log", logged, "raw")}

    def test_are_found_where_they_are_echoed(self, stack: Stack) -> None:
        """Positive control: an answer that does repeat what was sent is caught by the same search."""
        echo = canaries.new("id")
        answer = send(stack.api_url, Call("GET", "/v1/health", (("X-Request-ID", echo),)))
        assert list(canaries.hits(answer.raw, [echo]))

    @pytest.mark.parametrize("form", sorted(canaries.forms(canaries.new())))
    def test_are_found_in_every_form(self, form: str) -> None:
        """Positive control: each encoding of a planted canary is found amid other bytes."""
        canary = canaries.new()
        hidden = b"before " + canaries.forms(canary)[form] + b" after"
        assert (canary, form) in set(canaries.hits(hidden, [canary]))

    def test_leave_the_server_serving(self, stack: Stack, refused: list[Refused], home: stage.Home) -> None:
        """After all of it the vault answers what it held."""
        assert refused
        assert home.state() == home.state()
        assert send(stack.api_url, Call("GET", "/v1/health")).status == 200


class TestHostileFiles:
    def test_sent_as_they_are_change_nothing(self, home: stage.Home) -> None:
        """A hostile .env file that somebody posts as a body is refused, repeated nowhere, and changes nothing."""
        corpus_of_files = runpy.run_path(str(FILES))
        marker, files = corpus_of_files["CANARY"].encode(), corpus_of_files["CASES"]
        assert len(files) >= FILES_AT_LEAST
        before = home.state()
        for name, (data, _) in files.items():
            answer = home.push_bytes(data)
            assert answer.status == 400, name
            assert marker not in answer.raw, name
            assert len(answer.detail) > 10, name
        assert home.state() == before


class TestRefusedKeysInAFile:
    @pytest.mark.parametrize("key", REFUSED_KEYS)
    def test_change_nothing(self, home: stage.Home, key: str) -> None:
        """One refused name among good ones refuses the whole push, and what was stored stays."""
        before = home.state()
        answer = home.push({"GOOD": "1", key: canaries.new()}, "development")
        assert answer.status == 400
        assert any(key in error["field"] for error in answer.json()["errors"])
        assert home.state() == before


class TestDocumentedMaxima:
    def test_all_at_once_work(self, home: stage.Home) -> None:
        """Values of 64 KiB, 4 MiB of them, a key of 256 characters and a body of 12 MiB work, to the last byte. What is
        over each of them: test_at_the_border.py."""
        keys = ["K" * KEY_LIMIT, *(f"K{number}" for number in range(PLAINTEXT // VALUE_LIMIT - 1))]
        pushed = {key: secrets.token_hex(VALUE_LIMIT // 2) for key in keys}
        body = home.push_body(pushed, "staging")
        answer = home.push_bytes(body[:-1] + b" " * (BODY_LIMIT - len(body)) + b"}")
        assert answer.status == 200, answer.body
        assert stage.pull(home.stack, home.token, home.full_name, "staging") == pushed


class TestTheWrongKey:
    def test_is_refused_at_start_by_fingerprint(self, stack: Stack, home: stage.Home) -> None:
        """With another key in crypto the backend does not start, names the fingerprint, and writes nothing."""
        before = home.state()
        stack.backend.stop()
        contents = _contents(stack)
        with _another_key(stack) as said:
            assert "fingerprint" in said
            assert _contents(stack) == contents
        assert home.state() == before


@contextmanager
def _another_key(stack: Stack) -> Iterator[str]:
    """Crypto with another key, and what a backend says that is started then; at the end both as they were."""
    log = Path(stack.log_dir) / "backend.log"
    length = log.stat().st_size
    stack.backend.stop()
    stack.crypto.restart({"ENCRYPTION_KEY": secrets.token_hex(32), "ENCRYPTION_KEY_FILE": None})
    try:
        stack.backend.launch()
        deadline = time.monotonic() + 20
        while stack.backend.running and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stack.backend.exit_code not in {None, 0}
        yield log.read_bytes()[length:].decode()
    finally:
        stack.backend.kill()
        for name in ("ENCRYPTION_KEY", "ENCRYPTION_KEY_FILE"):
            del stack.crypto.environment[name]
        stack.crypto.restart()
        stack.backend.start()


def _contents(stack: Stack) -> dict[str, str]:
    """A digest of every table."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {name: _digest(connection, name) for (name,) in names}


def _digest(connection: psycopg.Connection[tuple[Any, ...]], table: str) -> str:
    query = f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
    row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


def test_every_answer_to_nonsense_is_the_same_for_everybody(stack: Stack, sender: Sender) -> None:
    """A request that cannot be read answers alike to an administrator and to a stranger: it tells nothing of rights."""
    stranger = Sender(stage.stranger(stack), sender.full_name, sender.canary)
    for one, other in zip(corpus(sender), corpus(stranger), strict=True):
        if one.name.startswith(("JSON: t", "content type", "gzip")):
            mine, theirs = (send_bytes(stack.api_url, request.chunks()) for request in (one, other))
            assert mine.comparable() == theirs.comparable(), one.name


def test_the_credential_comes_before_the_fields(stack: Stack, sender: Sender) -> None:
    """Without a good credential a wrong field is not judged: 401 before 400, as the policy orders."""
    body = json.loads(sender.body(environment=7))
    answer = send(stack.api_url, Call("POST", "/v1/secrets/push", (bearer("worthless"),), body))
    assert answer.status == 401
