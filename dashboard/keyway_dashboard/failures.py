"""What the backend refused, in words that say what to do."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Conflict, Invalid, Limited, Missing, Refused, SignedOut
from keyway_dashboard.pages import Trouble
from keyway_dashboard.visits import services_of, to_sign_in

_NO_ANSWER: Final = "no-answer"
_HIDDEN: Final = "It does not exist, or GitHub does not let you see it. An admin of the repository can add you there."
_SILENT: Final = (
    "The API does not answer. Wait a moment; whoever runs this server should look whether the backend is up."
)


async def answer(request: Request, error: Exception) -> Response:
    """The page for an error of the backend."""
    if isinstance(error, SignedOut):
        return to_sign_in(request)
    assert isinstance(error, BackendError)  # noqa: S101 - registered for this class alone
    trouble = explain(error)
    response = services_of(request).pages.trouble(request, trouble, trouble.status)
    if isinstance(error, Limited):
        response.headers["Retry-After"] = str(error.retry_after or 60)
    return response


def explain(error: BackendError) -> Trouble:
    """Title, text and status for people. The backend's own sentence is kept where it has one."""
    match error:
        case Refused():
            return Trouble("You may not do this", error.detail or "Your role on the repository does not allow it.", 403)
        case Missing():
            return Trouble("Nothing here for you", _HIDDEN, 404)
        case Conflict():
            return Trouble("Somebody was faster", error.detail or "Reload the page and look at what changed.", 409)
        case Limited():
            wait = f"Wait {error.retry_after or 60} seconds, then try again."
            return Trouble("Too many requests", f"{wait} Nothing was changed.", 429, again=True)
        case Invalid():
            return Trouble("That cannot be done so", error.detail or "Something in it is wrong.", 400)
    return _unavailable(error)


def _unavailable(error: BackendError) -> Trouble:
    if error.slug == _NO_ANSWER:
        return Trouble("Keyway cannot be reached", _SILENT, 503, again=True)
    text = error.detail or "The API answered in a way that we do not understand."
    return Trouble("This cannot be answered right now", text, 502 if error.status == 502 else 503, again=True)
