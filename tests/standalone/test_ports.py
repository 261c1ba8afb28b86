"""Two programs that start servers at the same time never pick the same ports."""

from __future__ import annotations

import multiprocessing
import socket
from concurrent.futures import ProcessPoolExecutor

from keyway_standalone.ports import PORTS, free_port, free_ports


def picked() -> set[int]:
    """All that a program can pick."""
    return {free_port() for _ in range(300)}


def test_programs_have_ports_of_their_own() -> None:
    """Also one that is forked from another, and one whose number would give it a share that is taken."""
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork) as one, ProcessPoolExecutor(1, mp_context=fork) as two:
        sets = [picked(), one.submit(picked).result(), two.submit(picked).result()]
    assert all(40 < len(found) < 120 for found in sets)  # some are taken by servers that run
    assert len(set.union(*sets)) == sum(map(len, sets))


def test_a_taken_port_is_not_picked() -> None:
    """Every server has its own, and none is that of a program that listens."""
    ports = free_ports()
    assert len(set(ports.values())) == len(PORTS)
    with socket.create_server(("127.0.0.1", ports["backend"])):
        assert ports["backend"] not in picked()
