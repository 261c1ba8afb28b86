"""The address of a server. Apart from `transport`, so that what asks no server loads no HTTP."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from keyway_cli.errors import Misconfigured
from keyway_cli.repo import is_loopback

LONGEST_LABEL: Final = 63
_PATH: Final = re.compile(r"[!-~]*")


class Origin(NamedTuple):
    """Where a server listens, and the path that its routes are under."""

    scheme: str
    host: str
    port: int
    prefix: str

    @property
    def name(self) -> str:
        """The address for people and for file names, in one spelling."""
        default = {"http": 80, "https": 443}[self.scheme]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port == default else f':{self.port}'}{self.prefix}"


def parse_origin(url: str, variable: str = "KEYWAY_API_URL") -> Origin:
    """The origin that an address names. Raises Misconfigured: plain http is for this machine only."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, (parts.hostname or "").lower(), parts.port
        if not host.isascii() or ".." in host or max(map(len, host.split("."))) > LONGEST_LABEL:
            host.encode("idna")  # refuses what is no name; loading its tables takes as long as reading a cache
    except ValueError:
        raise Misconfigured(f"{variable} is not an address", "write it like https://api.example.com") from None
    beyond = parts.username is not None or parts.query or parts.fragment or not _PATH.fullmatch(parts.path)
    if scheme not in {"http", "https"} or not host or beyond:
        raise Misconfigured(f"{variable} is not a plain https address", "write it like https://api.example.com")
    if scheme == "http" and not is_loopback(host):
        raise Misconfigured(
            f"{variable} is http:// to another machine, which would show every secret to the network", "use https://"
        )
    return Origin(scheme, host, port or {"http": 80, "https": 443}[scheme], parts.path.rstrip("/"))
