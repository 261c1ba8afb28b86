"""Device sign-ins under pressure: many polls at once on two replicas, polls that come too early, answers after the end
(policy.yaml `device_flow`; assurance N-04)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, LiteralString

import jwt
import pytest
from keyway_standalone.processes import Stack
from oracle.report import Record

from tests.backend.webhooks.github_post import process, until
from tests.oracle.keys import sql
from tests.oracle.stage import GitHub
from tests.oracle.wire import Answer, Call, bearer, send

ROUNDS: Final = 3
POLLS: Final = 100
TOKENS: Final = "POST /login/oauth/access_token"
DUE: Final[LiteralString] = (
    "UPDATE device_logins SET next_poll_at = now() - interval '1 s' WHERE code_hash = sha256(%s)"
)


@pytest.fixture(scope="module")
def replicas(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The suite's backend, and a second one on its database."""
    log: Path = tmp_path_factory.mktemp("second") / "backend.log"
    with process(stack, log, WORKER_IN_PROCESS="false") as (_, url):
        yield stack.api_url, url


def start(base: str) -> dict[str, Any]:
    """A sign-in that begins."""
    answer = send(base, Call("POST", "/v1/auth/device/start", body={}))
    assert answer.status == 200, answer.body
    return dict(answer.json())


def poll(base: str, code: str) -> Answer:
    """One poll."""
    return send(base, Call("POST", "/v1/auth/device/poll", body={"deviceCode": code}))


def asked(stack: Stack) -> int:
    """How often GitHub was asked for a token since the calls were forgotten."""
    return GitHub(stack).calls().count(TOKENS)


def row(stack: Stack, code: str, columns: str) -> tuple[Any, ...]:
    """What is kept of a sign-in."""
    statement = f"SELECT {columns} FROM device_logins WHERE code_hash = sha256(%s)"
    return sql(stack, statement, code.encode())[0]  # type: ignore[arg-type]


def sid(answer: Answer) -> str:
    """The session that an approval names."""
    return str(jwt.decode(answer.json()["keywayToken"], options={"verify_signature": False})["sid"])


class TestTogether:
    def test_a_hundred_polls_on_two_replicas_make_one_session(
        self, stack: Stack, replicas: tuple[str, str], record_property: Record
    ) -> None:
        """One session, one row in the audit, one question to GitHub; all approvals that are told name that session."""
        approvals = 0
        for _ in range(ROUNDS):
            login, started = GitHub(stack).user("racer"), start(replicas[0])
            stack.control.approve_device(started["userCode"], login)
            stack.control.reset_calls()
            places = [replicas[number % 2] for number in range(POLLS)]
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(lambda base, code=started["deviceCode"]: poll(base, code), places))
            assert {answer.status for answer in answers} == {200}
            assert {answer.json()["status"] for answer in answers} <= {"pending", "approved"}
            told = [answer for answer in answers if answer.json()["status"] == "approved"]
            approvals += len(told)
            assert len({sid(answer) for answer in (*told, poll(replicas[1], started["deviceCode"]))}) == 1
            assert asked(stack) == 1
            (count,) = sql(
                stack, "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE login = %s", login
            )
            statement = "SELECT count(*) FROM audit_events WHERE action = 'user_login' AND actor_login = %s"
            assert (count, sql(stack, statement, login)) == ((1,), [(1,)])
        record_property(
            "device sign-ins raced (N-04)",
            f"{ROUNDS} of {POLLS} polls each on 2 replicas: {ROUNDS} sessions, {ROUNDS} questions to GitHub, "
            f"{approvals} answers of approval",
        )

    def test_two_polls_that_both_hold_githubs_answer(self, stack: Stack, replicas: tuple[str, str]) -> None:
        """The first hangs while it asks who the person is; the second overtakes it. One session, told to both."""
        login, started = GitHub(stack).user("overtaken"), start(replicas[0])
        stack.control.approve_device(started["userCode"], login)
        stack.control.fault("delay", "GET /user", seconds=1.5)
        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(poll, replicas[0], started["deviceCode"])
            until(lambda: row(stack, started["deviceCode"], "status") != ("pending",), "GitHub's tokens are kept")
            sql(stack, DUE, started["deviceCode"].encode())
            overtaking = poll(replicas[1], started["deviceCode"])
            both = [overtaking, hanging.result()]
        assert stack.control.clear_faults() == [1]
        assert [answer.json()["status"] for answer in both] == ["approved", "approved"]
        assert len({sid(answer) for answer in both}) == 1
        statement = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE login = %s"
        assert sql(stack, statement, login) == [(1,)]

    def test_early_polls_ask_nobody_on_any_replica(self, stack: Stack, replicas: tuple[str, str]) -> None:
        """The interval is kept in the row, so that it counts for all of them."""
        started = start(replicas[0])
        stack.control.reset_calls()
        assert {poll(replicas[number % 2], started["deviceCode"]).json()["status"] for number in range(20)} == {
            "pending"
        }
        assert asked(stack) == 1
        next_at, moment = row(stack, started["deviceCode"], "next_poll_at, now()")
        assert timedelta(seconds=4) < next_at - moment <= timedelta(seconds=6)


