"""Bodies that are under way: how large one may be, how long it may take, and how much memory all of them have.

Nobody is refused for what others send and never end. When there is no memory left, the sender who holds most of it
gives back the oldest of its bodies that are not complete; a sender is an address, as limits count them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from keyway_core.limits import REQUEST_BODY_BYTES
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope

from keyway_backend.platform.address import Network
from keyway_backend.platform.errors import TooLarge, Unavailable
from keyway_backend.platform.limits import sender_of

Share = Literal["small", "known", "signed"]

SMALL_BYTES: Final = 65_536
_SECONDS: Final = 60.0
# What is large in bodies of senders that nobody knows yet must not shut out those whose credential was looked at, and
# neither may shut out what is small.
_SHARES: Final[dict[Share, int]] = {
    "small": 2 * REQUEST_BODY_BYTES,
    "known": 6 * REQUEST_BODY_BYTES,
    "signed": 2 * REQUEST_BODY_BYTES,
}


class Arrivals:
    """All bodies that are under way, of one process."""

    def __init__(self, trusted: Sequence[Network] = (), *, seconds: float = _SECONDS) -> None:
        self.seconds = seconds
        self._trusted = trusted
        self._under_way: dict[_Body, None] = {}
        self._of_sender: Counter[tuple[Share, str]] = Counter()
        self._held: Counter[Share] = Counter()

    @property
    def held(self) -> int:
        """Bytes, of all bodies together."""
        return self._held.total()

    @contextmanager
    def of(self, scope: Scope, receive: Receive, limit: int, share: Share) -> Iterator[Receive]:
        """What a request is read by. Its first 64 KiB count as small whoever sends them, the rest for its share."""
        body = _Body(self, scope, receive, limit, share)
        try:
            yield body.read
        finally:
            self.release(body)

    def begin(self, body: _Body) -> str:
        """Somebody wants to read a body: whose it is."""
        self._under_way[body] = None
        return sender_of(HTTPConnection(body.scope), self._trusted)

    def complete(self, body: _Body) -> None:
        """A body has arrived. It holds memory until its request is answered, and nobody takes that away."""
        self._under_way.pop(body, None)

    def hold(self, body: _Body, share: Share, grown: int) -> bool:
        """A body has grown. Whether there is memory for it, after others gave some back."""
        self._count(body, share, grown)
        while grown and self._held[share] > _SHARES[share]:
            heaviest = self._heaviest(share)
            if heaviest is None or heaviest is body:
                return False
            self.release(heaviest)
            heaviest.push_out()
        return True

    def release(self, body: _Body) -> None:
        """What a body holds is free."""
        self._under_way.pop(body, None)
        for share, held in list(body.held.items()):
            self._count(body, share, -held)

    def _count(self, body: _Body, share: Share, grown: int) -> None:
        body.held[share] += grown
        self._held[share] += grown
        self._of_sender[share, body.sender] += grown
        if not self._of_sender[share, body.sender]:
            del self._of_sender[share, body.sender]

    def _heaviest(self, share: Share) -> _Body | None:
        """The oldest unfinished body of the sender who holds most. Of two that hold as much, it is the older one's."""
        waiting = (body for body in self._under_way if body.held[share])
        return max(waiting, key=lambda body: self._of_sender[share, body.sender], default=None)


class _Body:
    """One body, which is read to its end at once: pieces of a few bytes each would take many times their size."""

    def __init__(self, all_: Arrivals, scope: Scope, receive: Receive, limit: int, share: Share) -> None:
        self.scope = scope
        self.sender = ""
        self.held: Counter[Share] = Counter()
        self._all = all_
        self._receive = receive
        self._limit = limit
        self._share: Share = share
        self._size = 0
        self._began = self._pushed_out = False
        self._until: asyncio.Timeout | None = None

    async def read(self) -> Message:
        """The whole body as one message, and after it whatever comes. Raises TooLarge, Unavailable.

        Counts what arrives, so that neither a missing nor a lying Content-Length gets past the limit.
        """
        if self._began:
            return await self._receive()
        self._began = True
        self.sender = self._all.begin(self)
        try:
            async with asyncio.timeout(self._all.seconds) as self._until:
                message = await self._whole()
        except TimeoutError:
            if self._pushed_out:
                raise _no_room() from None
            raise Unavailable("The request's body did not arrive in time. Nothing was changed.") from None
        finally:
            self._until = None
        self._all.complete(self)
        return message

    def push_out(self) -> None:
        """Its memory is somebody else's from now on: its reader gets no further."""
        self._pushed_out = True
        if self._until is not None:
            self._until.reschedule(asyncio.get_running_loop().time())

    async def _whole(self) -> Message:
        message = await self._receive()
        self._grow(message)
        if not message.get("more_body", False):
            return message
        gathered = bytearray(message.get("body", b""))
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._grow(message)
            gathered += message.get("body", b"")
        return {"type": "http.request", "body": bytes(gathered), "more_body": False}

    def _grow(self, message: Message) -> None:
        before, self._size = self._size, self._size + len(message.get("body", b""))
        if self._size > self._limit:
            raise TooLarge(f"The request body is over {self._limit} bytes. Send fewer or smaller secrets at a time.")
        small = min(self._size, SMALL_BYTES) - min(before, SMALL_BYTES)
        large = self._size - before - small
        if self._pushed_out or not (self._all.hold(self, "small", small) and self._all.hold(self, self._share, large)):
            raise _no_room()


def _no_room() -> Unavailable:
    return Unavailable("Too many large requests arrive at once. Nothing was changed; try again.")
