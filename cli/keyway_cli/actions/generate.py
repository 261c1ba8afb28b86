"""A new random value, stored without anybody seeing it."""

from __future__ import annotations

import secrets
import string
import uuid
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from keyway_core.sensitive import Sensitive

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.actions.put import is_there, put, report, storable_key
from keyway_cli.errors import UsageProblem

SHORTEST: Final = 8
LONGEST: Final = 256
USUAL: Final = 32
_PUNCTUATION: Final = "!#%*+-.:=?@_~"


def _characters(alphabet: str) -> Callable[[int], str]:
    return lambda length: "".join(secrets.choice(alphabet) for _ in range(length))


KINDS: Final[dict[str, Callable[[int], str]]] = {
    "password": _characters(string.ascii_letters + string.digits + _PUNCTUATION),
    "uuid": lambda _: str(uuid.uuid4()),
    "api-key": _characters(string.ascii_letters + string.digits),
    "jwt-secret": lambda length: secrets.token_urlsafe(length)[:length],
    "hex": lambda length: secrets.token_hex(length)[:length],
    "base64": lambda length: b64encode(secrets.token_bytes(length)).decode()[: length // 4 * 4],
}


def generate(context: Context, *, key: str, kind: str, length: int) -> None:
    """Gives a key a random value. One that is there is replaced, after a question."""
    if kind not in KINDS:
        raise UsageProblem(f"there is no kind {kind}", f"one of {', '.join(KINDS)}")
    if not SHORTEST <= length <= LONGEST:
        raise UsageProblem(f"the length is a number from {SHORTEST} to {LONGEST}")
    place, api = context.place(), context.api()
    head = vaults.head(api, place)
    exists = is_there(api, place, storable_key(context, key))
    if exists and not agreed(context, f"Replace {key} of {place}?", f"this would replace {key} of {place}"):
        context.terminal.result({"success": False}, "nothing was changed")
        return
    value = Sensitive(KINDS[kind](length))
    put(context, api, place, head, key, value)
    told = "the name holds a new random value, which nobody was shown"
    report(context, place, key, replaced=exists, type=kind, length=len(value.reveal()), message=told)
