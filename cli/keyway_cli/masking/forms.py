"""The forms in which a value may be printed, as bytes: as it is, and encoded as programs commonly do."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Final

SHORTEST: Final = 4
GRAM: Final = 6
HEAD: Final = 4
HEX_GRAM: Final = 8
FROM_LENGTH: Final = 16
MOST_GRAMS: Final = 400_000

# What stands for nothing: masking it would garble every log and hide no secret.
TRIVIAL: Final = frozenset(
    b"true false yes no on off null none undefined development staging production test testing debug info warn warning "
    b"error trace localhost 127.0.0.1 0.0.0.0 default admin root user username password postgres mysql redis sqlite "
    b"http https main master utf-8 utf8 en_US.UTF-8 C.UTF-8 us-east-1 us-west-2 eu-west-1 eu-central-1 "
    b"enabled disabled docker node python latest local".split()
)
# Beginnings and ends that many values share. They are hidden as part of a value, not by themselves.
_PUBLIC: Final = (
    b"https://www. http://localhost: https://localhost: https://api. http://127.0.0.1: postgres://postgres: "
    b"postgresql://postgres: postgresql+psycopg:// postgresql+asyncpg:// mysql:// mysql+pymysql:// redis://localhost: "
    b"rediss:// mongodb+srv:// mongodb:// amqp:// amqps:// smtp:// smtps:// sqlite:/// @localhost: @127.0.0.1: "
    b".example.com .amazonaws.com .googleapis.com .azure.com .windows.net .supabase.co .github.com https://github.com/ "
    b"?sslmode=require ?sslmode=verify-full "
    b"-----BEGIN PRIVATE KEY----- -----END PRIVATE KEY----- -----BEGIN RSA PRIVATE KEY----- "
    b"-----END RSA PRIVATE KEY----- -----BEGIN EC PRIVATE KEY----- -----END EC PRIVATE KEY----- "
    b"-----BEGIN OPENSSH PRIVATE KEY----- -----END OPENSSH PRIVATE KEY----- -----BEGIN CERTIFICATE----- "
    b"-----END CERTIFICATE----- -----BEGIN PUBLIC KEY----- -----END PUBLIC KEY-----"
)
PUBLIC_GRAMS: Final = frozenset(
    marker[place : place + GRAM]
    for marker in re.findall(rb"-----[^-]+-----|\S+", _PUBLIC)
    for place in range(len(marker) - GRAM + 1)
)
_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")


def is_masked(value: str) -> bool:
    """Whether a value is looked for at all: not what is short or trivial."""
    raw = value.encode()
    return len(raw) >= SHORTEST and raw not in TRIVIAL and not (raw.isdigit() and len(raw) < 6)


def _is_public(value: str) -> bool:
    """Whether many values hold all that it is made of. Such a one is hidden whole, because no piece of it is."""
    raw = value.encode()
    return all(raw[place : place + GRAM] in PUBLIC_GRAMS for place in range(len(raw) - GRAM + 1))


def text_forms(value: str) -> set[bytes]:
    """A value as text may hold it: raw, and escaped for URLs, JSON, shells, `.env`, Python and HTML."""
    import html
    import json
    from urllib.parse import quote, quote_plus

    quoted = (quote(value, safe=""), quote(value), quote_plus(value))
    as_json = [json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False)]
    shells = (
        re.sub(r"([^A-Za-z0-9_./:@%+=,\-\n])", r"\\\1", value),
        value.replace("'", "'\\''"),
        value.replace("'", "'\"'\"'"),
        re.sub(r'([\\"$`])', r"\\\1", value),
        re.sub(r'([\\"$`])', r"\\\1", value).replace("\n", "\\n"),
        value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t"),
    )
    texts = {
        value,
        *quoted,
        *(re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text) for text in quoted),
        *as_json,
        *(text.replace("/", "\\/") for text in as_json),
        *(json.dumps(text)[1:-1] for text in as_json),
        *shells,
        repr(value)[1:-1],
        repr(value.encode())[2:-1],
        html.escape(value),
    }
    return {text.encode() for text in texts}


def base64_forms(raw: bytes) -> set[bytes]:
    """A value in Base64, beginning at each of the three places in a group of three bytes, in both alphabets.

    Once as far as the value alone decides the characters, and once with the padding where nothing follows.
    """
    found = {b64encode(raw)}
    for before, dropped in ((0, 0), (1, 2), (2, 3)):
        whole = b64encode(b"\0" * before + raw)
        found |= {whole[dropped : (before + len(raw)) * 8 // 6], whole[dropped:]}
    return found | {form.translate(_URLSAFE) for form in found}


def hex_forms(raw: bytes) -> set[bytes]:
    """A value in hexadecimal, in both cases."""
    return {raw.hex().encode(), raw.hex().upper().encode()}


def without_returns(form: bytes) -> bytes:
    """A form as the search sees it: a terminal puts a carriage return before every line end, so none count."""
    return form.replace(b"\r", b"")


class Lookup:
    """What a search needs to know of all values: pieces of the long ones, and the short ones whole.

    Of a value of 16 bytes or more every piece of 6 bytes counts (8 in hexadecimal, which would be found by chance in
    every checksum). When there is so much to look for that this would cost too much memory, only every n-th piece is
    kept, and `reach` says how long a piece of a value is found for certain.
    """

    def __init__(self, values: Iterable[str]) -> None:
        wanted = [value for value in dict.fromkeys(values) if is_masked(value)]
        long = [value for value in wanted if len(value.encode()) >= FROM_LENGTH and not _is_public(value)]
        total = sum(len(value.encode()) for value in long) * 14
        self.step: Final = max(1, -(-total // MOST_GRAMS))
        self.grams: Final[set[bytes]] = set()
        self.hex_grams: Final[set[bytes]] = set()
        self.places: Final[dict[bytes, list[tuple[bytes, int]]]] = {}
        self.shorts: Final[dict[bytes, list[bytes]]] = {}
        self.short_prefixes: Final[set[bytes]] = set()
        for value in long:
            self._add_long(value)
        for value in wanted:
            if len(value.encode()) < FROM_LENGTH or _is_public(value):
                self._add_short(value)
        self.heads: Final = {gram[place : place + HEAD] for gram in self.grams for place in range(GRAM - HEAD + 1)}
        self.longest_short: Final = max((len(form) for forms in self.shorts.values() for form in forms), default=0)

    def __bool__(self) -> bool:
        return bool(self.grams or self.shorts)

    @property
    def reach(self) -> int:
        """The shortest piece of a long value that is always found."""
        return GRAM + self.step - 1

    @property
    def hex_reach(self) -> int:
        """The same of a long value in hexadecimal."""
        return HEX_GRAM + self.step - 1

    def hits(self, text: bytes) -> list[int]:
        """Where pieces of long values stand, in order.

        Every piece of six bytes holds four of which the first stands at a multiple of three; these are looked at first.
        """
        heads, grams = self.heads, self.grams
        near = [place for place in range(0, len(text) - HEAD + 1, 3) if text[place : place + HEAD] in heads]
        places = {place - back for place in near for back in range(GRAM - HEAD + 1) if place >= back}
        return sorted(place for place in places if text[place : place + GRAM] in grams)

    def _add_long(self, value: str) -> None:
        raw = value.encode()
        for form in map(without_returns, text_forms(value) | base64_forms(raw)):
            self._add_pieces(form, self.grams, GRAM)
        for form in hex_forms(raw):
            self._add_pieces(form, self.hex_grams, HEX_GRAM)

    def _add_pieces(self, form: bytes, grams: set[bytes], size: int) -> None:
        places = range(0, len(form) - size + 1, self.step)
        grams.update([form[place : place + size] for place in places])
        if self.step > 1:
            for place in places:
                self.places.setdefault(form[place : place + size], []).append((form, place))

    def _add_short(self, value: str) -> None:
        raw = value.encode()
        encoded = {form for form in base64_forms(raw) | hex_forms(raw) if len(form) >= GRAM}
        for form in map(without_returns, text_forms(value) | encoded):
            if len(form) < SHORTEST:
                continue
            self.shorts.setdefault(form[:SHORTEST], []).append(form)
            self.short_prefixes.update(form[:length] for length in range(1, len(form)))


def sorted_runs(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges in order, those that touch or overlap made one."""
    begin = end = -1
    for first, last in sorted(runs):
        if begin >= 0 and first <= end:
            end = max(end, last)
            continue
        if begin >= 0:
            yield begin, end
        begin, end = first, last
    if begin >= 0:
        yield begin, end
