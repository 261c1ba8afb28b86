"""Asking before something is lost, and before a value is shown where an assistant would read it."""

from __future__ import annotations

from keyway_cli.actions.context import Context
from keyway_cli.errors import UsageProblem


def agreed(context: Context, question: str, unattended: str) -> bool:
    """Yes by --yes or by a person. Raises UsageProblem, saying what would happen, when there is nobody to ask."""
    if context.chosen.yes:
        return True
    if context.terminal.interactive:
        return context.terminal.confirm(question)
    raise UsageProblem(f"{unattended}, and there is nobody to ask", "add --yes if that is meant")


def may_show(context: Context, what: str, word: str) -> None:
    """Raises UsageProblem unless a value may be shown: with an assistant at the keyboard a person has to type a word.

    --yes does not count, since the assistant could say it.
    """
    assistant = context.settings.assistant
    if not assistant:
        return
    refusal = UsageProblem(
        f"{what} is not shown: an assistant is at the keyboard ({assistant} is set)",
        "keyway run hands values to a program without showing them; a person at a terminal can confirm",
    )
    if not context.terminal.interactive:
        raise refusal
    context.terminal.warn(f"an assistant is at the keyboard ({assistant} is set) and would read {what}")
    if context.terminal.ask(f"if you are a person and mean it, type {word}") != word:
        raise refusal
