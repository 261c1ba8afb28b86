"""A labelled corpus for `keyway scan`, made when it is asked for: every kind of secret in files of many languages, and
what only looks like it. The secrets are made by scan_specimens.txt, which knows nothing of the rules."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import string
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from keyway_cli.scanning.engine import Engine
from keyway_cli.scanning.rules import load

SPECIMENS: Final = Path(__file__).with_name("scan_specimens.txt")
_WORD: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
_CLASSES: Final = {
    "w": _WORD,
    "a": string.ascii_lowercase + string.digits,
    "A": string.ascii_uppercase + string.digits,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "d": string.digits,
    "n": string.digits,
    "l": string.ascii_lowercase,
    "u": _WORD + "_-",
    "b": _WORD + "+/",
    "t": string.ascii_lowercase + "234567",
    "T": string.ascii_uppercase + "234567",
}
_PIECE: Final = re.compile(r"\{(?:([a-zA-Z])(\d+)|([a-z0-9]+))\}")
_DJANGO: Final = string.ascii_lowercase + string.digits + "!@#$%^&*-_=+"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_NEUTRAL: Final = ("commit", "etag", "checksum_of_build", "revision", "build_id", "request_id", "digest", "fixture_id")


class Specimen(NamedTuple):
    """How secrets of a kind are made, and the name or the file that they are kept under."""

    kind: str
    kept: str
    form: str

    @property
    def is_file(self) -> bool:
        return self.kept.startswith("file ")


class Sample(NamedTuple):
    """A file of the corpus: the kind that it is about, and the secret that has to be found, or none."""

    kind: str
    about: str
    file: str
    text: str
    secret: str


class Score(NamedTuple):
    """How a kind did: labelled secrets, those found, those found as this kind, and finds of it that are wrong."""

    labelled: int
    found: int
    as_kind: int
    wrong: int


def specimens() -> list[Specimen]:
    """Every line of scan_specimens.txt."""
    lines = [line for line in SPECIMENS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    parts = [[part.strip() for part in line.split(" | ", 2)] for line in lines]
    return [Specimen(kind, kept, form.replace("\\n", "\n")) for kind, kept, form in parts]


class Maker:
    """Makes secrets and files; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random: Final = random.Random(seed)  # noqa: S311
        self._made: Final[dict[str, Callable[[], str]]] = {
            "uuid": lambda: "-".join(self.of("h", n) for n in (8, 4, 4, 4, 12)),
            "github": self._github,
            "keyway": self._keyway,
            "age": lambda: _bech32(self.random, "age-secret-key-").upper(),
            "nostr": lambda: _bech32(self.random, "nsec"),
            "wif": self._wif,
            "jwt": self._jwt,
            "login": lambda: b64encode(f"deploy:{self.of('w', 18)}".encode()).decode(),
            "password": self._password,
            "pem": self._pem,
            "putty": self._putty,
            "bytes32": lambda: b64encode(self.random.randbytes(32)).decode(),
            "fernet": lambda: urlsafe_b64encode(self.random.randbytes(32)).decode(),
            "django": lambda: "".join(
                self.random.choices(string.ascii_lowercase + string.digits + "!@#$%^&*-_=+", k=50)
            ),
            "fingerprint": lambda: ":".join(self.of("h", 2) for _ in range(16)),
        }

    def of(self, kind: str, count: int) -> str:
        """So many characters of a class."""
        return "".join(self.random.choices(_CLASSES[kind], k=count))

    def secret(self, form: str) -> str:
        """A secret, or a file with one. As issuers do, the random part holds a digit and does not end in a sign."""
        while True:
            made = _PIECE.sub(lambda piece: self._piece(piece, 1.0), form)
            if "\n" in made or (re.search(r"\d", made) and made[-1] not in "_-+/"):
                return made

    def hollow(self, form: str) -> str:
        """The same form with an x for everything random."""
        made = self.secret(form)
        return _PIECE.sub(lambda piece: "x" * max(len(self._piece(piece, 1.0)), 8), form) if made else made

    def short(self, form: str) -> str:
        """The same form with a fifth of everything random."""
        return _PIECE.sub(lambda piece: self._piece(piece, 0.2), form)

    def _piece(self, piece: re.Match[str], share: float) -> str:
        if piece[1]:
            return self.of(piece[1], max(int(int(piece[2]) * share), 1))
        if piece[3] not in self._made:
            return piece[0]
        made = self._made[piece[3]]()
        return made if share == 1.0 else made[: max(int(len(made) * share), 1)]

    def _github(self) -> str:
        body = self.of("w", 30)
        return body + _base62(zlib.crc32(body.encode()))

    def _keyway(self) -> str:
        body = "kw_live_" + self.of("w", 34)
        return body + _base62(zlib.crc32(body.encode()))

    def _wif(self) -> str:
        raw = b"\x80" + self.random.randbytes(32) + b"\x01"
        number = int.from_bytes(raw + hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4], "big")
        text = ""
        while number:
            number, digit = divmod(number, 58)
            text = _BASE58[digit] + text
        return text

    def _jwt(self) -> str:
        claims = {"sub": self.of("d", 10), "name": self.of("l", 8), "iat": self.random.randrange(1_700_000_000)}
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        parts.append(self.random.randbytes(32))
        return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def _password(self) -> str:
        letters = [*self.of("w", 11), *self.random.choices("!#%*_+", k=2), "7", "k", "Q"]
        self.random.shuffle(letters)
        return "v" + "".join(letters) + "4"

    def _pem(self) -> str:
        raw = b"\x30\x82\x04\xa4\x02\x01\x00" + self.random.randbytes(500)
        lines = re.findall(".{1,64}", b64encode(raw).decode())
        kind = self.random.choice(["RSA ", "EC ", ""])
        return "\n".join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----"])

    def _putty(self) -> str:
        lines = re.findall(".{1,64}", b64encode(self.random.randbytes(400)).decode())
        head = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: deploy\nPublic-Lines: 2\n"
        return head + "\n".join([*lines[:2], f"Private-Lines: {len(lines) - 2}", *lines[2:]])


