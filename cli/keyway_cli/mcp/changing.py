"""Tools that change something. No value comes from the assistant or goes to it; before a loss a person is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from keyway_cli.actions import copy, generate, history, put, trash, unset
from keyway_cli.actions.context import Context
from keyway_cli.actions.run_captured import is_protected
from keyway_cli.mcp import inputs
from keyway_cli.mcp.session import Session
from keyway_cli.mcp.tool import Outcome, Tool

Given = Mapping[str, Any]
_NO_VALUE: Final = (
    "a value never goes through the assistant: call this without it, and the person is asked for it on a page of their "
    "own. What was sent here was not stored; treat it as exposed and have it changed where it came from"
)
_NAME: Final = inputs.key("Name of the secret: capital letters, digits and _.", "^[A-Z][A-Z0-9_]*$")


def _guard(session: Session, context: Context, what: str) -> None:
    """A protected environment is changed, and lets go of a value, when a person agrees and not otherwise."""
    place = context.place()
    if is_protected(context.api(), place):
        session.confirm(f"May the assistant {what}? {place} is protected.")


def _set_secret(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    put.request(context, key=given["name"])
    return Outcome(terminal.data)


def _generate(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    _guard(session, context, f"store a random value as {given['name']}")
    kind, length = given.get("type", "password"), given.get("length", generate.USUAL)
    generate.generate(context, key=given["name"], kind=kind, length=length)
    return Outcome(terminal.data)


def _copy(session: Session, given: Given) -> Outcome:
    source, _ = session.context(given["from"])
    target, _ = session.context(given["to"])
    for one in (source, target) if given["from"] != given["to"] else (target,):
        _guard(session, one, f"copy {given['name']} from {given['from']} to {given['to']}")
    context, terminal = session.context()
    copy.copy(context, key=given["name"], source=given["from"], target=given["to"], new_key=given.get("newName"))
    return Outcome(terminal.data)


def _delete(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    unset.unset(context, keys=(given["name"],))
    return Outcome(terminal.data)


def _rollback(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    history.rollback(context, named=str(given["revision"]), message=None, skip_purged=False)
    return Outcome(terminal.data)


def _restore(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    _guard(session, context, f"restore {given['name']}")
    context.chosen = context.chosen._replace(environment=context.environment)
    trash.restore(context, key=given["name"])
    return Outcome(terminal.data)


TOOLS: Final = (
    Tool(
        "keyway_set_secret",
        "Set a secret",
        "DESTRUCTIVE when the name is taken: replaces its value. Asks the person for the value on a page of their own "
        "and stores it. Do not pass a value; you never see it.",
        _set_secret,
        "The person types the value on a page in their own browser and is told when it replaces one. There is no "
        "input `value`: a call with one is refused, because a value that went through a model is exposed already.",
        {"name": _NAME, "environment": inputs.environment()},
        ("name",),
        destructive=True,
        refused={"value": _NO_VALUE},
    ),
    Tool(
        "keyway_request_secret",
        "Request a secret from the person",
        "DESTRUCTIVE when the name is taken: replaces its value. Use this when a secret is missing: the person is "
        "asked for it on a page of their own. You learn whether it was stored, never the value.",
        _set_secret,
        "The same as `keyway_set_secret`, under the name that models look for when something is missing.",
        {"name": _NAME, "environment": inputs.environment()},
        ("name",),
        destructive=True,
        refused={"value": _NO_VALUE},
    ),
    Tool(
        "keyway_generate",
        "Generate a secret",
        "DESTRUCTIVE when the name is taken: replaces its value, after the person has agreed. Store a new random "
        "value, which nobody is shown.",
        _generate,
        "From the system's random source. The answer has no preview of the value. When the name is taken, or the "
        "environment is protected, the person is asked first.",
        {
            "name": _NAME,
            "type": inputs.text("Kind of value; password without it.", enum=list(generate.KINDS)),
            "length": inputs.number("Characters; 32 without it.", generate.SHORTEST, generate.LONGEST),
            "environment": inputs.environment(),
        },
        ("name",),
        destructive=True,
        refused={"value": _NO_VALUE},
    ),
    Tool(
        "keyway_copy",
        "Copy a secret",
        "DESTRUCTIVE when the name is taken there: replaces its value, after the person has agreed. Copy a secret to "
        "another environment, or under another name.",
        _copy,
        "The value is sealed anew inside the server and comes to no client. When the name is taken there, or that "
        "environment or the one that it comes from is protected, the person is asked first.",
        {
            "name": inputs.key("Name of the secret."),
            "from": inputs.environment("Where it is."),
            "to": inputs.environment("Where it shall be."),
            "newName": inputs.key("Its name there; without it the same."),
        },
        ("name", "from", "to"),
        destructive=True,
    ),
    Tool(
        "keyway_delete_secret",
        "Delete a secret",
        "DESTRUCTIVE: move a secret to the trash, where it stays for 30 days. The person has to agree first.",
        _delete,
        "Always asks the person. `keyway_restore_secret` brings it back.",
        {"name": inputs.key("Name of the secret."), "environment": inputs.environment()},
        ("name",),
        destructive=True,
    ),
    Tool(
        "keyway_rollback",
        "Roll back an environment",
        "DESTRUCTIVE: make an environment hold again what it held at a revision. The person has to agree first.",
        _rollback,
        "Shows the person which names would change, and always asks. It makes a new revision; nothing of the history "
        "is lost.",
        {
            "revision": inputs.number("Number of the revision, from keyway_history.", 1, 2**31 - 1),
            "environment": inputs.environment(),
        },
        ("revision",),
        destructive=True,
    ),
    Tool(
        "keyway_restore_secret",
        "Restore a secret",
        "Bring a secret back from the trash, with its earlier versions.",
        _restore,
        "Refused when there is one of that name again. In a protected environment the person is asked first.",
        {"name": inputs.key("Name of the secret."), "environment": inputs.environment()},
        ("name",),
    ),
)
