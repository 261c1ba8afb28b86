"""Bodies that cannot be read, and what is said about them."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from keyway_backend.platform.bodies import _parse
from keyway_backend.platform.errors import BadRequest, UnsupportedMediaType

JSON: Final = "application/json"


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data", "application/jsonx"])
def test_other_content_types_are_415(kind: str) -> None:
    """Neither JSON nor a form."""
    with pytest.raises(UnsupportedMediaType):
        _parse(b"{}", kind)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "line 1, column 2"),
        (b"{'a': 1}", "not valid JSON"),
        (b'{"a": 1} x', "not valid JSON"),
        (b'{"a": 1,}', "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "a": 2}', "names a twice"),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', "names a twice"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (b'{"secrets": {"KEY": "\\ud800"}}', "secrets.KEY holds a lone surrogate"),
        (b'{"list": ["ok", "\\udfff"]}', "list[1] holds a lone surrogate"),
        (b'{"\\ud800": 1}', "name in the body holds a lone surrogate"),
        (b'{"a":' + b"[" * 20_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number that is too long"),
    ],
)
def test_what_cannot_be_read_is_400(raw: bytes, said: str) -> None:
    """The sentence says what is wrong, and where."""
    with pytest.raises(BadRequest) as caught:
        _parse(raw, JSON)
    assert said in caught.value.detail


def test_a_value_is_never_quoted() -> None:
    """Wherever the fault is, the text around it stays out of the sentence."""
    whole = json.dumps({"secrets": {"KEY": "CANARY" * 4}}).encode()
    for cut in range(1, len(whole)):
        with pytest.raises(BadRequest) as caught:
            _parse(whole[:cut], JSON)
        assert "CANARY" not in caught.value.detail


@pytest.mark.parametrize(
    ("raw", "kind", "read"),
    [
        (b"", "", {}),
        (b"  \n", "text/plain", {}),
        (b"{}", JSON, {}),
        (b'{"a": "\\ud83d\\ude00"}', "Application/JSON; charset=utf-8", {"a": "\U0001f600"}),
        (b"a=1&b=&c=x+y", "application/x-www-form-urlencoded", {"a": "1", "b": "", "c": "x y"}),
    ],
)
def test_what_can_be_read(raw: bytes, kind: str, read: dict[str, Any]) -> None:
    """No body is an empty object whatever its content type; JSON and forms are objects."""
    assert _parse(raw, kind) == read
