"""What tests of single secrets do: the routes of the dashboard, and a look at the rows behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.backend.secrets.desk import Desk
from tests.invariants.api import Answer


@dataclass(frozen=True)
class Shelf:
    """A credential at the vault of a desk's place."""

    desk: Desk

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """A request below the vault's path."""
        # The dashboard sends no body and no content type where there is nothing to say.
        return self.desk._request(method, f"/v1/vaults/{self.desk.place.repository}{path}", body, None)

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """The data of a request that must succeed."""
        answer = self.ask(method, path, body)
        assert 200 <= answer.status < 300, answer
        return answer.body.get("data")

    def create(self, key: str, value: str, environment: str = "") -> str:
        """A secret that must be new. Its id."""
        body = {"key": key, "value": value, "environment": environment or self.desk.place.environment}
        answer = self.ask("POST", "/secrets", body)
        assert (answer.status, answer.data["status"]) == (201, "created"), answer
        return str(answer.data["id"])

    def trashed(self, key: str, value: str = "v") -> str:
        """A secret that lies in the trash. Its id."""
        secret = self.create(key, value)
        self.done("DELETE", f"/secrets/{secret}")
        return secret

    def rewritten(self, key: str, *values: str) -> str:
        """A secret that had these values, one after the other. Its id."""
        secret = self.create(key, values[0])
        for value in values[1:]:
            self.done("PATCH", f"/secrets/{secret}", {"value": value})
        return secret

    def value(self, secret: str) -> str:
        """The value of a secret."""
        return str(self.done("GET", f"/secrets/{secret}/value")["value"])

    def versions(self, secret: str) -> list[str]:
        """The ids of its versions, newest first."""
        return [version["id"] for version in self.done("GET", f"/secrets/{secret}/versions")["versions"]]

    def names(self) -> list[str]:
        """The keys that the list shows, in its order."""
        return [item["key"] for item in self.done("GET", "/secrets")]

    def in_trash(self) -> list[str]:
        """The keys that the trash shows, in its order."""
        return [item["key"] for item in self.done("GET", "/trash")]

    def details(self, action: str) -> dict[str, Any]:
        """What the newest audit row of an action tells."""
        return dict(self.desk.audit(action)[-1]["details"])

    def rows(self, secret: str) -> list[tuple[Any, ...]]:
        """The rows of a secret, oldest first: id, key, from, to, whether it holds a value, its origin."""
        return self.desk.scene.sql(
            "SELECT id, key, from_revision, to_revision, sealed IS NOT NULL, origin_value_id FROM secret_values"
            " WHERE secret_id = %s ORDER BY from_revision",
            secret,
        )
