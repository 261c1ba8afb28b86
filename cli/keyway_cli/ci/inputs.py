"""What the workflow asked for, and what the runner tells of the run."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from keyway_core.names import is_repository
from keyway_core.sensitive import Sensitive

from keyway_cli import git
from keyway_cli.api import Place
from keyway_cli.errors import Misconfigured, UsageProblem
from keyway_cli.origin import Origin, parse_origin
from keyway_cli.settings import is_token

LONGEST_ENVIRONMENT: Final = 50  # contract.md 4.3
_PREFIX: Final = "KEYWAY_ACTION_"
_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"false", "no", "off", "0", ""})


class Masking(Enum):
    """Which values are kept out of the log."""

    USUAL = "true"
    """All but those that are so short or so common that the log would become unreadable."""
    ALL = "all"
    NONE = "false"


class Run(NamedTuple):
    """The run as GitHub names it. Nothing here decides: what counts is in the token that GitHub signs."""

    event: str
    ref: str
    id_token_url: str
    id_token: Sensitive | None


class Inputs(NamedTuple):
    """The inputs of action.yml, each checked, and the run."""

    place: Place
    origin: Origin
    audience: str
    ca_file: str
    token: Sensitive | None
    export_env: bool
    export_outputs: bool
    env_file: Path | None
    masking: Masking
    run: Run


def stored_token(environ: Mapping[str, str]) -> Sensitive | None:
    """The token that the workflow handed over, as it is: it is masked before anything else is looked at."""
    token = environ.get(f"{_PREFIX}TOKEN", "").strip()
    return Sensitive(token) if token else None


def read(environ: Mapping[str, str]) -> Inputs:
    """The inputs from the variables that action.yml sets. Raises UsageProblem and Misconfigured, naming the input."""
    origin = parse_origin(_server(environ), "the input api-url")
    token = stored_token(environ)
    if token is not None and not is_token(token.reveal()):
        raise UsageProblem("the input token holds characters that no token has", "store the API key again, alone")
    return Inputs(
        place=_place(environ),
        origin=origin,
        audience=_text(environ, "OIDC_AUDIENCE") or origin.name,
        ca_file=environ.get("KEYWAY_CA_FILE", "").strip(),
        token=token,
        export_env=_flag(environ, "EXPORT_ENV"),
        export_outputs=_flag(environ, "EXPORT_OUTPUTS"),
        env_file=_env_file(environ),
        masking=_masking(environ),
        run=_run(environ),
    )


def _text(environ: Mapping[str, str], name: str) -> str:
    return environ.get(_PREFIX + name, "").strip()


def _spoken(name: str) -> str:
    return "the input " + name.lower().replace("_", "-")


def _flag(environ: Mapping[str, str], name: str) -> bool:
    said = _text(environ, name).lower()
    if said not in _YES | _NO:
        raise UsageProblem(f"{_spoken(name)} is neither true nor false")
    return said in _YES


def _server(environ: Mapping[str, str]) -> str:
    server = _text(environ, "API_URL") or environ.get("KEYWAY_API_URL", "").strip()
    if not server:
        raise Misconfigured(
            "no Keyway server is named",
            "give the step `api-url: https://api.<your domain>`, or the job the variable KEYWAY_API_URL",
        )
    return server


def _place(environ: Mapping[str, str]) -> Place:
    repository = _text(environ, "REPOSITORY") or environ.get("GITHUB_REPOSITORY", "").strip()
    if not is_repository(repository):
        raise UsageProblem("the input repository is not of the form owner/name")
    environment = _text(environ, "ENVIRONMENT")
    if not 1 <= len(environment) <= LONGEST_ENVIRONMENT or not environment.isprintable():
        raise UsageProblem(
            f"the input environment has to name one, in 1 to {LONGEST_ENVIRONMENT} characters",
            "none is taken for granted, production least of all",
        )
    return Place(repository, environment)


def _env_file(environ: Mapping[str, str]) -> Path | None:
    """The file to write. Raises UsageProblem for one that is not in the workspace, unless that was asked for."""
    named = _text(environ, "ENV_FILE")
    if not named:
        return None
    workspace = Path(environ.get("GITHUB_WORKSPACE") or ".").resolve()
    try:
        target = (workspace / named).resolve()
        inside = target.is_relative_to(workspace) and not git.leads_into(target.relative_to(workspace))
    except (OSError, RuntimeError, ValueError):  # a link to itself, a NUL
        raise UsageProblem("the input env-file names no file that could be written") from None
    if not inside and not _flag(environ, "ENV_FILE_OUTSIDE_WORKSPACE"):
        raise UsageProblem(
            "the input env-file leads out of the workspace, or into .git",
            "name a file in the workspace, or add `env-file-outside-workspace: true` if you mean that one",
        )
    if target.is_dir() or not target.parent.is_dir():
        raise UsageProblem("the input env-file names a folder, or a file in a folder that does not exist")
    return target


def _masking(environ: Mapping[str, str]) -> Masking:
    said = _text(environ, "MASK_VALUES").lower()
    if said == Masking.ALL.value:
        return Masking.ALL
    if said not in _YES | _NO:
        raise UsageProblem("the input mask-values is none of true, all and false")
    # Nothing said is no wish to show anything.
    return Masking.NONE if said in _NO - {""} else Masking.USUAL


def _run(environ: Mapping[str, str]) -> Run:
    token = environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "").strip()
    return Run(
        event=environ.get("GITHUB_EVENT_NAME", ""),
        ref=environ.get("GITHUB_REF", ""),
        id_token_url=environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", "").strip(),
        id_token=Sensitive(token) if token and is_token(token) else None,
    )
