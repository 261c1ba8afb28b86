"""The MCP server and the GitHub Action (contract.md 12 and 13): both are Node, both ask with `fetch`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from tests.contracts.public_clients.env_text import parsed
from tests.contracts.public_clients.sender import Sender
from tests.contracts.public_clients.shapes import filled, reads
from tests.oracle.wire import Answer, Header

_ALIASES: Final = {"prod": "production", "dev": "development", "stg": "staging"}
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_ENVIRONMENT: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")


def _fetched(host: str, own: list[Header], length: int | None) -> Iterator[Header]:
    """The headers of `fetch` in Node: what the program gave, between what the runtime adds by itself."""
    yield "host", host
    yield "connection", "keep-alive"
    yield from own
    yield "accept", "*/*"
    yield "accept-language", "*"
    yield "sec-fetch-mode", "cors"
    yield "accept-encoding", "gzip, deflate"
    if length is not None:
        yield "content-length", str(length)


class ToolError(Exception):
    """What a tool tells the assistant instead of a result."""


def _detail(answer: Answer) -> str:
    """Of an error: `detail`, or `title`; read only when the content type says JSON."""
    assert "application/json" in answer.header("content-type")
    told = reads(answer.json(), {"title": filled, "detail": str}, "problem")
    return str(told["detail"] or told["title"])


@dataclass
class McpServer:
    """`keyway-mcp` with the login of the command line, in a clone of one repository."""

    base: str
    token: str
    repository: str
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.sender = Sender(self.base)

    def raw(self, method: str, target: str, body: Any = None, *, typed: bool = True) -> Answer:
        """One request, whatever comes back."""
        content = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        own = [("User-Agent", "keyway-mcp/1.0.0"), ("Authorization", f"Bearer {self.token}")]
        own += [("Content-Type", "application/json")] if typed else []
        return self.sender.send(method, target, _fetched(self.sender.host, own, content and len(content)), content)

    def ask(self, method: str, target: str, body: Any = None, *, typed: bool = True) -> Any:
        """Inside the envelope. Raises ToolError."""
        answer = self.raw(method, target, body, typed=typed)
        if answer.status >= 400:
            raise ToolError(_detail(answer))
        return answer.json()["data"]

    def pulled(self, environment: str) -> dict[str, str]:
        """An environment's values."""
        assert _ENVIRONMENT.fullmatch(environment)
        query = urlencode({"repo": self.repository, "environment": environment})
        content = reads(self.ask("GET", f"/v1/secrets/pull?{query}"), {"content": str})["content"]
        return parsed(content, javascript=True)

    def pushed(self, environment: str, secrets: Mapping[str, str]) -> int:
        """A push; the number of keys that were created is the one thing read."""
        body = {"repoFullName": self.repository, "environment": environment, "secrets": secrets}
        return int(reads(self.ask("POST", "/v1/secrets/push", body), {"stats": {"created": int}})["stats"]["created"])

    # tools -----------------------------------------------------------------------------------------------------------

    def list_secrets(self, environment: str = "development") -> dict[str, Any]:
        """keyway_list_secrets."""
        names = sorted(self.pulled(environment))
        return {"repository": self.repository, "environment": environment, "count": len(names), "secrets": names}

    def set_secret(self, name: str, value: str, environment: str = "development") -> dict[str, Any]:
        """keyway_set_secret: a push of that one key and nothing else."""
        assert _NAME.fullmatch(name)
        created = self.pushed(environment, {name: value})
        return {
            "success": True,
            "name": name,
            "environment": environment,
            "action": "created" if created else "updated",
        }

    def inject_run(self, environment: str = "development") -> dict[str, str]:
        """keyway_inject_run: what the command finds in its environment."""
        return self.pulled(environment)

    def list_environments(self) -> dict[str, Any]:
        """keyway_list_environments; it sends no content type."""
        found = reads(self.ask("GET", f"/v1/vaults/{self.repository}", typed=False), {"environments": [filled]})
        names = found["environments"]
        return {"repository": self.repository, "environments": names, "count": len(names)}

    def scan(self) -> int:
        """keyway_scan: asks nobody anything."""
        return 0

    def diff(self, one: str, other: str) -> dict[str, Any]:
        """keyway_diff."""
        left, right = (self.pulled(_ALIASES.get(name, name)) for name in (one, other))
        both = left.keys() & right.keys()
        return {
            "onlyInEnv1": sorted(left.keys() - right.keys()),
            "onlyInEnv2": sorted(right.keys() - left.keys()),
            "different": sorted(name for name in both if left[name] != right[name]),
            "same": sorted(name for name in both if left[name] == right[name]),
        }

    def generate(self, name: str, value: str, environment: str = "development") -> str:
        """keyway_generate: whatever goes wrong with the pull counts as empty; then all of it is pushed."""
        try:
            there = self.pulled(environment)
        except ToolError:
            there = {}
        self.pushed(environment, there | {name: value})
        return "updated" if name in there else "created"

    def validate(self, environment: str, required: list[str]) -> dict[str, Any]:
        """keyway_validate: what is required and not there."""
        try:
            there = self.pulled(environment)
        except ToolError:
            there = {}
        missing = [name for name in required if name not in there]
        return {"valid": not missing, "missing": missing, "present": sorted(set(required) & there.keys())}


class ActionFailed(Exception):
    """What `setFailed` is called with."""


@dataclass
class Action:
    """`keyway-action`: one step of a workflow."""

    base: str
    token: str
    repository: str
    environment: str = "cicd"
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.sender = Sender(self.base)

    def run(self) -> tuple[dict[str, str], str]:
        """The variables that it exports, and the raw text that it may write to a file. Raises ActionFailed."""
        query = urlencode({"repo": self.repository, "environment": self.environment or "production"})
        own = [
            ("Content-Type", "application/json"),
            ("User-Agent", "keyway-action/1.0.0"),
            ("Authorization", f"Bearer {self.token}"),
        ]
        headers = _fetched(self.sender.host, own, None)
        answer = self.sender.send("GET", f"/v1/secrets/pull?{query}", headers)
        if answer.status != 200:
            raise ActionFailed(self._failure(answer))
        assert "application/json" in answer.header("content-type")
        content = reads(answer.json(), {"data": {"content": str}}, "body")["data"]["content"]
        return parsed(content, javascript=True), content

    def _failure(self, answer: Answer) -> str:
        match answer.status:
            case 401:
                return "the token is invalid or has expired"
            case 403:
                told = answer.json()
                return f"{_detail(answer)} {told.get('upgradeUrl', '')}".strip()
            case 404:
                return "vault not found"
        return _detail(answer)
