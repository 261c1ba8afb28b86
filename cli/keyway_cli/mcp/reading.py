"""Tools that look: names, differences, history, who saw what, secrets in files. None of them shows a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from keyway_cli.actions import diff, environments, exposure, history, names, scan, trash, validate
from keyway_cli.errors import UsageProblem
from keyway_cli.files import working_folder
from keyway_cli.mcp import inputs
from keyway_cli.mcp.session import Session
from keyway_cli.mcp.tool import Outcome, Tool

Given = Mapping[str, Any]
_HIDDEN: Final = "…"


def _list_secrets(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    place = context.place()
    context.chosen = context.chosen._replace(environment=place.environment)
    names.list_secrets(context)
    found = sorted(entry["key"] for entry in terminal.data["secrets"])
    told = {"repository": place.repository, "environment": place.environment, "count": len(found), "secrets": found}
    return Outcome(told)


def _list_environments(session: Session, _: Given) -> Outcome:
    context, terminal = session.context()
    environments.list_environments(context)
    found = terminal.data["environments"]
    told = {"repository": terminal.data["repository"], "count": len(found)}
    return Outcome(told | {"environments": [one["name"] for one in found], "types": found})


def _diff(session: Session, given: Given) -> Outcome:
    context, terminal = session.context()
    left, right = given["env1"], given["env2"]
    diff.diff_environments(context, left, right)
    found = terminal.data
    told = {"repository": context.repository(), "env1": found["left"], "env2": found["right"]}
    lists = {
        "onlyInEnv1": found["onlyInLeft"],
        "onlyInEnv2": found["onlyInRight"],
        "different": [{"key": key} for key in found["different"]],
        "same": found["same"],
    }
    return Outcome(told | lists | {"stats": {name: len(entries) for name, entries in lists.items()}})


def _compare(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    path = _inside(given.get("path", ".env"))
    diff.diff(context, sides=(path, context.environment), keys_only=True)
    found = terminal.data
    told = {"repository": context.repository(), "environment": found["right"], "path": given.get("path", ".env")}
    both = {"onlyInFile": found["onlyInLeft"], "onlyInEnvironment": found["onlyInRight"], "inBoth": found["same"]}
    return Outcome(told | both)


def _inside(path: str) -> str:
    """The file or folder in full. Raises UsageProblem for what lies elsewhere, by a link too.

    Elsewhere are files in which a name is no name: the last line of a key in Base64 reads like an assignment.
    """
    folder = working_folder()
    try:
        target = (folder / path).resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a NUL
        raise UsageProblem("path names nothing that can be read") from None
    if not target.is_relative_to(folder.resolve()):
        raise UsageProblem("path leads out of the folder that this server was started in")
    return str(target)


def _history(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    if "revision" in given:
        history.show_revision(context, named=str(given["revision"]))
    else:
        history.history(context, limit=given.get("limit", 20))
    return Outcome(terminal.data)


def _list_trash(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    trash.list_trash(context)
    return Outcome(terminal.data)


def _exposure(session: Session, given: Given) -> Outcome:
    context, terminal = session.context()
    exposure.exposure(context, username=given.get("username"))
    return Outcome(terminal.data)


def _validate(session: Session, given: Given) -> Outcome:
    context, terminal = session.context(given["environment"])
    validate.validate(
        context,
        required=tuple(given.get("required", ())),
        auto_detect=given.get("autoDetect", False),
        path=_inside(given["path"]) if "path" in given else None,
    )
    return Outcome(terminal.data)


def _scan(session: Session, given: Given) -> Outcome:
    context, _ = session.context()
    wanted = scan.Wanted(paths=(given["path"],) if "path" in given else (), exclude=tuple(given.get("exclude", ())))
    outcome = scan.look(context, wanted)
    findings = [find.as_json() | {"preview": _HIDDEN} for find in outcome.finds]
    told = {"path": str(outcome.root), "filesScanned": outcome.files, "findingsCount": len(findings)}
    return Outcome(told | {"findings": findings, "unreadable": outcome.unreadable})


TOOLS: Final = (
    Tool(
        "keyway_list_secrets",
        "List secrets",
        "List the names of the secrets of an environment. Values are never shown.",
        _list_secrets,
        "The names of an environment, in order. No value is read, so nobody counts as having seen one.",
        {"environment": inputs.environment()},
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_list_environments",
        "List environments",
        "List the environments of this repository's vault, and which of them are protected.",
        _list_environments,
        "`environments` are the names; `types` says beside each whether it is `development`, `standard` or "
        "`protected`.",
        {},
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_diff",
        "Compare environments",
        "Compare two environments by name: which secrets only one of them has, and which differ. Never how.",
        _diff,
        "Values are compared inside the server's crypto service; `prod`, `dev` and `stg` are understood. There are no "
        "previews of values, not even of their ends or lengths.",
        {"env1": inputs.environment("One environment."), "env2": inputs.environment("The other one.")},
        ("env1", "env2"),
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_compare",
        "Compare a file with an environment",
        "Compare the names in a local .env file with those of an environment. Values are not compared.",
        _compare,
        "Names alone, in both directions. Whether a value is the same is not told: whoever can write the file could "
        "try out values otherwise.",
        {"path": inputs.text("The file, in this folder; without it .env."), "environment": inputs.environment()},
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_history",
        "Show history",
        "Show the newest revisions of an environment: who changed which names when. With a revision: that one.",
        _history,
        "Who changed what, by name. Older values are not shown to anybody here.",
        {
            "environment": inputs.environment(),
            "revision": inputs.number("Number of one revision, to see its names.", 1, 2**31 - 1),
            "limit": inputs.number("How many; 20 without it.", 1, 200),
        },
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_list_trash",
        "List the trash",
        "List the names of secrets that were deleted in the last 30 days and can be restored.",
        _list_trash,
        "What `keyway_restore_secret` can bring back.",
        {"environment": inputs.environment("Environment; without it the one this server was set up for, else all.")},
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_exposure",
        "Who saw what",
        "Show who has seen which secrets of this vault, and which of those were not changed since.",
        _exposure,
        "Names of people and secrets. Everybody for who manages the vault; otherwise only oneself.",
        {"username": inputs.text("Only this person.", maxLength=100)},
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_validate",
        "Check for missing secrets",
        "Check whether an environment has every secret that is needed: the named ones, those of .env.example, or "
        "those that the code reads.",
        _validate,
        "Without `required`: the names in `.env.example` (or `.env.sample`, `.env.template`); with `autoDetect`, or "
        "when there is no such file, also what the code reads from its environment, in a dozen languages. `path` is "
        "a folder or one file, in this folder. Names alone.",
        {
            "environment": inputs.environment("The environment to check."),
            "required": inputs.texts("Names that have to be there.", 1_000),
            "autoDetect": inputs.flag("Look into the code too."),
            "path": inputs.text("Folder or file; without it this folder."),
        },
        ("environment",),
        read_only=True,
        idempotent=True,
    ),
    Tool(
        "keyway_scan",
        "Scan for secrets",
        "Look for secrets in the files of this folder or of a path. Shows kind and place, never what was found.",
        _scan,
        "The rules of `keyway scan`. `preview` is always hidden. Values of the vault are not looked for here: whoever "
        "can write the files could try out values otherwise.",
        {
            "path": inputs.text("Folder or file; without it this folder."),
            "exclude": inputs.texts("Patterns of files to leave out, as in .keywayignore.", 200),
        },
        read_only=True,
        idempotent=True,
    ),
)
