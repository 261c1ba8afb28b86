"""A step that prints every variable of some names as programs print things: the sources of its script."""

from __future__ import annotations

from typing import Final

# Reads names from a file, so that the script holds none of the values.
PRINTER: Final = r"""
python3 - <<'PYTHON'
import base64, json, os, shlex, sys, urllib.parse
names = json.load(open("names.json"))
def tell(text, to=sys.stdout):
    to.write(text + "\n")
for name in names:
    value = os.environ[name]
    raw = value.encode("utf-8", "surrogateescape")
    tell(value)
    tell(value, sys.stderr)
    for line in value.splitlines():
        tell("line: " + line.strip())
        tell(base64.b64encode(line.encode()).decode())
        tell(urllib.parse.quote(line))
    for before in (b"", b"a", b"ab", b"user:"):
        tell("Basic " + base64.b64encode(before + raw).decode())
        tell(base64.urlsafe_b64encode(before + raw + b"\n").decode())
    tell(base64.encodebytes(raw).decode())
    tell(base64.encodebytes(raw + b"\n").decode())
    tell(json.dumps({name: value}))
    tell(json.dumps(value, ensure_ascii=False))
    tell(json.dumps(json.dumps(value)))
    tell(urllib.parse.quote(value, safe=""))
    tell(urllib.parse.quote(value))
    tell("https://example.com/?a=" + urllib.parse.quote_plus(value))
    tell(raw.hex())
    tell(raw.hex().upper())
    tell(repr(value))
    tell(shlex.quote(value))
PYTHON
"""
# What arrived, exactly, for the test to compare.
KEEPER: Final = r"""
python3 - <<'PYTHON'
import json, os
names = json.load(open("names.json"))
json.dump({name: os.environb.get(name.encode(), b"").hex() for name in names}, open("arrived.json", "w"))
PYTHON
"""