def _base62(number: int) -> str:
    text = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text


def _bech32(source: random.Random, human: str) -> str:
    """BIP 173, written from its text."""
    data = [source.randrange(32) for _ in range(52)]
    spread = [ord(char) >> 5 for char in human] + [0] + [ord(char) & 31 for char in human]
    state = 1
    for value in [*spread, *data, 0, 0, 0, 0, 0, 0]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, step in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= step if top >> bit & 1 else 0
    check = [(state ^ 1) >> 5 * (5 - place) & 31 for place in range(6)]
    return human + "1" + "".join(_BECH32[value] for value in data + check)


# --- files: a name in the spelling of the language, and a value

_LANGUAGES: Final[tuple[tuple[str, str], ...]] = (
    ("app/settings.py", '{SNAKE} = "{v}"\n'),
    ("app/client.py", 'client = connect("eu", {snake}="{v}", retries=3)\n'),
    ("app/config.py", "CONFIG = {{\n    '{snake}': '{v}',\n    'debug': False,\n}}\n"),
    ("app/env.py", 'os.environ.setdefault("{SNAKE}", "{v}")\n'),
    ("src/config.js", "const {camel} = '{v}';\n"),
    ("src/options.ts", 'export const options = {{\n  {camel}: "{v}",\n  timeout: 30,\n}};\n'),
    ("src/typed.ts", 'const {camel}: string = "{v}";\n'),
    ("src/env.ts", 'const key = process.env.{SNAKE} || "{v}";\n'),
    ("config/app.json", '{{\n  "{camel}": "{v}",\n  "port": 8080\n}}\n'),
    ("mcp.json", '{{"env": {{"{SNAKE}": "{v}"}}}}\n'),
    ("config/app.yml", "service:\n  {snake}: {v}\n  port: 80\n"),
    ("config/quoted.yaml", 'service:\n  {snake}: "{v}"\n'),
    (".env", "{SNAKE}={v}\nDEBUG=0\n"),
    (".env.local", '{SNAKE}="{v}"\n'),
    ("deploy.sh", "export {SNAKE}='{v}'\n"),
    ("run.sh", '{SNAKE}="{v}" ./run --fast\n'),
    ("bin/call.sh", "tool --region eu --{kebab} {v} --verbose\n"),
    ("bin/other.sh", "tool --{kebab}={v}\n"),
    ("src/Config.java", 'private static final String {SNAKE} = "{v}";\n'),
    ("src/Setup.java", 'System.setProperty("{dotted}", "{v}");\n'),
    ("src/application.properties", "{dotted}={v}\n"),
    ("main.go", '\t{camel} := "{v}"\n'),
    ("config.go", 'const (\n\t{Pascal} = "{v}"\n)\n'),
    ("setenv.go", 'os.Setenv("{SNAKE}", "{v}")\n'),
    ("Config.cs", 'public const string {Pascal} = "{v}";\n'),
    ("Web.config", '<appSettings>\n  <add key="{Pascal}" value="{v}" />\n</appSettings>\n'),
    ("config.rb", "{SNAKE} = '{v}'\n"),
    ("env.rb", 'ENV["{SNAKE}"] = "{v}"\n'),
    ("config.php", "define('{SNAKE}', '{v}');\n"),
    ("services.php", "return [\n    '{snake}' => '{v}',\n];\n"),
    ("main.tf", 'resource "x" "y" {{\n  {snake} = "{v}"\n}}\n'),
    ("variables.tf", 'variable "{snake}" {{\n  default = "{v}"\n}}\n'),
    ("Dockerfile", "FROM alpine:3\nENV {SNAKE}={v}\n"),
    ("docker-compose.yml", "services:\n  app:\n    environment:\n      - {SNAKE}={v}\n"),
    ("k8s/app.yaml", "env:\n  - name: {SNAKE}\n    value: {v}\n"),
    ("k8s/quoted.yaml", 'env:\n  - name: {SNAKE}\n    value: "{v}"\n'),
    ("config.toml", '[service]\n{snake} = "{v}"\n'),
    ("config.ini", "[service]\n{snake} = {v}\n"),
    ("settings.xml", "<settings>\n  <{camel}>{v}</{camel}>\n</settings>\n"),
    ("src/main.rs", 'const {SNAKE}: &str = "{v}";\n'),
    ("App.kt", 'val {camel}: String = "{v}"\n'),
    ("App.swift", 'let {camel} = "{v}"\n'),
    ("config.h", '#define {SNAKE} "{v}"\n'),
    ("setup.ps1", '$env:{SNAKE} = "{v}"\n'),
    ("note.ipynb", '{{"source": ["{SNAKE} = \\"{v}\\"\\n"]}}\n'),
    ("README.md", "Run it:\n\n```\nexport {SNAKE}={v}\n```\n"),
    ("config.exs", 'config :app, {snake}: "{v}"\n'),
    (".github/workflows/ci.yml", "jobs:\n  test:\n    env:\n      {SNAKE}: {v}\n"),
)
# What every file has besides: nothing of it is a secret.
_COMMON: Final = (
    "# build 2024-05-01T10:00:00Z of 4f1c2d9e8b7a6f5e4d3c2b1a0918273645546372\n",
    "see https://docs.internal/guide/setup#section-2 and https://example.com/a/b?c=1\n",
    "integrity sha512-9QzvX2mK4pLtR8wYcNfJ7bHdGsAeUiOq3ZxVkTnMrEyWlPjSgCaBhDfQuIoXz1v5==\n",
    "token_count = len(tokens); password_field = form.fields['password']\n",
    "id: 3f2b8c1e-7a4d-4e9f-b1c2-5d6e7f8a9b0c\n",
)


