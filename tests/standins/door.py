"""A door in front of a server: open, silent (takes connections and never says a word), slow (says it when it is let),
or closed (nobody listens). Tests turn it while the server's clients run."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

Way = Literal["open", "silent", "slow", "closed"]
_CHUNK: Final = 65_536


@dataclass(eq=False)
class Door:
    """A port of loopback. `held` clients wait for an answer now, `given_up` is how many stopped waiting for one."""

    target: int
    port: int = 0
    way: Way = "open"
    held: int = 0
    given_up: int = 0
    _listener: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _let: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Of a server that speaks HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def be(self, way: Way) -> None:
        """Turns it. Connections of before are cut, and what was counted begins anew."""
        self.let()
        self.close()
        self.way = way
        self._let = threading.Event()
        with self._lock:
            self.held = self.given_up = 0
        if way != "closed":
            self._listen()

    def let(self) -> None:
        """Lets the answers of a slow door go."""
        self._let.set()

    def close(self) -> None:
        """Nobody listens any more."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            gone, self._open = self._open, set()
        for one in gone:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open.add(client)
                serve = self._keep if self.way == "silent" else self._pass
                threading.Thread(target=serve, args=(client, self._let), daemon=True).start()

    def _keep(self, client: socket.socket, _: threading.Event) -> None:
        """Listens, and says nothing."""
        with client, self._waiting(client), contextlib.suppress(OSError):
            while client.recv(_CHUNK):
                pass

    def _pass(self, client: socket.socket, let: threading.Event) -> None:
        slow = let if self.way == "slow" else None
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target), 5) as server:
            server.settimeout(None)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(server)
            back = threading.Thread(target=_copy, args=(server, client, slow), daemon=True)
            back.start()
            with self._waiting(client) if slow else contextlib.nullcontext():
                _copy(client, server, None)
            back.join()
            with self._lock:
                self._open -= {server, client}

    @contextmanager
    def _waiting(self, client: socket.socket) -> Iterator[None]:
        """Counts a client that waits. One that is cut by us did not give up."""
        with self._lock:
            self.held += 1
        try:
            yield
        finally:
            with self._lock:
                if client in self._open:
                    self._open.discard(client)
                    self.held -= 1
                    self.given_up += 1


def _copy(source: socket.socket, sink: socket.socket, let: threading.Event | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            if let is not None:
                let.wait(60)
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def door_to(target: int) -> Iterator[Door]:
    """A door that is open, until the block ends."""
    made = Door(target)
    made.be("open")
    try:
        yield made
    finally:
        made.let()
        made.close()
