"""The terminal of a tool: what an action says is kept for the answer, and its questions go to the person's page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from keyway_core.sensitive import Sensitive

from keyway_cli.changes import Changes
from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.mcp.asking import Ask, Question
from keyway_cli.terminal import Terminal


class Recording(Terminal):
    """Prints nothing: stdout belongs to the protocol."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(as_json=True, color=False, quiet=True)
        self.interactive = True
        self.data: dict[str, Any] = {}
        self.warnings: list[str] = []
        self._ask = ask
        self._shown: list[str] = []

    def result(self, data: dict[str, Any], text: str) -> None:  # noqa: ARG002
        """Kept."""
        self.data = data

    def lines(self, data: dict[str, Any], lines: Sequence[str]) -> None:  # noqa: ARG002
        """Kept."""
        self.data = data

    def table(
        self,
        data: dict[str, Any],
        columns: Sequence[str],  # noqa: ARG002
        rows: Sequence[Sequence[str]],  # noqa: ARG002
        none: str,  # noqa: ARG002
    ) -> None:
        """Kept."""
        self.data = data

    def warn(self, text: str) -> None:
        """Kept."""
        self.warnings.append(text)

    def changes(self, changes: Changes, where: str) -> None:
        """Kept for the question that follows."""
        signs = (("+", changes.added), ("~", changes.changed), ("-", changes.removed))
        self._shown += [f"changes to {where}:", *(f"{sign} {name}" for sign, names in signs for name in names)]

    def confirm(self, question: str, *, default: bool = False) -> bool:  # noqa: ARG002
        """Asks the person. Raises UsageProblem for a no, so that the assistant is told of one."""
        if not self._ask(Question(question, "\n".join(self._shown), yes="Yes")).yes:
            raise refused()
        return True

    def ask_secret(self, question: str) -> str:
        """Asks the person for a value."""
        answer = self._ask(Question(f"Please give the {question}.", "\n".join(self._shown), "Store", wants_value=True))
        if answer.value is None:
            raise refused()
        return answer.value.reveal()

    def ask(self, question: str) -> str:
        """Nothing of that kind is asked on behalf of an assistant."""
        raise UsageProblem(f"a person has to do this in a terminal: {question}")

    def choose(self, question: str, options: Sequence[str], leave: Sequence[str] = ()) -> str:  # noqa: ARG002
        """Nothing of that kind is asked on behalf of an assistant."""
        raise UsageProblem(f"a person has to do this in a terminal: {question}")

    def value(self, value: Sensitive) -> NoReturn:
        """No value is shown to an assistant."""
        raise _never(value)

    def document(self, text: Sensitive) -> NoReturn:
        """No value is shown to an assistant."""
        raise _never(text)

    def progress(self, text: str) -> None:
        """Nobody watches."""

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:  # noqa: ARG002
        """Nobody watches."""
        yield


def refused() -> UsageProblem:
    """The person said no."""
    return UsageProblem("the person said no; nothing was done", "do not ask again; ask them what they would like")


def _never(_: Sensitive) -> KeywayError:
    return KeywayError("values are not shown to assistants", "keyway_inject_run hands them to a program")
