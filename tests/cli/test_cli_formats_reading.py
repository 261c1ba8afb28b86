"""What `keyway import` makes of a file: every shape of every provider, and files that are broken or mean harm."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from contextlib import suppress
from typing import Any, Final

import pytest
from exports_of_others import EXPORTS, Exported
from hypothesis import given, settings
from hypothesis import strategies as st
from keyway_cli.commands.import_ import command
from keyway_cli.formats.providers import Found, as_key, names, read
from keyway_cli.formats.reading import SYNTAXES, Unreadable, decoded, syntax_of
from keyway_cli.formats.writing import written
from keyway_core.limits import REQUEST_BODY_BYTES
from keyway_core.sensitive import Sensitive

from tests.backend.secrets.desk import HARD
from tests.invariants.test_values_survive import generated

CORPUS: Final = HARD | {f"G{number}": value for number, value in enumerate(generated(11, 150))} | {"NO": "y", "on": "~"}
DEEP: Final = 100_000


def found(name: str, data: bytes, said: str | None = None) -> Found:
    """What an import sees."""
    text = decoded(data)
    return read(text, said if said in SYNTAXES else syntax_of(name, text), "plain" if said in SYNTAXES else said)


def values(seen: Found) -> dict[str, str]:
    return {one.name: one.value.reveal() for one in seen.entries if one.value and not one.left_out and not one.refused}


@pytest.mark.parametrize("exported", EXPORTS.values(), ids=EXPORTS)
def test_an_export_is_recognised_and_read(exported: Exported) -> None:
    """Without a word about where it comes from: the provider, every value, and what is left out."""
    seen = found(exported.name, exported.data)
    assert (seen.syntax if seen.provider == "plain" else seen.provider) == exported.source
    assert values(seen) == exported.values
    assert tuple(one.name for one in seen.entries if one.left_out) == exported.left_out
    assert [one for one in seen.entries if one.refused] == []


@pytest.mark.parametrize("exported", EXPORTS.values(), ids=EXPORTS)
def test_the_provider_may_be_said(exported: Exported) -> None:
    """With the same result; another one's name is refused, never half understood."""
    assert values(found(exported.name, exported.data, exported.source)) == exported.values
    syntax = syntax_of(exported.name, decoded(exported.data))
    for other in {"doppler", "bitwarden", "1password", "k8s", "aws"} - {exported.source}:
        if syntax in {"json", "csv"} and exported.source not in {"vault", "sops"}:
            with pytest.raises(Unreadable, match=f"no export of {other}"):
                found(exported.name, exported.data, other)


def test_every_provider_is_offered_and_tested() -> None:
    """The command's list, the descriptions and the examples know the same ones."""
    (option,) = (one for one in command.params if one.name == "source")
    assert sorted(option.type.choices) == sorted({*SYNTAXES, *names()} - {"sops"})  # type: ignore[attr-defined]
    assert {*SYNTAXES, *names()} - {"sops"} == {exported.source for exported in EXPORTS.values()}


@pytest.mark.parametrize("name", ["dotenv", "json", "yaml", "csv", "k8s"])
def test_what_export_writes_import_reads(name: str) -> None:
    """The whole corpus, through our own writer and our own reader."""
    text = written(name, {key: Sensitive(value) for key, value in CORPUS.items()}, "x").reveal()
    suffix = {"dotenv": ".env", "k8s": "x.yaml"}.get(name, f"x.{name}")
    assert values(found(suffix, text.encode())) == CORPUS


def test_what_export_writes_for_docker_import_reads() -> None:
    """For what docker can carry."""
    short = {
        key: value for key, value in CORPUS.items() if "\n" not in value and value[-1:] != "\r" and len(value) < 999
    }
    text = written("docker", {key: Sensitive(value) for key, value in short.items()}, "x").reveal()
    assert values(found("x.list", text.encode())) == short


def test_a_tree_of_paths_is_read_when_it_is_said() -> None:
    """Nested objects are nobody's flat mapping otherwise."""
    tree = b"app:\n  db:\n    PASSWORD: canary\n  TOKEN: t\n"
    assert values(found("v.yaml", tree, "vault")) == {"PASSWORD": "canary", "TOKEN": "t"}
    (entry,) = found("v.yaml", tree).entries
    assert "is an object" in entry.refused


def test_a_provider_that_writes_plain_files_may_be_said() -> None:
    """Then what it adds itself is left out of a .env file too."""
    seen = found(".env", b"A=1\nDOPPLER_CONFIG=x\n", "doppler")
    assert values(seen) == {"A": "1"}


