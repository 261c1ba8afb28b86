"""GitHub's deliveries: what is not GitHub's is refused, and what is has its effect exactly once (assurance F-09)."""

from __future__ import annotations

import json
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from github_post import Post, applied, headers_of, post_of, process, sql, until, until_applied
from keyway_standalone.processes import Stack
from oracle.stage import GitHub

# A job that failed once waits some seconds for its next turn; this is it.
_DUE: Final = """UPDATE procrastinate_jobs SET scheduled_at = now()
    WHERE status = 'todo' AND attempts = 1 AND args ->> 'delivery' = %s RETURNING id"""
PING: dict[str, Any] = {"zen": "Keep it logically awesome.", "hook_id": 1}


@pytest.fixture(scope="module")
def post(stack: Stack) -> Post:
    """GitHub's side of the suite's backend."""
    return post_of(stack)


@pytest.fixture(scope="module")
def github(stack: Stack) -> GitHub:
    """The stand-in's world."""
    return GitHub(stack)


def number() -> int:
    """One that nothing of GitHub's bears."""
    return 2**50 + secrets.randbelow(2**40)


def removed(installation: int) -> dict[str, Any]:
    """The App was removed from an account."""
    account = {"id": installation + 1, "login": "gone", "type": "User"}
    return {"action": "deleted", "installation": {"id": installation, "account": account}, "sender": account}


def kept(stack: Stack, delivery: str) -> bool:
    """Whether a delivery was written down."""
    return bool(sql(stack, "SELECT 1 FROM webhook_deliveries WHERE delivery_id = %s", delivery))


def audit_rows(stack: Stack, installation: int) -> list[str]:
    """What the log says of an installation."""
    query = "SELECT action FROM audit_events WHERE (details->>'installationId')::bigint = %s ORDER BY at"
    return [action for (action,) in sql(stack, query, installation)]


