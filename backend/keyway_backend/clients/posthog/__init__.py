"""Counting at PostHog, through its own library: that something was done, and never to what.

A person is a code that only this installation can make; names, addresses, repositories, environments and keys have no
way in: what leaves is made anew out of closed lists. Nothing of it waits: an event lies in a bounded queue that a
thread of the library empties, and what does not fit is not counted.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from posthog import Posthog

from keyway_backend.platform.aside import aside

_CALL_SECONDS: Final = 5.0
_QUEUE: Final = 2_000
_EVENT: Final = ("event", "distinct_id", "timestamp", "uuid")
# Of an audit row, what tells how something was done; with everything that may stand there.
_FACTS: Final[Mapping[str, frozenset[str]]] = {
    "platform": frozenset({"cli", "mcp", "web", "api"}),
    "source": frozenset({"cli", "mcp", "web", "api", "api_key", "ci"}),
    "credential_kind": frozenset({"session", "api_key", "pat", "ci"}),
}
_PROPERTIES: Final = frozenset({
    *_FACTS, "version", "$lib", "$lib_version", "$process_person_profile", "$geoip_disable", "$is_server",
})  # fmt: skip


class Counting:
    """A project there."""

    def __init__(self, project_key: str, host: str, *, actions: Collection[str], version: str, key: bytes) -> None:
        logging.getLogger("posthog").setLevel(logging.CRITICAL + 1)  # its lines may quote what it is sent
        self._actions = frozenset(actions)
        self._version = version
        self._key = key
        self._client = Posthog(
            project_key,
            host=host,
            before_send=self._allowed,
            max_queue_size=_QUEUE,
            max_retries=1,
            timeout=_CALL_SECONDS,
            flush_interval=1.0,
            disable_geoip=True,
            enable_exception_autocapture=False,
            enable_local_evaluation=False,
        )

    def count(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Counts what was recorded: rows of the audit. Never raises, never waits."""
        for row in rows:
            known = {name: row.get(name) for name, words in _FACTS.items() if row.get(name) in words}
            self._client.capture(
                row["action"],
                distinct_id=self._person(row.get("actor_github_user_id") or 0),
                properties={**known, "version": self._version, "$process_person_profile": False},
            )

    async def close(self) -> None:
        """Sends what there is, however long that takes: the caller gives up when it wants to, and the library, once it
        is told to shut down, is not waited for at exit again.
        """
        await aside(self._client.shutdown)

    def _person(self, number: int) -> str:
        return hmac.new(self._key, str(number).encode(), "sha256").hexdigest()[:32]

    def _allowed(self, event: Any) -> Any:
        """What may leave; None for an event that is none of ours."""
        if event.get("event") not in self._actions:
            return None
        kept: dict[str, Any] = {name: event[name] for name in _EVENT if name in event}
        properties = event.get("properties") or {}
        kept["properties"] = {name: value for name, value in properties.items() if name in _PROPERTIES}
        return kept
