"""The person beside an assistant. As a program it is their browser: it opens a page and presses a button.

`python beside.py FOLDER ADDRESS`: what to answer stands in FOLDER/answer.json, what was asked goes to FOLDER/asked.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urlsplit


class Beside:
    """What the person answers from now on, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "asked").mkdir(parents=True)
        self.answers("no")

    @property
    def browser(self) -> str:
        """For the variable BROWSER."""
        return shlex.join([sys.executable, "-I", "-S", __file__, str(self.folder)]) + " %s"

    def answers(self, answer: str, value: str = "", *, again: bool = False) -> None:
        """Says yes or no, types a value, ticks the box."""
        form = {"answer": answer, "value": value} | ({"again": "yes"} if again else {})
        (self.folder / "answer.json").write_text(json.dumps(form), encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        """The text of every page that was opened."""
        files = sorted((self.folder / "asked").iterdir(), key=lambda path: int(path.name))
        return [file.read_text(encoding="utf-8") for file in files]

    @property
    def addresses(self) -> list[str]:
        """Where these pages were."""
        return (self.folder / "addresses").read_text(encoding="utf-8").split()


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


def main() -> int:
    """Opens the page, notes what it says, answers."""
    folder, address = Path(sys.argv[1]), sys.argv[2]
    with (folder / "addresses").open("a", encoding="utf-8") as file:
        file.write(address + "\n")
    parts = urlsplit(address)
    text, cookie = send(parts, "GET")
    seen = html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", text, flags=re.DOTALL))
    number = len(list((folder / "asked").iterdir()))
    (folder / "asked" / str(number)).write_text(seen, encoding="utf-8")
    form = urlencode(json.loads((folder / "answer.json").read_text(encoding="utf-8")))
    kind = "application/x-www-form-urlencoded"
    send(parts, "POST", form, {"Cookie": cookie, "Origin": address.rpartition("/")[0], "Content-Type": kind})
    return 0


if __name__ == "__main__":
    sys.exit(main())