class TestTime:
    def test_a_start_asks_github_once(self, stack: Stack) -> None:
        """And for nothing else."""
        stack.control.reset_calls()
        start(stack.api_url)
        assert GitHub(stack).calls() == ["POST /login/device/code"]

    def test_github_asks_for_patience(self, stack: Stack) -> None:
        """`slow_down`: the interval grows by five seconds, the next question waits that long; it sees pending."""
        started = start(stack.api_url)
        code = started["deviceCode"]
        assert poll(stack.api_url, code).json() == {"status": "pending"}
        sql(stack, DUE, code.encode())
        assert poll(stack.api_url, code).json() == {"status": "pending"}
        interval, next_at, moment = row(stack, code, "interval_seconds, next_poll_at, now()")
        assert interval == started["interval"] + 5
        assert timedelta(seconds=9) < next_at - moment <= timedelta(seconds=11)

    def test_a_session_of_the_command_line_lasts_a_week(self, stack: Stack) -> None:
        """Seven days from the approval, in the token, in the answer and in the row; it is not prolonged."""
        started = start(stack.api_url)
        stack.control.approve_device(started["userCode"], GitHub(stack).user("weekly"))
        answer = poll(stack.api_url, started["deviceCode"])
        claims = jwt.decode(answer.json()["keywayToken"], options={"verify_signature": False})
        ends = datetime.fromisoformat(answer.json()["expiresAt"])
        left = ends - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
        assert int(ends.timestamp()) == claims["exp"]
        again = jwt.decode(
            poll(stack.api_url, started["deviceCode"]).json()["keywayToken"], options={"verify_signature": False}
        )
        assert again["exp"] == claims["exp"]


class TestAfterwards:
    def test_a_session_that_was_ended_is_not_given_again(self, stack: Stack) -> None:
        """Within the minute in which a lost answer is repeated: who signed out stays signed out."""
        started = start(stack.api_url)
        stack.control.approve_device(started["userCode"], GitHub(stack).user("leaving"))
        token = poll(stack.api_url, started["deviceCode"]).json()["keywayToken"]
        assert send(stack.api_url, Call("POST", "/v1/auth/logout", (bearer(token),))).status == 204
        told = poll(stack.api_url, started["deviceCode"]).json()
        assert (told["status"], "keywayToken" in told) == ("expired", False)

    @pytest.mark.parametrize("end", ["denied", "expired"])
    def test_an_end_is_final(self, stack: Stack, end: str) -> None:
        """Whoever agrees after a refusal or too late signs nobody in, and GitHub is not asked again."""
        started = start(stack.api_url)
        if end == "denied":
            stack.control.deny_device(started["userCode"])
        else:
            late = "UPDATE device_logins SET expires_at = now() - interval '1 s' WHERE code_hash = sha256(%s)"
            sql(stack, late, started["deviceCode"].encode())
        assert poll(stack.api_url, started["deviceCode"]).json()["status"] == end
        stack.control.approve_device(started["userCode"], GitHub(stack).user("late"))
        sql(stack, DUE, started["deviceCode"].encode())
        stack.control.reset_calls()
        assert poll(stack.api_url, started["deviceCode"]).json()["status"] == end
        assert asked(stack) == 0

    def test_a_users_code_polls_nothing(self, stack: Stack) -> None:
        """What the person types is on screens; it is no device code, in any spelling."""
        started = start(stack.api_url)
        stack.control.approve_device(started["userCode"], GitHub(stack).user("typed"))
        for code in (started["userCode"], started["userCode"].lower(), started["deviceCode"].upper(), "0" * 64):
            assert poll(stack.api_url, code).json()["status"] == "expired"
        assert poll(stack.api_url, started["deviceCode"]).json()["status"] == "approved"
