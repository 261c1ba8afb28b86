"""Who is really asking, behind proxies (assurance A-05)."""

from __future__ import annotations

from typing import Final

import pytest
from keyway_backend.platform.address import client_address, networks
from starlette.requests import Request

TRUSTED: Final = networks(["10.0.0.0/8", "fd00::/8", "192.168.7.7"])


def address(peer: str, *forwarded: str) -> str:
    """The client of a request from this peer with these header lines."""
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return client_address(Request({"type": "http", "client": (peer, 1), "headers": headers}), TRUSTED)


@pytest.mark.parametrize("spoofed", ["1.2.3.4", "127.0.0.1", "10.0.0.1", "1.2.3.4, 5.6.7.8", "::1", "unknown", ""])
def test_a_stranger_is_not_believed(spoofed: str) -> None:
    """A header from a peer that is no proxy of ours says nothing."""
    assert address("8.8.8.8", spoofed) == "8.8.8.8"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["1.2.3.4"], "1.2.3.4"),
        (["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
        (["9.9.9.9", "1.2.3.4"], "1.2.3.4"),
        (["9.9.9.9, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
        (["9.9.9.9, 1.2.3.4, 10.9.9.9", "192.168.7.7"], "1.2.3.4"),
        (["2001:db8::1, fd00::5"], "2001:db8::1"),
        (["10.1.1.1"], "10.1.1.1"),
        (["1.2.3.4, not-an-address"], "10.0.0.2"),
        ([""], "10.0.0.2"),
        (["1.2.3.4, 10.0.0.300"], "10.0.0.2"),
        (["::ffff:1.2.3.4, ::ffff:10.0.0.3"], "1.2.3.4"),
        ([], "10.0.0.2"),
    ],
)
def test_a_proxy_is_believed_for_one_step(lines: list[str], found: str) -> None:
    """From the right, as far as every hop is a proxy of ours; what a client wrote further left counts for nothing, and
    what is no address is not believed at all."""
    assert address("10.0.0.2", *lines) == found
