"""Who the run is: a token that GitHub signs for it, exchanged for one that reads one environment for 15 minutes."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote, urlsplit

from keyway_core.sensitive import Sensitive

from keyway_cli import __version__
from keyway_cli.api import Api, data_of, foreign
from keyway_cli.ci.inputs import Inputs
from keyway_cli.ci.runner import Runner
from keyway_cli.errors import KeywayError, NotSignedIn, Unavailable, UsageProblem
from keyway_cli.origin import parse_origin
from keyway_cli.settings import is_token
from keyway_cli.transport import Transport

USER_AGENT: Final = f"keyway-action/{__version__}"
_PERMIT: Final = (
    "give the job `permissions: id-token: write` (and `contents: read`, if it had none before). GitHub never gives "
    "that to pull requests of forks"
)


def signed_in(inputs: Inputs, runner: Runner, proof: Sensitive | None) -> Api:
    """The server, on behalf of the stored token, or of this run by GitHub's proof. Masks what the server gives."""
    transport = Transport(inputs.origin, ca_file=inputs.ca_file)
    if proof is None:
        return Api(transport, inputs.token, USER_AGENT)
    return Api(transport, _exchanged(inputs, runner, Api(transport, None, USER_AGENT), proof), USER_AGENT)


def from_github(inputs: Inputs, runner: Runner) -> Sensitive:
    """GitHub's token of this run for our server, masked. Raises NotSignedIn when the job may not have one."""
    run = inputs.run
    if not run.id_token_url or run.id_token is None:
        raise NotSignedIn("this job may not ask GitHub who it is, and the input token is empty", _PERMIT)
    runner.mask([run.id_token.reveal()])
    parts = urlsplit(run.id_token_url)
    origin = parse_origin(f"{parts.scheme}://{parts.netloc}", "ACTIONS_ID_TOKEN_REQUEST_URL")
    path = f"{parts.path}?{parts.query}{'&' if parts.query else ''}audience={quote(inputs.audience, safe='')}"
    headers = {
        "Authorization": f"Bearer {run.id_token.reveal()}",
        "Accept": "application/json; api-version=2.0",
        "User-Agent": USER_AGENT,
    }
    reply = Transport(origin, ca_file=inputs.ca_file).send("GET", path, headers, repeatable=True)
    if reply.status >= 500 or reply.status == 429:
        raise Unavailable(f"GitHub cannot say now who this run is: it answered {reply.status}", "run the job again")
    if reply.status != 200:
        raise NotSignedIn(f"GitHub does not say who this run is: it answered {reply.status}", _PERMIT)
    return _masked(runner, _value(reply.body))


def _value(body: bytes) -> object:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer.get("value") if isinstance(answer, dict) else None


def _masked(runner: Runner, token: object) -> Sensitive:
    """A token that came, hidden from the log. Raises KeywayError for what is none."""
    if not isinstance(token, str) or not token or not is_token(token):
        raise KeywayError("the answer to a request for a token has none in it", "run the job again")
    runner.mask([token])
    return Sensitive(token)


def _exchanged(inputs: Inputs, runner: Runner, nobody: Api, proof: Sensitive) -> Sensitive:
    """Our token for GitHub's. Raises UsageProblem when it is for another repository than the one that was named."""
    body = {"token": proof.reveal(), "environment": inputs.place.environment}
    data = data_of(nobody.call("POST", "/v1/auth/oidc/github", body))
    token, repository = _masked(runner, data.get("token")), data.get("repository")
    if not isinstance(repository, str):
        raise foreign("its answer names no repository")
    if repository.lower() != inputs.place.repository.lower():
        raise UsageProblem(
            f"a run of {repository} cannot read the vault of {inputs.place.repository}",
            "leave the input repository out, or give an API key of that vault as the input token",
        )
    return token
