"""What a find has to pass beyond its form: checksums where a format has one, and the marks of what nobody would use.

A check is given the whole find and the part that is secret. Everything is bytes, as files are.
"""

from __future__ import annotations

import binascii
import json
import math
import re
import zlib
from base64 import b64decode, urlsafe_b64decode
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Final

_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE58: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_STEPS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM: Final = 6
_LONGEST_RUN: Final = 5
_LONGEST_SERIES: Final = 6
_LEAST_CHANGES: Final = 0.24

_PLACEHOLDER: Final = re.compile(
    rb"(?i)example|placeholder|changeme|change[-_]?me|replace|redacted|dummy|insert|xxxx|\*\*\*|\.\.\.|<[a-z]|\$\{|\{\{|"
    rb"%\(|your[-_]|[-_]here\b|foobar|notreal|not[-_]a[-_]|fake|deadbeef|cafebabe|lorem|sample|todo|hunter2|abcdef0123|"
    rb"0123456|1234567"
)
_WORDS: Final = re.compile(
    rb"(?i)token|secret|passw|credential|private|public|access|client|server|config|default|value|string|function|"
    rb"class|module|service|account|address|encrypt|decrypt|header|request|response|session|cookie|user|admin|"
    rb"name|test|mock|application|authoriz|authentic|bearer|storage|handler|manager|provider|parser|object|"
    rb"base64|sha-?256|sha-?512|utf-?8|python|version|number|length|error|input|output|field|model|content"
)
_CODE: Final = re.compile(
    rb"^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+|[()\[\]]|^[./~]|^[A-Z_]+$|://|^--|^%|=$|^@|^#|^[a-z_]+="
)
_LOWER_UPPER: Final = re.compile(rb"[a-z](?=[A-Z])|[A-Za-z](?=\d)|\d(?=[A-Za-z])")
_SHAPES: Final = (re.compile(rb"[a-z]"), re.compile(rb"[A-Z]"), re.compile(rb"\d"), re.compile(rb"[^A-Za-z0-9]"))

Check = Callable[[bytes, bytes], bool]


def entropy(text: bytes) -> float:
    """Bits per character, by how often each comes."""
    total = len(text)
    return -sum(count / total * math.log2(count / total) for count in Counter(text).values()) if total else 0.0


def is_placeholder(text: bytes) -> bool:
    """Whether a text stands for a secret instead of being one: words that say so, runs, and series like abcdef."""
    return _PLACEHOLDER.search(text) is not None or _repeats(text) or _counts(text)


def _repeats(text: bytes) -> bool:
    run = longest = 1
    for before, now in pairwise(text):
        run = run + 1 if before == now else 1
        longest = max(longest, run)
    return longest > _LONGEST_RUN and longest * 5 > len(text)


def _counts(text: bytes) -> bool:
    """Whether more than a quarter of it are neighbours in the alphabet or in numbers."""
    run, total = 1, 0
    for before, now in pairwise(text):
        run = run + 1 if now - before == 1 else 1
        total += (_LONGEST_SERIES if run == _LONGEST_SERIES else 1) if run >= _LONGEST_SERIES else 0
    return total * 4 > len(text)


def base62_crc(text: bytes) -> bytes:
    """The CRC-32 of a text as six digits of base 62, as GitHub, npm and Keyway end their tokens."""
    number, digits = zlib.crc32(text), bytearray()
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return bytes(reversed(digits))


def _github(whole: bytes, _: bytes) -> bool:
    """The checksum is that of the characters behind the prefix."""
    body = whole.partition(b"_")[2]
    return base62_crc(body[:-_CHECKSUM]).endswith(body[-_CHECKSUM:])


def _keyway(whole: bytes, _: bytes) -> bool:
    """The checksum is that of everything before it."""
    return base62_crc(whole[:-_CHECKSUM]).endswith(whole[-_CHECKSUM:])


def _bech32(whole: bytes, _: bytes) -> bool:
    """BIP 173: age's secret keys, Nostr's."""
    human, _, data = whole.lower().rpartition(b"1")
    try:
        numbers = [_BECH32.index(byte) for byte in data]
    except ValueError:
        return False
    state = 1
    for number in [*(byte >> 5 for byte in human), 0, *(byte & 31 for byte in human), *numbers]:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ number
        for place, step in enumerate(_BECH32_STEPS):
            state ^= step if top >> place & 1 else 0
    return state == 1