def spelled(text: str, name: str, value: str) -> str:
    """A line of a language with a name in its spelling."""
    parts = name.lower().split("_") if "_" in name or name.isupper() else [name]
    joined = "".join(part.capitalize() for part in parts)
    names = {
        "SNAKE": "_".join(parts).upper(),
        "snake": "_".join(parts),
        "kebab": "-".join(parts),
        "dotted": ".".join(parts),
        "Pascal": joined,
        "camel": joined[0].lower() + joined[1:],
    }
    return text.format(v=value, **names)


def corpus(seed: int, positives: int = 4) -> Iterator[Sample]:
    """For every kind so many files with a secret, and about as many with what is none."""
    maker = Maker(seed)
    for one in specimens():
        yield from _positives(maker, one, positives)
        yield from _misses(maker, one)


def _around(maker: Maker, text: str) -> str:
    before, after = maker.random.sample(_COMMON, 2)
    return before + text + after


def _positives(maker: Maker, one: Specimen, count: int) -> Iterator[Sample]:
    for number in range(count):
        if one.is_file:
            file, made = one.kept.removeprefix("file "), maker.secret(one.form)
            yield Sample(one.kind, "secret", file, made + "\n", made)
            continue
        file, line = maker.random.choice(_LANGUAGES)
        while one.kind == "config-secret" and not file.startswith(".env"):
            file, line = maker.random.choice(_LANGUAGES)
        value = maker.secret(one.form)
        while one.kind.startswith("quoted-") and '"{v}"' not in line and "'{v}'" not in line:
            file, line = maker.random.choice(_LANGUAGES)
        yield Sample(one.kind, f"secret {number}", file, _around(maker, spelled(line, one.kept, value)), value)


