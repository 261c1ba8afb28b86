"""The Action as a step of a workflow: what the next step finds, and where."""

from __future__ import annotations

from collections.abc import Callable

from tests.action.conftest import Workshop
from tests.action.runner import Runner

Start = Callable[..., Runner]


def test_the_next_step_has_the_values(workshop: Workshop, start: Start) -> None:
    """By the run's own identity, nothing stored."""
    machine = start()
    done = machine.use_action(api_url=workshop.api_url, environment="development")
    assert done.outcome == "success", machine.log.text
    assert done.outputs["secrets-count"] == "1"
    assert machine.environment["KEPT"] == workshop.home.values("development")["KEPT"]
    machine.run('echo "$KEPT"')
    assert machine.log.lines[-1] == "***"
