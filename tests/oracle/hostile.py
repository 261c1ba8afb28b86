"""Requests that no honest client sends. Each carries a canary; each must be refused in a way that says what to do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from .wire import Header, bearer, head

BODY_LIMIT: Final = 12_582_912
VALUE_LIMIT: Final = 65_536
KEY_LIMIT: Final = 256
PUSH: Final = "/v1/secrets/push"
BAD: Final = frozenset({400})
LARGE: Final = frozenset({413})
# A connection that the server hangs up on without an answer: possible only where no complete request was ever sent.
CUT: Final = frozenset({0, 400, 408})
# A server that hangs up on a sender who goes on sending may lose its last words on the way.
HUNG_UP: Final = frozenset({0, 400})
HEAD_LIMIT: Final = 65_536

REFUSED_KEYS: Final = (
    "PATH", "LD_PRELOAD", "LD_", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT",
)  # fmt: skip
MALFORMED_KEYS: Final = {
    "empty": "", "digit first": "1A", "dash": "A-B", "space": "A B", "equals": "A=B", "dot": "A.B", "newline": "A\nB",
    "final newline": "A\n", "NUL": "A\0", "letters beyond ASCII": "SCHLÜSSEL", "fullwidth letter": "\uff21",
    "zero width": "A\u200b", "257 characters": "K" * (KEY_LIMIT + 1),
}  # fmt: skip
WRONG_REPOSITORIES: Final[dict[str, Any]] = {
    "number": 1, "null": None, "list": [], "object": {}, "true": True, "empty": "", "no slash": "acme",
    "three parts": "a/b/c", "no owner": "/b", "no name": "a/", "dots": "../..", "dot": "acme/.", "space": "a b/c",
    "NUL": "a/b\0", "newline": "a/b\n", "escaped slash": "a%2fb", "backslash": "a\\b", "homoglyph": "\u0430cme/app",
    "10,000 characters": "a/" + "b" * 10_000, "lone surrogate": "a/\ud800", "address": "https://github.com/a/b",
}  # fmt: skip
WRONG_ENVIRONMENTS: Final[dict[str, Any]] = {
    "number": 1, "null": None, "list": ["development"], "object": {}, "false": False, "empty": "",
    "51 characters": "e" * 51, "NUL": "dev\0", "lone surrogate": "dev\udfff",
}  # fmt: skip


def wrong_secrets(canary: str) -> dict[str, Any]:
    """What is no object from key to value, around a canary."""
    return {"null": None, "list": [canary], "text": f"A={canary}", "number": 1, "true": True}


def wrong_values(canary: str) -> dict[str, Any]:
    """Values that cannot be stored, around a canary."""
    return {
        "number": 1,
        "null": None,
        "true": True,
        "list": [canary],
        "object": {"x": canary},
        "NUL": f"{canary}\0b",
        "lone high surrogate": f"{canary}\ud83d",
        "lone low surrogate": f"\ude00{canary}",
        "one byte too long": canary.ljust(VALUE_LIMIT + 1, "v"),
        "short in characters, too long in bytes": canary.ljust(VALUE_LIMIT // 2 + len(canary), "ü"),
    }


@dataclass(frozen=True)
class Hostile:
    """One refused request, ready to be sent; `names` must occur in its `detail` or `errors`, to say what was wrong."""

    name: str
    chunks: Callable[[], Iterable[bytes]]
    statuses: frozenset[int] = BAD
    names: str = ""


@dataclass(frozen=True)
class Sender:
    """Who sends, to which repository, and the canary that every request carries."""

    token: str
    full_name: str
    canary: str

    def push(self, body: bytes, *headers: Header, kind: str = "application/json") -> list[bytes]:
        """A push of this body, with an honest Content-Length."""
        kinds = [("Content-Type", kind)] if kind else []
        lines = [bearer(self.token), *kinds, ("Content-Length", str(len(body))), *headers]
        return [head("POST", PUSH, lines), body]

    def body(self, **changed: Any) -> bytes:
        """A push that would be accepted, but for what is changed. Lone surrogates travel as escapes."""
        whole = {"repoFullName": self.full_name, "environment": "development", "secrets": {"A": self.canary}}
        return json.dumps(whole | changed).encode()

    def get(self, path: str, *headers: Header) -> list[bytes]:
        """A GET as written."""
        return [head("GET", path, [bearer(self.token), *headers])]


def corpus(sender: Sender) -> Iterator[Hostile]:
    """Every hostile request."""
    yield from _syntax(sender)
    yield from _sizes(sender)
    yield from _framing(sender)
    yield from _fields(sender)
    yield from _queries(sender)
    yield from _others(sender)


def _syntax(sender: Sender) -> Iterator[Hostile]:
    good, canary = sender.body(), sender.canary
    texts: dict[str, bytes] = {
        "truncated": good[:-2],
        "trailing comma": good[:-1] + b",}",
        "single quotes": good.replace(b'"', b"'"),
        "two documents": good + good,
        "comment": good[:-1] + b" /* " + canary.encode() + b" */}",
        "NaN": good.replace(f'"{canary}"'.encode(), b"NaN"),
        "Infinity": good.replace(f'"{canary}"'.encode(), b"-Infinity"),
        "raw newline in a string": good.replace(canary.encode(), canary.encode() + b"\n"),
        "raw NUL": good.replace(canary.encode(), canary.encode() + b"\0"),
        "invalid UTF-8": good.replace(canary.encode(), canary.encode() + b"\xff\xfe"),
        "overlong UTF-8": good.replace(canary.encode(), canary.encode() + b"\xc0\xaf"),
        "encoded surrogate": good.replace(canary.encode(), canary.encode() + b"\xed\xa0\x80"),
        "UTF-16": good.decode().encode("utf-16"),
        "bad escape": good.replace(canary.encode(), canary.encode() + b"\\x41"),
        "100,000 levels": good[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "100,000 levels, open": b'{"secrets":{"' + canary.encode() + b'":' + b'{"a":' * 100_000,
        "key twice": b'{"A":"%b","A":"%b2"}' % (canary.encode(), canary.encode()),
        "empty": b"",
        "null": b"null",
        "list": json.dumps([canary]).encode(),
        "text": json.dumps(canary).encode(),
        "number": b"1",
    }
    secrets = texts.pop("key twice")
    texts["the same key twice"] = good.replace(b'{"A": "' + canary.encode() + b'"}', secrets)
    texts["repoFullName twice"] = good[:-1] + b',"repoFullName":"' + canary.encode() + b'/other"}'
    for name, text in texts.items():
        yield Hostile(f"JSON: {name}", partial(sender.push, text))
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "nonsense",
    ):
        yield Hostile(f"content type {kind}", partial(sender.push, good, kind=kind), frozenset({415}))
    yield Hostile(
        "form instead of JSON",
        lambda: sender.push(b"secrets=" + canary.encode(), kind="application/x-www-form-urlencoded"),
    )
    yield Hostile(
        "gzip label",
        lambda: sender.push(gzip.compress(good), ("Content-Encoding", "gzip")),
        frozenset({400, 415}),
    )


def _sizes(sender: Sender) -> Iterator[Hostile]:
    def padded(length: int) -> bytes:
        body = sender.body(padding="")
        return body.replace(b'"padding": ""', b'"padding": "' + b"p" * (length - len(body)) + b'"')

    def chunked(length: int) -> Iterator[bytes]:
        lines = [bearer(sender.token), ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
        yield head("POST", PUSH, lines)
        step = 1 << 20
        for start in range(0, length, step):
            piece = b" " * min(step, length - start)
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n\r\n"

    def million_keys() -> list[bytes]:
        secrets = b",".join(b'"%x":""' % number for number in range(1_000_000))
        return sender.push(sender.body().replace(b'"A": ', b"%b," % secrets + b'"A": '))

    yield Hostile("body of one byte too many", lambda: sender.push(padded(BODY_LIMIT + 1)), LARGE, str(BODY_LIMIT))
    yield Hostile("chunked body of one byte too many", lambda: chunked(BODY_LIMIT + 1), LARGE, str(BODY_LIMIT))
    yield Hostile("1,000,000 keys", million_keys, frozenset({400, 413}))
    yield Hostile(
        "1,001 keys",
        lambda: sender.push(sender.body(secrets={f"K{n}": sender.canary for n in range(1_001)})),
        BAD,
        "1000",
    )
    yield Hostile(
        "over 4 MiB of values",
        lambda: sender.push(sender.body(secrets={f"K{n}": sender.canary.ljust(VALUE_LIMIT, "v") for n in range(65)})),
        LARGE,
        "4194304",
    )


def _framing(sender: Sender) -> Iterator[Hostile]:
    good = sender.body()

    def framed(*headers: Header, body: bytes = good) -> list[bytes]:
        return [head("POST", PUSH, [bearer(sender.token), ("Content-Type", "application/json"), *headers]), body]

    length = str(len(good))
    yield Hostile("Content-Length too small", lambda: framed(("Content-Length", str(len(good) - 5))))
    yield Hostile("Content-Length negative", lambda: framed(("Content-Length", "-1")), CUT)
    yield Hostile("Content-Length no number", lambda: framed(("Content-Length", "many")), CUT)
    yield Hostile(
        "Content-Length twice, unequal", lambda: framed(("Content-Length", length), ("Content-Length", "3")), CUT
    )
    yield Hostile(
        "Content-Length and chunked", lambda: framed(("Content-Length", length), ("Transfer-Encoding", "chunked")), CUT
    )
    yield Hostile("chunk size no number", lambda: framed(("Transfer-Encoding", "chunked"), body=b"xyz\r\n" + good), CUT)
    yield Hostile("no HTTP at all", lambda: [sender.canary.encode() + b"\r\n\r\n"], CUT)
    for name, headers in {
        "256 KB header": [("X-Padding", sender.canary.ljust(262_144, "p"))],
        "10,000 headers": [("X-Canary", sender.canary), *((f"X-{number}", "1") for number in range(10_000))],
    }.items():
        yield Hostile(name, partial(sender.get, "/v1/vaults", *headers), HUNG_UP, str(HEAD_LIMIT))
    endless = [b"GET /v1/vaults HTTP/1.1\r\nHost: x\r\nX-Endless: " + sender.canary.encode(), *[b"e" * 16_384] * 64]
    yield Hostile("header without end", lambda: endless, HUNG_UP, str(HEAD_LIMIT))
    chunked = framed(("Transfer-Encoding", "chunked"), body=b"%x\r\n%b\r\n0\r\n" % (len(good), good))
    trailers = [*chunked, b"X-Trailer: " + sender.canary.encode(), *[b"t" * 16_384] * 64]
    yield Hostile("trailer without end", lambda: trailers, HUNG_UP, str(HEAD_LIMIT))


def _fields(sender: Sender) -> Iterator[Hostile]:
    canary = sender.canary
    for name, value in WRONG_REPOSITORIES.items():
        yield Hostile(f"repository: {name}", partial(sender.push, sender.body(repoFullName=value)), BAD, "repoFullName")
    for name, value in WRONG_ENVIRONMENTS.items():
        yield Hostile(f"environment: {name}", partial(sender.push, sender.body(environment=value)), BAD, "environment")
    yield Hostile(
        "environment that is not there", lambda: sender.push(sender.body(environment="qa")), BAD, "development"
    )
    for name, value in wrong_secrets(canary).items():
        yield Hostile(f"secrets: {name}", partial(sender.push, sender.body(secrets=value)), BAD, "secrets")
    for name, value in wrong_values(canary).items():
        secrets = {"GOOD": canary, "WRONG_ONE": value}
        yield Hostile(f"value: {name}", partial(sender.push, sender.body(secrets=secrets)), BAD, "WRONG_ONE")
    for name, key in MALFORMED_KEYS.items():
        yield Hostile(f"key: {name}", partial(sender.push, sender.body(secrets={"GOOD": canary, key: canary})))
    for key in REFUSED_KEYS:
        yield Hostile(f"key: {key}", partial(sender.push, sender.body(secrets={"GOOD": canary, key: canary})), BAD, key)
    for field in ("repoFullName", "secrets"):
        body = json.dumps({name: value for name, value in json.loads(sender.body()).items() if name != field}).encode()
        yield Hostile(f"no {field}", partial(sender.push, body), BAD, field)


def _queries(sender: Sender) -> Iterator[Hostile]:
    pull = f"/v1/secrets/pull?repo={sender.full_name}&environment=development"
    view = f"/v1/secrets/view?repo={sender.full_name}&environment=development"
    wrong = {
        "pull without repository": f"/v1/secrets/pull?environment=development&x={sender.canary}",
        "pull of no repository": f"/v1/secrets/pull?repo={sender.canary}&environment=development",
        "pull without environment": f"/v1/secrets/pull?repo={sender.full_name}&x={sender.canary}",
        "pull of an empty environment name": f"/v1/secrets/pull?repo={sender.full_name}&environment=&x={sender.canary}",
        "pull of a long environment name": f"/v1/secrets/pull?repo={sender.full_name}&environment={sender.canary * 3}",
        "pull, NUL in the environment": f"/v1/secrets/pull?repo={sender.full_name}&environment={sender.canary[:20]}%00",
        "pull, NUL in the repository": f"/v1/secrets/pull?repo=a/{sender.canary}%00&environment=development",
        "pull, invalid UTF-8": f"/v1/secrets/pull?repo=a/{sender.canary}%ff&environment=development",
        "view without key": f"{view}&x={sender.canary}",
        "view of an empty key": f"{view}&key=&x={sender.canary}",
        "view of a long key": f"{view}&key={sender.canary * 10}",
        "view, NUL in the key": f"{view}&key={sender.canary}%00",
    }
    for limit in ("0", "1001", "-1", "x", "1.5", "9" * 30, "1e2", "%00"):
        wrong[f"pull, limit {limit}"] = f"{pull}&limit={limit}&x={sender.canary}"
    for offset in ("-1", "x", "9" * 30):
        wrong[f"pull, offset {offset}"] = f"{pull}&limit=5&offset={offset}&x={sender.canary}"
    for name, path in wrong.items():
        yield Hostile(name, partial(sender.get, path))
    many = "".join(f"&p{number}=1" for number in range(10_000)) + f"&x={sender.canary}"
    yield Hostile("10,000 query parameters", lambda: sender.get(pull + many), frozenset({0, 400, 414, 431}))


def _others(sender: Sender) -> Iterator[Hostile]:
    posts: dict[str, tuple[str, Any]] = {
        "vault of a number": ("/v1/vaults", {"repoFullName": 7, "x": sender.canary}),
        "vault of no repository": ("/v1/vaults", {"repoFullName": sender.canary}),
        "vault of nothing": ("/v1/vaults", {"x": sender.canary}),
        "vault with NUL": ("/v1/vaults", {"repoFullName": f"a/{sender.canary}\0"}),
        "installation of a list": ("/v1/github/check-installation", {"repoOwner": [sender.canary], "repoName": "x"}),
        "installation of nothing": ("/v1/github/check-installation", {"x": sender.canary}),
        "installation with NUL": (
            "/v1/github/check-installation",
            {"repoOwner": "a", "repoName": f"{sender.canary}\0"},
        ),
        "poll of nothing": ("/v1/auth/device/poll", {"x": sender.canary}),
        "poll of a number": ("/v1/auth/device/poll", {"deviceCode": 7, "x": sender.canary}),
        "poll of an empty code": ("/v1/auth/device/poll", {"deviceCode": "", "x": sender.canary}),
        "start with a list": ("/v1/auth/device/start", [sender.canary]),
        "start with text": ("/v1/auth/device/start", sender.canary),
    }
    for name, (path, body) in posts.items():
        yield Hostile(name, partial(_post, sender, path, json.dumps(body).encode()))
    for path in ("/v1/vaults", "/v1/github/check-installation", "/v1/auth/device/poll", "/v1/auth/device/start"):
        yield Hostile(f"broken JSON to {path}", partial(_post, sender, path, b'{"' + sender.canary.encode()))
    yield Hostile("ids without repository", lambda: sender.get(f"/v1/github/repo-ids?x={sender.canary}"))
    yield Hostile("ids of no repository", lambda: sender.get(f"/v1/github/repo-ids?repo={sender.canary}"))


def _post(sender: Sender, path: str, body: bytes) -> list[bytes]:
    lines = [bearer(sender.token), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return [head("POST", path, lines), body]