class TestRefuses:
    """Nothing happens, and every refusal of one kind is the same."""

    @pytest.mark.parametrize("missing", ["X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256"])
    def test_a_missing_header(self, stack: Stack, post: Post, missing: str) -> None:
        """400, whichever it is."""
        body, delivery = json.dumps(PING).encode(), str(uuid.uuid4())
        headers = [one for one in headers_of("ping", post.signature(body), delivery) if one[0] != missing]
        assert post.raw(body, headers).status == 400
        assert not kept(stack, delivery)

    def test_only_the_old_signature(self, post: Post) -> None:
        """SHA-1 is no signature."""
        body = json.dumps(PING).encode()
        headers = (*headers_of("ping", "")[:2], ("X-Hub-Signature", "sha1=" + "0" * 40))
        assert post.raw(body, headers).status == 400

    def test_every_wrong_signature_alike(self, stack: Stack, post: Post) -> None:
        """Wrong, short, long, empty, of another alphabet: one answer, byte for byte."""
        body, delivery = json.dumps(PING).encode(), str(uuid.uuid4())
        good = post.signature(body)
        wrong = [
            good[:-1] + ("0" if good[-1] != "0" else "1"),
            good[:-1],
            good + "0",
            "",
            "sha256=",
            "sha256=" + "é" * 64,
            good.upper(),
            good.removeprefix("sha256="),
            good.replace("sha256", "sha512"),
            Post(post.url, "another secret").signature(body),
            "x" * 5000,
        ]
        answers = [post.raw(body, headers_of("ping", signature, delivery)) for signature in wrong]
        assert {answer.status for answer in answers} == {403}
        assert len({answer.comparable() for answer in answers}) == 1
        assert not kept(stack, delivery)

    def test_two_signatures(self, post: Post) -> None:
        """A good one beside another is nobody's."""
        body = json.dumps(PING).encode()
        headers = (*headers_of("ping", post.signature(body)), ("X-Hub-Signature-256", "sha256=" + "0" * 64))
        assert post.raw(body, headers).status == 403

    @pytest.mark.parametrize("place", [0, 20, -1])
    def test_a_body_changed_by_one_byte(self, stack: Stack, post: Post, place: int) -> None:
        """The signature is over the bytes."""
        body, delivery = bytearray(json.dumps(PING).encode()), str(uuid.uuid4())
        signature = post.signature(bytes(body))
        body[place] ^= 1
        assert post.raw(bytes(body), headers_of("ping", signature, delivery)).status == 403
        assert not kept(stack, delivery)

    def test_a_body_with_whitespace_added(self, post: Post) -> None:
        """Equal JSON is not equal bytes."""
        signature = post.signature(json.dumps(PING).encode())
        assert post.raw(json.dumps(PING, indent=1).encode(), headers_of("ping", signature)).status == 403

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b'{"action": "re'])
    def test_signed_and_no_object(self, post: Post, body: bytes) -> None:
        """Truncated, or no object: 400."""
        assert post.raw(body, headers_of("ping", post.signature(body))).status == 400

    @pytest.mark.parametrize("delivery", ["", "x" * 101, "a b", "ü"])
    def test_an_id_of_another_form(self, post: Post, delivery: str) -> None:
        """Deliveries are told apart by it."""
        body = json.dumps(PING).encode()
        headers = [("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", delivery)]
        assert post.raw(body, [*headers, ("X-Hub-Signature-256", post.signature(body))]).status == 400

    @pytest.mark.parametrize(
        "payload",
        [
            {"action": ["removed"], "member": 7, "repository": "x", "installation": [], "sender": None},
            {"action": "removed", "member": {"id": "1"}, "repository": {"id": 1.5}, "installation": {"id": -1}},
            {"action": "removed", "member": {"id": 2**80}, "repositories_removed": {"id": 1}},
            {"action": "x\0y" * 500, "sender": {"login": "\0", "id": True}},
        ],
    )
    def test_what_github_would_not_send_breaks_nothing(self, stack: Stack, post: Post, payload: dict[str, Any]) -> None:
        """Signed and strange: taken, and without effect."""
        for event in ("member", "installation_repositories", "organization"):
            delivery = str(uuid.uuid4())
            assert post(event, payload, delivery).status == 200
            until_applied(stack, delivery)

    def test_without_a_secret_there_are_no_webhooks(self, stack: Stack, post: Post, tmp_path: Path) -> None:
        """503 for a proper delivery, without a time to try again; a missing header is still 400."""
        changes = {"GITHUB_APP_WEBHOOK_SECRET": "", "WORKER_IN_PROCESS": "false"}
        with process(stack, tmp_path / "backend.log", **changes) as (_, url):
            answer = Post(url, post.secret)("ping", PING)
            assert (answer.status, answer.header("retry-after")) == (503, "")
            assert Post(url, "").raw(b"{}", ()).status == 400


