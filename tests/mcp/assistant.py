"""An assistant: the official SDK's client, connected to the real `keyway mcp`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import forking
import warm_mcp
from beside import Beside
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import Implementation
from person import KEYWAY, Person

NAME = "hostile-assistant"


class Answer(NamedTuple):
    """What a tool answered: the whole text, and what it says as JSON."""

    text: str
    failed: bool

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Assistant:
    """Calls tools, and keeps every byte that it ever got."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.transcript: list[str] = []
        self.calls = 0

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """One call."""
        result = await self._client.call_tool(tool, arguments)
        (content,) = result.content
        answer = Answer(content.text, bool(result.is_error))
        self.calls += 1
        self.transcript += [answer.text, *_texts(answer.json), str(result.meta), str(result.structured_content)]
        return answer

    async def run(self, *command: str, environment: str | None = None, **more: Any) -> Answer:
        """One program."""
        chosen = {"environment": environment} if environment else {}
        return await self.call("keyway_inject_run", command=command[0], args=list(command[1:]), **chosen, **more)

    async def tools(self) -> list[Any]:
        """What the server offers."""
        return list((await self._client.list_tools()).tools)


def _texts(told: Any) -> Iterator[str]:
    """Every text in an answer, as it is when nothing is escaped."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict | list):
        for entry in told.items() if isinstance(told, dict) else told:
            yield from _texts(list(entry) if isinstance(entry, tuple) else entry)


@asynccontextmanager
async def assistant(
    person: Person, beside: Beside | None, options: Sequence[str] = (), *, mode: str = "auto", cold: bool = False
) -> AsyncIterator[Assistant]:
    """A connected assistant. `mode` is the era of the protocol; without a person beside it there is no browser.

    `cold` starts the server as an assistant would.
    """
    browser = {"BROWSER": beside.browser} if beside else {}
    started = (KEYWAY, ["mcp", *options]) if cold or forking.COLD else warm_mcp.command(*options)
    server = StdioServerParameters(
        command=started[0], args=started[1], env=person.variables | browser, cwd=person.clone
    )
    with Path(person.home, "server.log").open("w", encoding="utf-8") as errors:  # noqa: ASYNC230 - once, at the start
        transport = stdio_client(server, errlog=errors)
        async with Client(transport, client_info=Implementation(name=NAME, version="1.0"), mode=mode) as client:
            yield Assistant(client)
