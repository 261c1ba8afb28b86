"""Which ports the servers of an installation listen on."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

PORTS: Final = {"backend": 8080, "ops": 8081, "dashboard": 3000, "crypto": 50051, "postgres": 5433, "github": 8090}
# Below the range from which Linux takes the ports of outgoing connections, so that a picked port stays free.
_FREE_PORTS: Final = range(20_000, 32_000)
# A server listens seconds after its port was picked. Each program that starts servers has a share of its own until it
# ends, so that no other picks the same meanwhile. The first port of a share says that it is taken.
_PORTS_PER_SHARE: Final = 120


def free_ports() -> dict[str, int]:
    """A free loopback port for every server of an installation."""
    return {server: free_port() for server in PORTS}


def free_port() -> int:
    """A free loopback port for one server. It comes up again when all others of our share did."""
    return next(filter(port_is_free, _share(os.getpid())))


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@lru_cache(1)
def _share(pid: int) -> Iterator[int]:
    """The share of this process, kept by a bound socket. A forked child has another number, and takes another share."""
    firsts = _FREE_PORTS[::_PORTS_PER_SHARE]
    start = pid % len(firsts)
    for first in (*firsts[start:], *firsts[:start]):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", first))
        except OSError:
            held.close()
        else:
            held.detach()  # open until the process ends
            return itertools.cycle(range(first + 1, first + _PORTS_PER_SHARE))
    raise OSError("no loopback ports are left below 32000")
