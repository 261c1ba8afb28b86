"""Errors at Sentry, through its own library: which kind, and where. Never what it was about.

An exception's sentence may quote what was sent, and so may the variables of each frame. The library is told to take
neither, and what leaves is made anew out of a list of fields, so that a field which a later version adds stays here.
Nothing of it waits: an event lies in a bounded queue that a thread of the library empties.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from keyway_backend.platform.aside import aside

_PARTING_SECONDS: Final = 1.0
_EVENT: Final = ("event_id", "timestamp", "platform", "level", "release", "tags")
_FRAME: Final = ("module", "function", "lineno", "in_app")
# Facts of a line of our log that tell where it was written: constants of the code, and templates of routes.
_FACTS: Final = {
    "component": re.compile(r"[a-z_.]{1,40}"),
    "event": re.compile(r"[a-z_]{1,40}"),
    "method": re.compile(r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"),
    "route": re.compile(r"unmatched|/[A-Za-z0-9_/{}-]{0,120}"),
    "task": re.compile(r"[a-z_.]{1,40}"),
    "sqlstate": re.compile(r"[0-9A-Z]{5}"),
}
_LEVELS: Final = frozenset({"warning", "error"})

logging.getLogger("sentry_sdk.errors").setLevel(logging.CRITICAL + 1)  # it would tell of itself what we do not


class Sentry:
    """A project there."""

    def __init__(self, dsn: str, *, release: str) -> None:
        self._client = sentry_sdk.Client(
            dsn=dsn,
            release=release,
            environment="",
            server_name="",
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            include_local_variables=False,
            include_source_context=False,
            max_breadcrumbs=0,
            send_client_reports=False,
            send_default_pii=False,
            spotlight=False,
            http_proxy="",
            https_proxy="",
            before_send=_allowed,
        )

    def report(self, error: BaseException, facts: Mapping[str, Any]) -> None:
        """Tells of an error that a line of our log tells of. Never raises, never waits."""
        with contextlib.suppress(Exception):
            event, hint = event_from_exception(error, client_options=self._client.options)
            level = str(facts.get("level"))
            told: Any = {**event, "level": level if level in _LEVELS else "error", "tags": _tags(facts)}
            self._client.capture_event(told, hint)

    async def close(self) -> None:
        """Sends what there is, within a second."""
        await aside(lambda: self._client.close(timeout=_PARTING_SECONDS))


def _tags(facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: fact
        for name, shape in _FACTS.items()
        if isinstance(fact := facts.get(name), str) and shape.fullmatch(fact)
    }


def _allowed(event: Event, _: Hint) -> Event:
    """What may leave."""
    given: dict[str, Any] = dict(event)
    kept: Any = {name: given[name] for name in _EVENT if name in given}
    errors = (given.get("exception") or {}).get("values") or []
    kept["exception"] = {"values": [_error(one) for one in errors]}
    return kept  # type: ignore[no-any-return]


def _error(one: Mapping[str, Any]) -> dict[str, Any]:
    frames = (one.get("stacktrace") or {}).get("frames") or []
    told = [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]
    return {"type": one.get("type"), "module": one.get("module"), "stacktrace": {"frames": told}}
