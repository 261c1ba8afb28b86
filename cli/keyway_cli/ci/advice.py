"""What to do about a refusal, where nobody sits at a terminal: the words of a workflow instead of those of a shell."""

from __future__ import annotations

from keyway_cli.api import Empty
from keyway_cli.ci.inputs import Inputs
from keyway_cli.errors import KeywayError, NoAccess, NotFound, NotSignedIn, Unavailable

_PAGE = "docs/github-action.md"


def advised(error: KeywayError, inputs: Inputs) -> KeywayError:
    """The same error, with a hint for whoever looks after the workflow."""
    place, server = inputs.place, inputs.origin.name
    match error:
        case Unavailable():
            error.hint = (
                f"check that the runner reaches {server} (GitHub's own runners reach public addresses only), and run "
                f"the job again{f' in {error.retry_after:g} seconds' if error.retry_after else ''}"
            )
        case NotSignedIn() if inputs.token is not None:
            error.hint = (
                "the API key in the input token has ended or was revoked, or is not the whole key: make a new one and "
                "store it as a secret of the repository; or take `token` out and let the run prove itself (OIDC)"
            )
        case NotSignedIn():
            error.hint = (
                f"the server takes tokens for its own public address and its own GitHub only, each once: api-url is "
                f"{server}, the token was made for {inputs.audience}; if the server is known by another address, name "
                "that in oidc-audience"
            )
        case Empty():
            error.message = f"{place} is empty: {error.message}"
            error.hint = f"fill it: keyway push -e {place.environment}; or name another environment"
        case NotFound():
            error.message = f"{place}: {error.message}"
            error.hint = (
                "the environment or the vault is not there: name one that `keyway env list` shows, or make it with "
                f"keyway env create {place.environment}"
            )
        case NoAccess() if inputs.token is not None:
            error.message = f"{place}: {error.message}"
            error.hint = (
                "the API key must belong to somebody who may read this environment, have the scope read:secrets, and "
                "not be bound to another vault, environment or network. Is the name right? keyway env list"
            )
        case NoAccess():
            error.message = f"{place}, event {inputs.run.event or '?'}, ref {inputs.run.ref or '?'}: {error.message}"
            error.hint = (
                f"does {place.environment} exist (keyway env list)? Without a rule a run reads environments that are "
                "not protected, on the default branch, for push, schedule, workflow_dispatch, release and deployment; "
                "other branches and tags, other events and production need a rule that an administrator of the "
                f"repository makes ({_PAGE}, Rules), one for a pull request too"
            )
    return error
