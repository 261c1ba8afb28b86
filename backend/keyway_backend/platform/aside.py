"""Work that blocks, in a thread of its own that nobody has to wait for: neither a cancelled caller nor the end of the
process, which would both wait for a thread of the loop's own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


async def aside(work: Callable[[], Result]) -> Result:
    """What it gives, or raises."""
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[Result] = loop.create_future()

    def settle(how: Callable[[], None]) -> None:
        if not settled.done():
            how()

    def run() -> None:
        try:
            how = partial(settled.set_result, work())
        except Exception as error:  # noqa: BLE001  # house: broad-except it is raised again where it is waited for
            how = partial(settled.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is gone, and so is who asked
            loop.call_soon_threadsafe(settle, how)

    threading.Thread(target=run, daemon=True, name="aside").start()
    return await settled
