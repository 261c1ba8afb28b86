"""Two people who push to an environment that nobody has pushed to yet."""

from __future__ import annotations

from tests.backend.secrets.desk import Desk


def test_the_second_of_two_first_pushes_is_told(desk: Desk, second: Desk) -> None:
    """An empty environment tells its revision with the 404, and of two pushes that insist on it one is a conflict."""
    empty = desk.get()
    assert empty.status == 404
    revision = empty.body["currentRevision"]
    assert revision["number"] == 0
    insist = {"If-Match": f'"{revision["id"]}"'}
    assert desk.push({"KEY": "mine"}, headers=insist).status == 200
    late = desk.with_other(second).push({"KEY": "theirs"}, headers=insist)
    assert late.status == 409
    assert late.body["currentRevision"]["number"] == 1
    assert desk.values() == {"KEY": "mine"}


def test_a_missing_environment_has_no_revision(desk: Desk) -> None:
    """What is not there cannot be insisted on."""
    answer = desk.get(environment="nowhere")
    assert answer.status == 404
    assert "currentRevision" not in answer.body