REFUSED: Final[dict[str, tuple[str, bytes, str, int]]] = {
    "json cut off": ("a.json", b'{"A": "canary', "no JSON here", 1),
    "json, second line": ("a.json", b'{\n"A": canary}', "no JSON here", 2),
    "json, two documents": ("a.json", b'{"A": "1"}\n{"B": "2"}', "no JSON here", 2),
    "json, a name twice": ("a.json", b'{"A": "canary", "A": "2"}', "A is set here twice", 0),
    "json, NaN": ("a.json", b'{"A": NaN}', "NaN is no JSON", 0),
    "json, deep": ("a.json", b"[" * DEEP + b"]" * DEEP, "nested deeper", 0),
    "json, deep objects": ("a.json", b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested deeper", 0),
    "json, raw line end": ("a.json", b'{"A": "canary\n"}', "no JSON here", 1),
    "json, a list": ("a.json", b'["canary"]', "a list is not a mapping", 0),
    "json, one text": ("a.json", b'"canary"', "one value is not a mapping", 0),
    "json, nothing": ("a.json", b"", "no JSON here", 1),
    "json, no key": ("a.json", b"{}", "there is no key", 0),
    "json, records without key": (
        "a.json",
        b'[{"key":"A","value":"1","type":"shared"},{"value":"canary"}]',
        "record 2",
        0,
    ),
    "json, records that are none": ("a.json", b'[{"key":"A","value":"1","type":"shared"},"canary"]', "record 2", 0),
    "yaml, aliases": ("a.yaml", b"A: &x canary\nB: *x\n", "an alias", 2),
    "yaml, billion laughs": (
        "a.yaml",
        b"a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
        "an alias",
        2,
    ),
    "yaml, python object": ("a.yaml", b"A: 1\nB: !!python/object/apply:os.system ['touch PWNED']\n", "a tag", 2),
    "yaml, binary": ("a.yaml", b"A: !!binary Y2FuYXJ5\n", "a tag", 1),
    "yaml, vault tag": ("a.yaml", b"A: !vault |\n  canary\n", "a tag", 1),
    "yaml, a name twice": ("a.yaml", b"A: canary\nB: 2\nA: 3\n", "A is set here and on line 1", 3),
    "yaml, not closed": ("a.yaml", b"A: 'canary\nB: 2\n", "no YAML here", 3),
    "yaml, a tab": ("a.yaml", b"A:\n\tB: canary\n", "no YAML here", 2),
    "yaml, control character": ("a.yaml", b"A: 1\nB: canary\x01\n", "YAML", 2),
    "yaml, deep": ("a.yaml", b"[" * DEEP, "nested deeper", 1),
    "yaml, deep mappings": (
        "a.yaml",
        b"".join(b" " * n + b"a:\n" for n in range(99)) + b" " * 99 + b"b: 1",
        "nested",
        65,
    ),
    "yaml, a name that is a list": ("a.yaml", b"? [canary]\n: 1\n", "a name that is no text", 1),
    "yaml, nothing": ("a.yaml", b"# nothing\n", "not a mapping", 0),
    "csv, no header": ("a.csv", b"A,canary\nB,2\n", "the header has no columns", 0),
    "csv, a cell too many": ("a.csv", b"key,value\nA,1\nB,canary,3\n", "3 cells where the header has 2", 3),
    "csv, not closed": ("a.csv", b'key,value\nA,"canary\n', "no CSV here", 2),
    "csv, a column twice": ("a.csv", b"key,key,value\nA,B,canary\n", "key is set here twice", 2),
    "csv, a cell of a megabyte": ("a.csv", b"key,value\nA," + b"x" * 1_000_000 + b"\n", "no CSV here", 2),
    "dotenv, shell trick": (".env", b"A=1\nB='it'\\''s'\n", "closing quote", 2),
    "dotenv, a name twice": (".env", b"A=1\nA=canary\n", "line 1", 2),
    "docker, a bare name": ("x.list", b"A=1\nHOME\n", "a name without a value", 2),
    "not UTF-8": ("a.json", b'{"A":\n"canary\xff"}', "UTF-8", 2),
    "UTF-16": ("a.json", '{"A": "canary"}'.encode("utf-16"), "UTF-16", 1),
    "no hint at all": ("secrets.txt", b"A: canary\n", "neither name nor content", 0),
    "a picture": ("secrets.txt", b"\x89PNG\r\n\x1a\n", "UTF-8", 1),
    "sops": ("a.json", b'{"A": "ENC[x]", "sops": {"mac": "m"}}', "sops -d", 0),
    "bitwarden, encrypted": ("b.json", b'{"encrypted": true, "data": "2.canary"}', "encrypted export", 0),
    "1password, names only": ("o.json", b'[{"id": "x", "title": "T", "category": "LOGIN"}]', "op item get", 0),
    "aws, no object": ("a.json", b'{"ARN": "a", "SecretString": "canary"}', "no JSON here", 1),
    "aws, a list": ("a.json", b'{"ARN": "a", "SecretString": "[1]"}', "no object", 0),
    "archive, damaged": ("o.1pux", b"PK\x03\x04canary", "damaged", 0),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_says_where(case: tuple[str, bytes, str, int]) -> None:
    """The line where there is one, the reason, and not a word of the file."""
    name, data, words, line = case
    with pytest.raises(Unreadable) as raised:
        found(name, data)
    assert words in raised.value.reason + raised.value.hint
    assert raised.value.line == line
    assert "canary" not in raised.value.reason + raised.value.hint


def packed(content: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in content.items():
            archive.writestr(name, inside)
    return data.getvalue()


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked() -> None:
    """A bomb of 12 MB costs its limit and no more; an archive of somebody else is no export."""
    with pytest.raises(Unreadable, match="larger than"):
        found("o.1pux", packed({"export.data": b" " * (REQUEST_BODY_BYTES + 1)}))
    with pytest.raises(Unreadable, match="no 1PUX"):
        found("o.1pux", packed({"other": b"{}"}))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_with_a_wrong_byte_is_read_or_refused(method: int) -> None:
    """Whichever byte it is, and however it was packed."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", method) as archive:
        archive.writestr("export.data", b'{"accounts": [1, 2, 3]}' * 9 + bytes(range(99)))
    for place in range(len(kept.getvalue())):
        data = bytearray(kept.getvalue())
        data[place] ^= 0xFF
        with contextlib.suppress(Unreadable):
            decoded(bytes(data))


KEYS: Final[dict[str, tuple[str, Any, str]]] = {
    "null": ("A", None, "null"),
    "an object": ("A", {"x": "canary"}, "is an object"),
    "a list": ("A", ["canary"], "is a list"),
    "encrypted by dotenvx": ("A", "encrypted:BMcanary", "dotenvx decrypt"),
}


@pytest.mark.parametrize("case", KEYS.values(), ids=KEYS)
def test_one_value_that_is_none_is_refused_alone(case: tuple[str, Any, str]) -> None:
    """By its name; the others are read."""
    key, value, words = case
    entries = {one.name: one for one in found("a.json", json.dumps({key: value, "GOOD": "1"}).encode()).entries}
    assert words in entries[key].refused
    assert "canary" not in entries[key].refused
    assert not entries["GOOD"].refused


def test_a_secret_of_kubernetes_that_is_no_text() -> None:
    """Bytes and broken base64 are refused by their names."""
    entries = found("s.json", b'{"kind": "Secret", "data": {"A": "/w==", "B": "%%", "C": "Yw=="}}').entries
    assert [one.refused.split(";")[0] for one in entries] == ["is no text in UTF-8", "is no base64", ""]


def test_large_files_take_as_long_as_reading_them() -> None:
    """Twelve megabytes in each syntax, of many keys, and of one."""
    many = {f"K{number}": "v" * 50 for number in range(20_000)}
    assert len(found("a.json", json.dumps(many).encode()).entries) == len(many)
    yaml = "".join(f"{key}: {value}\n" for key, value in many.items())
    assert len(found("a.yaml", yaml.encode()).entries) == len(many)
    one = "x" * 11_000_000
    assert values(found("a.json", json.dumps({"A": one}).encode())) == {"A": one}
    assert values(found("a.yaml", f"A: {one}\n".encode())) == {"A": one}


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200), st.sampled_from([*SYNTAXES]))
def test_any_text_is_read_or_refused(text: str, syntax: str) -> None:
    """No other error than the one that tells where."""
    with suppress(Unreadable):
        assert read(text, syntax, "plain").entries


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Under a name that says nothing."""
    with suppress(Unreadable):
        assert found("x", data).entries


_TREES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["items", "data", "key", "value", "type", "kind", "secrets", "fields", "title", "name", "sops", "accounts",
         "computed", "login", "encrypted", "stringData", "Secret", "category", "SecretString", "ARN", "request_id"]
    ), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_TREES)
def test_any_shape_is_read_or_refused(document: Any) -> None:
    """Members of the providers' names in places where no provider puts them."""
    with suppress(Unreadable):
        assert read(json.dumps(document), "json", None).entries


def test_titles_become_keys() -> None:
    """What is a key stays; the rest becomes one, or nothing that looks like one."""
    titles = ["A_b1", "Stripe key (live)", "  x  ", "ünï", "", "1st", "a/b.c"]
    assert [as_key(title) for title in titles] == ["A_b1", "STRIPE_KEY_LIVE", "X", "N", "", "1ST", "A_B_C"]