def _base58(whole: bytes, _: bytes) -> bool:
    """Bitcoin's: the last four bytes are those of a double SHA-256."""
    import hashlib
    import hmac

    number = 0
    for byte in whole:
        number = number * 58 + _BASE58.index(byte)
    raw = number.to_bytes(max((number.bit_length() + 7) // 8, 5), "big")
    wanted = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4]
    return hmac.compare_digest(wanted, raw[-4:])


def _jwt(whole: bytes, _: bytes) -> bool:
    """Header and claims are objects, and the header names a signature."""
    try:
        header, claims = (json.loads(_from_base64url(part)) for part in whole.split(b".")[:2])
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and isinstance(claims, dict) and "alg" in header and header["alg"] != "none"


def _pem(whole: bytes, _: bytes) -> bool:
    """The first line is Base64 of what keys begin with, and does not only show how one looks."""
    head, _, rest = whole.partition(b"-----")[2].partition(b"-----")
    body = re.sub(rb"\\[rn]|[\s\"'+,>|*#]|[A-Za-z-]{4,12}: [^\n]*", b"", rest)
    body = re.sub(rb"-.*", b"", body)
    if b"PGP" in head:
        return len(body) > 200
    try:
        raw = b64decode(body[: len(body) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return False
    encrypted = b"DEK-Info" in rest[:400] or b"ENCRYPTED" in rest[:400]
    return encrypted or raw.startswith((b"\x30", b"openssh-key-v1")) and len(raw) > 24  # noqa: RUF021


def _userpass(_: bytes, secret: bytes) -> bool:
    """Base64 of `somebody:password`."""
    try:
        text = b64decode(secret + b"=" * (-len(secret) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    user, colon, word = text.partition(":")
    return bool(user and colon and len(word) >= 6 and text.isprintable()) and not is_placeholder(text.encode())


def _url(whole: bytes, secret: bytes) -> bool:
    """A password in an address: not a variable's name, and not that of a machine which only its user can reach."""
    host = whole.rpartition(b"@")[2].partition(b":")[0].lower()
    if host in {b"host", b"hostname", b"server", b"proxy", b"example", b"ip", b"domain"} or b"example" in host:
        return False
    user = whole.partition(b"://")[2].partition(b":")[0]
    if secret.lower() in {b"password", b"passwd", b"secret", b"pass", user.lower(), b"changeme", b"token"}:
        return False
    shapes = sum(shape.search(secret) is not None for shape in _SHAPES)
    return not _wordy(secret) and (shapes >= 3 or (shapes == 2 and entropy(secret) >= 2.9))


def _wordy(secret: bytes) -> bool:
    return _WORDS.search(secret) is not None


def _mixed(_: bytes, secret: bytes) -> bool:
    """Letters and digits."""
    return re.search(rb"\d", secret) is not None and re.search(rb"[A-Za-z]", secret) is not None


def _password(_: bytes, secret: bytes) -> bool:
    """What a person or a generator would choose, and no word, path, name or expression."""
    if _CODE.search(secret) or _WORDS.search(secret) or secret.count(b".") > 2:
        return False
    shapes = sum(shape.search(secret) is not None for shape in _SHAPES)
    numbers = _SHAPES[2].search(secret) is not None
    return numbers and entropy(secret) >= 2.7 and (shapes >= 3 or (shapes == 2 and _changes(secret) >= _LEAST_CHANGES))


def _random(_: bytes, secret: bytes) -> bool:
    """Made by a generator: letters and digits change places more often than in any name."""
    if _CODE.search(secret) or _WORDS.search(secret):
        return False
    return _mixed(b"", secret) and _changes(secret) >= _LEAST_CHANGES


def _changes(secret: bytes) -> float:
    """How often, per character, small letters turn into capitals, letters into digits, digits into letters."""
    return len(_LOWER_UPPER.findall(secret)) / len(secret)


def _from_base64url(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


CHECKS: Final[dict[str, Check]] = {
    "github": _github,
    "keyway": _keyway,
    "bech32": _bech32,
    "base58": _base58,
    "jwt": _jwt,
    "pem": _pem,
    "userpass": _userpass,
    "url": _url,
    "mixed": _mixed,
    "password": _password,
    "random": _random,
}
# Checks that a string of the right form fails unless its issuer made it.
CHECKSUMS: Final = frozenset({"github", "keyway", "bech32", "base58"})
# Kinds that are taken only where no more telling one fits.
LOOSE: Final = frozenset({"jwt", "userpass", "url", "password", "random"})
