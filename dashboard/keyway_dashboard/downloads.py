"""Files made while they are sent: CSV and JSON of lists of any length, a page of the backend at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from keyway_dashboard.backend import Invalid

# A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_TYPES: Final = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}

Row = Mapping[str, Any]


async def download(name: str, kind: str, columns: Sequence[str], rows: AsyncIterator[Sequence[Row]]) -> Response:
    """The rows as a file `name`.`kind`. The first of them are asked for before the answer begins, so that what the
    backend refuses becomes a page; when it fails later, the download breaks off and does not look whole.

    Raises Invalid for another kind than csv and json.
    """
    if kind not in _TYPES:
        raise Invalid(400, "Files are made as csv or json.")
    try:
        first = await anext(rows)
    except StopAsyncIteration:
        first = ()
    body = _csv(columns, first, rows) if kind == "csv" else _json(first, rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return StreamingResponse(body, media_type=_TYPES[kind], headers=headers)


async def _csv(columns: Sequence[str], first: Sequence[Row], rest: AsyncIterator[Sequence[Row]]) -> AsyncIterator[str]:
    yield _lines([columns])
    yield _lines([[cell(row.get(name)) for name in columns] for row in first])
    async for rows in rest:
        yield _lines([[cell(row.get(name)) for name in columns] for row in rows])


async def _json(first: Sequence[Row], rest: AsyncIterator[Sequence[Row]]) -> AsyncIterator[str]:
    yield "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in first)
    begun = bool(first)
    async for rows in rest:
        for row in rows:
            yield (",\n" if begun else "") + json.dumps(row, ensure_ascii=False)
            begun = True
    yield "]\n"


def _lines(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def cell(value: Any) -> str:
    """As text that no spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
