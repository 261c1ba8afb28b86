"""The runner of these tests against what is known of GitHub's: a runner that hides too much would prove nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.action.expressions import evaluated, inserted
from tests.action.joblog import JobLog
from tests.action.runner import FileCommandError, Job, Runner, pairs


def log_of(*lines: str) -> list[str]:
    """What these lines of a process become."""
    log = JobLog()
    for line in lines:
        log.read(line)
    return log.lines


class TestMasks:
    """add-mask."""

    def test_a_mask_holds_from_when_it_was_said(self) -> None:
        """Not before."""
        assert log_of("secret-1", "::add-mask::secret-1", "a secret-1 b") == ["secret-1", "a *** b"]

    def test_nothing_but_the_text_itself_is_hidden(self) -> None:
        """No encoding, no other case."""
        assert log_of("::add-mask::abcdef", "YWJjZGVm ABCDEF abcde") == ["YWJjZGVm ABCDEF abcde"]

    def test_escapes_are_undone_once(self) -> None:
        """%25 last, so that what was escaped twice is escaped once."""
        assert log_of("::add-mask::50%25 off", "50% off") == ["***"]
        assert log_of("::add-mask::a%250Ab", "a%0Ab") == ["***"]
        assert log_of("::add-mask::raw 100%", "raw 100%") == ["***"]

    def test_each_line_of_a_mask_is_one(self) -> None:
        """The short ones too."""
        assert log_of("::add-mask::{%0Akey%0D%0A}", "{ key }") == ["*** *** ***"]

    def test_ranges_that_touch_are_one(self) -> None:
        """And overlapping ones."""
        assert log_of("::add-mask::abcd", "::add-mask::cdef", "xabcdefy") == ["x***y"]

    def test_an_empty_mask_is_complained_about(self) -> None:
        """It would hide everything."""
        assert "Can't add secret mask" in log_of("::add-mask:: ", "text")[0]

    def test_commands_can_be_stopped(self) -> None:
        """A step that stops them masks nothing."""
        lines = log_of(
            "::stop-commands::abc", "::add-mask::secret", "secret", "::abc::", "::add-mask::secret", "secret"
        )
        assert lines == ["::add-mask::secret", "secret", "***"]

    def test_what_is_no_command_is_a_line(self) -> None:
        """An unknown one, or something before it."""
        assert log_of("::unknown::x", "x ::add-mask::y") == ["::unknown::x", "x ::add-mask::y"]


class TestFiles:
    """GITHUB_ENV and GITHUB_OUTPUT."""

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("A=1\nB=b=c\n", {"A": "1", "B": "b=c"}),
            ("A<<E\nE\n", {"A": ""}),
            ("A<<E\n\nE\n", {"A": ""}),
            ("A<<E\n\n\nE\n", {"A": "\n"}),
            ("A<<E\na\nb\n\nE\nB=1", {"A": "a\nb\n", "B": "1"}),
            ("A<<E\nx\r\n E\nE \nE", {"A": "x\r\n E\nE "}),
            ("A=<<E\n", {"A": "<<E"}),
            ("A<<E\nv\nE\nPATH=/evil\n", {"A": "v", "PATH": "/evil"}),
        ],
    )
    def test_names_and_values(self, text: str, found: dict[str, str]) -> None:
        """Both forms; a value that holds its delimiter sets what it likes."""
        assert pairs(text) == found

    @pytest.mark.parametrize("text", ["A\n", "=1\n", "<<E\nE\n", "A<<\n", "A<<E\nnever\n"])
    def test_what_is_refused(self, text: str) -> None:
        """No name, no delimiter, no end."""
        with pytest.raises(FileCommandError):
            pairs(text)


class TestSteps:
    """A job."""

    def test_variables_outputs_and_paths(self, tmp_path: Path) -> None:
        """From one step to the next; the head of a step shows them, masked."""
        machine = Runner(tmp_path, Job("acme/app", secrets={"S": "a-secret-value"}))
        machine.run_workflow(
            "jobs:\n  a:\n    steps:\n"
            "      - id: one\n        env: {GIVEN: '${{ secrets.S }}'}\n"
            '        run: |\n          echo "V=$GIVEN" >> $GITHUB_ENV\n          echo o=1 >> $GITHUB_OUTPUT\n'
            "          echo $PWD >> $GITHUB_PATH\n"
            "      - if: steps.one.outputs.o == '1'\n        run: 'echo \"got $V\"'\n"
            "      - if: failure()\n        run: echo never\n"
        )
        assert machine.log.lines[-1] == "got ***"
        assert "  V: ***" in machine.log.lines
        assert machine.paths == [str(machine.workspace)]
        assert machine.status == "success"

    def test_stderr_comes_first(self, tmp_path: Path) -> None:
        """The worst order of two streams that nobody orders."""
        machine = Runner(tmp_path, Job("acme/app"))
        machine.run("echo ::add-mask::a-secret; sleep 0.01; echo a-secret >&2")
        assert "a-secret" in machine.log.lines

    def test_node_options_are_refused_as_the_runner_does(self, tmp_path: Path) -> None:
        """The step fails."""
        machine = Runner(tmp_path, Job("acme/app"))
        assert machine.run("echo NODE_OPTIONS=x >> $GITHUB_ENV").outcome == "failure"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("a.b || 'x'", "x"),
        ("a.c && 'y' || 'n'", "y"),
        ("!(a.c == 'C') || a.n != 1", False),
        ("fromJSON(a.j).k.l", 2),
        ("fromJSON(a.j)['k']", {"l": 2}),
        ("contains(a.c, 'C')", True),
        ("nothing.at.all", None),
    ],
)
def test_expressions(text: str, value: Any) -> None:
    """As the runner evaluates them; text is compared without regard to case."""
    contexts = {"a": {"c": "c", "n": 1, "j": '{"k": {"l": 2}}'}}
    assert evaluated(text, contexts) == value


def test_what_comes_out_is_not_evaluated_again() -> None:
    """A value that looks like an expression is a value."""
    assert inserted("x ${{ a.b }}", {"a": {"b": "${{ a.c }}", "c": "no"}}) == "x ${{ a.c }}"


def test_what_is_no_expression_is_an_error() -> None:
    """Nothing is guessed."""
    for text in ("a.", "(a", "unknown()", "a b", "~"):
        with pytest.raises((ValueError, IndexError)):
            evaluated(text, {})