def _misses(maker: Maker, one: Specimen) -> Iterator[Sample]:
    """What stands where a secret could, or looks like one, and is none."""
    if one.is_file:
        file = one.kept.removeprefix("file ")
        for about, text in (("hollow", maker.hollow(one.form)), ("reference", _PIECE.sub("${SECRET}", one.form))):
            yield Sample(one.kind, about, file, text + "\n", "")
        return
    for about, name, value in _wrong(maker, one):
        file, line = maker.random.choice(_LANGUAGES)
        yield Sample(one.kind, about, file, _around(maker, spelled(line, name, value)), "")


def _wrong(maker: Maker, one: Specimen) -> Iterator[tuple[str, str, str]]:
    neutral = maker.random.choice(_NEUTRAL)
    yield "hollow", one.kept, maker.hollow(one.form)
    yield "reference", one.kept, maker.random.choice(["${%s}", "$%s", "process.env.%s", "<your %s>"]) % one.kept
    yield "short", neutral, maker.short(one.form)
    yield "same", one.kept, _PIECE.sub("a" * 24, one.form)
    if one.form in {"{keyway}", "{age}", "{nostr}", "{jwt}"}:
        yield "inside a word", neutral, "zz" + maker.secret(one.form)
    elif one.form.startswith("{"):
        yield "another name", neutral, maker.secret(one.form)
    elif "://" not in one.form:
        yield "inside a word", neutral, "zz" + maker.secret(one.form)
    if any(mark in one.form for mark in ("{github}", "{keyway}", "{age}", "{nostr}", "{wif}")):
        made = maker.secret(one.form)
        last = maker.random.choice([char for char in "qpzry98" if char != made[-1].lower()])
        yield "wrong checksum", neutral, made[:-1] + (last.upper() if made.isupper() else last)


def measure(seed: int, positives: int = 4) -> tuple[dict[str, Score], list[str]]:
    """The score of every kind, and what went wrong where."""
    engine = Engine(load())
    labelled, found, as_kind, wrong = (defaultdict[str, int](int) for _ in range(4))
    told = []
    for sample in corpus(seed, positives):
        finds = list(engine.search(io.BytesIO(sample.text.encode()).read, sample.file))
        right = [find for find in finds if sample.secret and _overlap(find.secret.decode(), sample.secret)]
        for find in finds:
            if find not in right:
                wrong[find.rule.id] += 1
                told.append(f"{find.rule.id} wrongly in {sample.kind}, {sample.about}, {sample.file}")
        if sample.secret:
            labelled[sample.kind] += 1
            found[sample.kind] += bool(right)
            exact = any(find.rule.id == sample.kind for find in right)
            as_kind[sample.kind] += exact
            if not exact:
                others = ", ".join(find.rule.id for find in right) or "nothing"
                told.append(f"{sample.kind} missed in {sample.file}: {others}")
    kinds = {one.kind for one in specimens()} | set(wrong)
    return {kind: Score(labelled[kind], found[kind], as_kind[kind], wrong[kind]) for kind in sorted(kinds)}, told


def _overlap(find: str, secret: str) -> bool:
    return find in secret or secret in find


def totals(scores: dict[str, Score]) -> tuple[float, float, float]:
    """Recall, recall as the right kind, and precision over all kinds."""
    labelled = sum(score.labelled for score in scores.values())
    found = sum(score.found for score in scores.values())
    wrong = sum(score.wrong for score in scores.values())
    return found / labelled, sum(score.as_kind for score in scores.values()) / labelled, found / (found + wrong)
