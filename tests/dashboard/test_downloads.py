"""Files that are made while they are sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from keyway_dashboard.backend import Unavailable
from keyway_dashboard.downloads import cell, download


async def sent(kind: str, pages: list[list[dict[str, Any]]], *, breaks: bool = False) -> bytes:
    """The whole file."""

    async def rows() -> AsyncIterator[list[dict[str, Any]]]:
        for page in pages:
            yield page
        if breaks:
            raise Unavailable(503, "")

    answer = await download("x", kind, ("a", "b"), rows())
    return b"".join([part.encode() async for part in answer.body_iterator])  # type: ignore[attr-defined]


class TestRefuses:
    """What must not come out."""

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_no_cell_of_a_file_is_a_formula(self, text: str) -> None:
        """A spreadsheet shows what stands there."""
        assert cell(text) == f"'{text}"

    @pytest.mark.parametrize("kind", ["csv", "json"])
    @pytest.mark.parametrize("good", [0, 1, 3])
    def test_a_file_that_could_not_be_finished_does_not_look_whole(self, kind: str, good: int) -> None:
        """A page of the backend that fails breaks the download off; the first one becomes an error page."""
        with pytest.raises(Unavailable):
            anyio.run(lambda: sent(kind, [[{"a": "1"}]] * good, breaks=True))


class TestMakes:
    """What comes out."""

    @pytest.mark.parametrize("pages", [[], [[]], [[{"a": "x", "b": None}]], [[{"a": 1}], [], [{"a": 2}, {"a": True}]]])
    def test_json_is_json(self, pages: list[list[dict[str, Any]]]) -> None:
        """However many rows are on however many pages."""
        assert json.loads(anyio.run(sent, "json", pages)) == [row for page in pages for row in page]

    def test_csv_has_a_head_and_a_line_for_each_row(self) -> None:
        """What is missing is empty, yes and no are words, quotes are doubled."""
        found = anyio.run(sent, "csv", [[{"a": 'say "x", y'}], [{"b": True, "c": "not asked for"}]])
        assert found == b'a,b\r\n"say ""x"", y",\r\n,yes\r\n'
