"""The newest revision that this machine has seen of every environment.

A restored database is consistent with itself, so the server cannot tell that it went back in time. A client that has
seen revision 9 can.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from keyway_cli.api import Place, Revision
from keyway_cli.errors import KeywayError, Misconfigured, RolledBack
from keyway_cli.files import make_private_folder, reason, write_private


class Memory:
    """The newest revision seen of one environment on one server, in a file of its own."""

    def __init__(self, state: Path, api_url: str, place: Place) -> None:
        self._place = place
        parts = (api_url, *place.repository.lower().split("/"), f"{place.environment}.json")
        self._path = state.joinpath("revisions", *(quote(part, safe="") for part in parts))

    def newest(self) -> Revision | None:
        """What was seen last, or None. Raises Misconfigured when the file cannot be read."""
        try:
            kept = json.loads(self._path.read_bytes())
            return Revision(int(kept["number"]), str(kept["id"]))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Misconfigured(f"{self._path} cannot be read: {reason(error)}") from None
        except (ValueError, KeyError, TypeError):
            raise Misconfigured(
                f"{self._path} is damaged, so a server that went back in time cannot be noticed",
                "remove that file to begin anew",
            ) from None

    def check(self, seen: Revision | None, shown: Revision) -> None:
        """Raises RolledBack when the server shows less than was seen before, or another revision of that number."""
        if seen is None or shown.number > seen.number or shown == seen:
            return
        what = "an older revision" if shown.number < seen.number else "a different revision of the same number"
        raise RolledBack(
            f"the server shows {what} of {self._place} than this machine has seen "
            f"(seen: {seen.number} {seen.id}; shown: {shown.number} {shown.id})",
            "its database may have been restored from a backup, the vault made anew, or somebody tampered with it: "
            "ask who runs it; then accept its state with --accept-rollback",
        )

    def remember(self, shown: Revision, *, even_if_older: bool = False) -> str:
        """Keeps a revision if it is the newest. Answers why it could not be kept, or nothing."""
        newest = self.newest()
        if newest == shown or (newest and shown.number < newest.number and not even_if_older):
            return ""
        try:
            make_private_folder(self._path.parent)
            write_private(self._path, json.dumps({"number": shown.number, "id": shown.id}).encode())
        except KeywayError as error:
            return error.message
        return ""
