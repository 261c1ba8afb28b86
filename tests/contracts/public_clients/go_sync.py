"""`keyway sync` of the public command line (contract.md 11.4, 4.12): its queries are not escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.contracts.public_clients.go_cli import GoCli
from tests.contracts.public_clients.shapes import Optional, Some, reads

_NAMES: Final = Some(str)
_COUNTS: Final = {"created": int, "updated": int, "deleted": int, "skipped": int, "total": int}


@dataclass
class GoSync:
    """One vault and one project. `project` is as `projects` gave it."""

    cli: GoCli
    repository: str
    project: Mapping[str, Any]
    environment: str = "production"
    provider_environment: str = "production"

    @property
    def _at_provider(self) -> dict[str, str]:
        ids = {"connectionId": self.project["connectionId"], "projectId": self.project["id"]}
        return ids | ({"serviceId": self.project["serviceId"]} if self.project.get("serviceId") else {})

    @property
    def _environments(self) -> dict[str, str]:
        return {"keywayEnvironment": self.environment, "providerEnvironment": self.provider_environment}

    def _path(self, action: str, query: Mapping[str, str] | None = None) -> str:
        raw = "&".join(f"{name}={value}" for name, value in (query or {}).items())
        return f"/v1/integrations/vaults/{self.repository}/sync{action}" + (f"?{raw}" if raw else "")

    def status(self) -> dict[str, Any]:
        """Was this ever synced, and is anything there?"""
        shape = {"isFirstSync": bool, "vaultIsEmpty": bool, "providerHasSecrets": bool, "providerSecretCount": int}
        query = self._at_provider | {"environment": self.environment}
        return dict(reads(self.cli.data("GET", self._path("/status", query)), shape))

    def link(self) -> None:
        """Remembers which environment goes where."""
        self.cli.ask("POST", self._path("/link"), self._at_provider | self._environments)

    def diff(self) -> dict[str, Any]:
        """What is where."""
        shape = {"keywayCount": int, "providerCount": int, "onlyInKeyway": _NAMES, "onlyInProvider": _NAMES,
                 "different": _NAMES, "same": _NAMES}  # fmt: skip
        return dict(reads(self.cli.data("GET", self._path("/diff", self._at_provider | self._environments)), shape))

    def preview(self, direction: str, *, allow_delete: bool = False) -> dict[str, Any]:
        """What a sync would do."""
        more = {"direction": direction, "allowDelete": str(allow_delete).lower()}
        shape = {"toCreate": _NAMES, "toUpdate": _NAMES, "toDelete": _NAMES, "toSkip": _NAMES}
        path = self._path("/preview", self._at_provider | self._environments | more)
        return dict(reads(self.cli.data("GET", path), shape))

    def run(self, direction: str, *, allow_delete: bool = False) -> dict[str, int]:
        """The sync itself."""
        more = {"direction": direction, "allowDelete": allow_delete}
        told = self.cli.data("POST", self._path(""), self._at_provider | self._environments | more)
        reads(told, {"success": True, "stats": _COUNTS, "error": Optional((str, None))})
        return dict(told["stats"])