class TestTakes:
    """Once, whatever happens in between."""

    def test_answers_as_the_wire_says(self, post: Post) -> None:
        """Not in an envelope."""
        assert post("ping", PING).json() == {"received": True}

    def test_a_hundred_at_once_are_one(self, stack: Stack, post: Post) -> None:
        """The same delivery from everywhere: each is answered, one is applied."""
        installation, delivery = number(), str(uuid.uuid4())
        payload = removed(installation)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: post("installation", payload, delivery), range(100)))
        assert {answer.status for answer in answers} <= {200, 503}
        assert post("installation", payload, delivery).status == 200
        until_applied(stack, delivery)
        assert applied(stack, delivery) == 1
        assert audit_rows(stack, installation) == ["vcs_app_uninstalled"]

    def test_the_same_body_under_another_id_has_no_second_effect(self, stack: Stack, post: Post) -> None:
        """The signature does not cover the id, so who saw a delivery can send it again: what it says was said."""
        installation, deliveries = number(), [str(uuid.uuid4()) for _ in range(3)]
        for delivery in deliveries:
            assert post("installation", removed(installation), delivery).status == 200
        until_applied(stack, *deliveries)
        assert audit_rows(stack, installation) == ["vcs_app_uninstalled"]

    def test_one_that_fails_is_taken_at_the_next_attempt(self, stack: Stack, post: Post) -> None:
        """503, nothing written, and GitHub's redelivery works."""
        installation, delivery = number(), str(uuid.uuid4())
        sql(stack, "CREATE FUNCTION fail_delivery() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
        sql(
            stack,
            f"CREATE TRIGGER fail AFTER INSERT ON webhook_deliveries FOR EACH ROW"
            f" WHEN (NEW.delivery_id = '{delivery}') EXECUTE FUNCTION fail_delivery()",
        )
        try:
            assert post("installation", removed(installation), delivery).status == 503
            assert not kept(stack, delivery)
            assert audit_rows(stack, installation) == []
        finally:
            sql(stack, "DROP TRIGGER fail ON webhook_deliveries")
            sql(stack, "DROP FUNCTION fail_delivery")
        assert post("installation", removed(installation), delivery).status == 200
        until_applied(stack, delivery)
        assert audit_rows(stack, installation) == ["vcs_app_uninstalled"]

    def test_a_job_that_github_does_not_answer_is_tried_again(self, stack: Stack, post: Post, github: GitHub) -> None:
        """The first look at the installation fails; the delivery is applied all the same, once."""
        owner = github.user("retried")
        github.repo(f"{owner}/r", {})
        installation = int(github.do("install", login=owner)["id"])
        path = f"GET /app/installations/{installation}"
        github.do("fault", kind="status", pattern=path, status=502, times=1)
        delivery = str(uuid.uuid4())
        payload = {"action": "created", "installation": {"id": installation, "account": {"id": 1}}}
        assert post("installation", payload, delivery).status == 200
        until(
            lambda: sql(stack, _DUE, delivery) or applied(stack, delivery), "tried once, and waiting for its next turn"
        )
        assert post("installation", removed(number())).status == 200  # whose job has the worker look
        until_applied(stack, delivery)
        assert stack.control.clear_faults() == [1]
        assert applied(stack, delivery) == 1
        assert audit_rows(stack, installation) == ["vcs_app_installed"]


def test_what_was_applied_says_nothing_more(stack: Stack, post: Post) -> None:
    """Names and numbers of a delivery are kept until its job is done, and no longer."""
    delivery = str(uuid.uuid4())
    post("installation", removed(number()), delivery)
    until_applied(stack, delivery)
    assert sql(stack, "SELECT facts FROM webhook_deliveries WHERE delivery_id = %s", delivery) == [(None,)]


def test_old_ones_are_forgotten_by_a_job(stack: Stack, post: Post) -> None:
    """A month after they came; those that wait, and those of yesterday, stay."""
    old, waiting, new = (str(uuid.uuid4()) for _ in range(3))
    for delivery in (old, new):
        assert post("ping", PING, delivery).status == 200
    sql(stack, "INSERT INTO webhook_deliveries VALUES (%s, 'x', '', '{}', now() - interval '40 days')", waiting)
    sql(stack, "UPDATE webhook_deliveries SET received_at = now() - interval '31 days' WHERE delivery_id = %s", old)
    person = number()
    sql(stack, "INSERT INTO access_generations VALUES ('user', %s, 1, now() - interval '8 days')", person)
    sql(
        stack,
        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('webhooks.purge', 'webhooks.purge', 0, NULL, NULL,"
        " '{\"timestamp\": 0}', NULL)::procrastinate_job_to_defer_v1])",
    )
    until(lambda: not kept(stack, old), "forgotten")
    assert kept(stack, new)
    assert kept(stack, waiting)
    generation = "SELECT 1 FROM access_generations WHERE github_id = %s"
    until(lambda: not sql(stack, generation, person), "forgotten")
    sql(stack, "DELETE FROM webhook_deliveries WHERE delivery_id = %s", waiting)
