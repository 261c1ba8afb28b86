"""The person beside an assistant, and their browser: it opens a page and presses a button."""

from __future__ import annotations

import html
import os
import re
import shlex
import threading
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"


class Beside:
    """What the person answers from now on, and what they were asked.

    The browser that is started only says where the page is, down a pipe; a thread of ours opens it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.asked: list[str] = []
        self.addresses: list[str] = []
        self._pipe = folder / "pipe"
        os.mkfifo(self._pipe)
        self.answers("no")
        self._thread = threading.Thread(target=self._browse, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._pipe.open("w") as pipe:
            pipe.write("\n")
        self._thread.join()

    @property
    def browser(self) -> str:
        """For the variable BROWSER."""
        return shlex.join(["sh", "-c", f'echo "$0" > {shlex.quote(str(self._pipe))}']) + " %s"

    def answers(self, answer: str, value: str = "", *, programs: str | None = None) -> None:
        """Says yes or no, and types a value. `programs` answers otherwise where no protected values are wanted."""
        self._form = urlencode({"answer": answer, "value": value})
        self._form_for_programs = urlencode({"answer": programs or answer})

    def _browse(self) -> None:
        with os.fdopen(os.open(self._pipe, os.O_RDWR), buffering=1) as pipe:  # never at its end
            while address := pipe.readline().strip():
                self._answer(address)

    def _answer(self, address: str) -> None:
        self.addresses.append(address)
        parts = urlsplit(address)
        text, cookie = send(parts, "GET")
        seen = html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", text, flags=re.DOTALL))
        self.asked.append(seen)
        program = "May this program" in seen and "is protected" not in seen
        form = self._form_for_programs if program else self._form
        send(parts, "POST", form, {"Cookie": cookie, "Origin": address.rpartition("/")[0], "Content-Type": FORM})


def send(
    parts: SplitResult, method: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[str, str]:
    """One request of the browser: the page that comes, and the cookie with it."""
    connection = HTTPConnection(parts.netloc, timeout=20)
    connection.request(method, parts.path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return text, (answer.getheader("Set-Cookie") or "").partition(";")[0]
