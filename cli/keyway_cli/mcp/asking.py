"""Asking the person, on a page that the assistant does not see.

What a client could show for us (the protocol's elicitation) passes through the program that the model runs in. So the
question is a page of this process on this machine, opened in the person's browser. Its address is in no answer to the
assistant and works once: who opens it first gets the cookie that the answer needs. Where no browser can be opened,
nobody is asked and nothing is done.
"""

from __future__ import annotations

import hmac
import html
import os
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from keyway_core.limits import VALUE_BYTES
from keyway_core.sensitive import Sensitive

from keyway_cli.errors import UsageProblem
from keyway_cli.terminal import printable

WAIT_SECONDS: Final = 240.0
_TICK_SECONDS: Final = 0.01  # how long closing a page waits at most
_OPEN: Final = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
_COOKIE: Final = "keyway-asks"
_MOST: Final = 4 * VALUE_BYTES  # a form writes a byte with up to three characters
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1b1b1f;"
    "background:#fff}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f3f6;padding:.75rem}"
    "textarea{width:100%;box-sizing:border-box;font:inherit;-webkit-text-security:disc}"
    "button{font:inherit;padding:.4rem 1.2rem;margin:1rem .75rem 0 0}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#17171a}pre{background:#26262b}}"
)


class Question(NamedTuple):
    """What is asked: a sentence, the exact thing that it is about, and what the answers are called.

    `wants_value` asks for a text.
    """

    text: str
    details: str = ""
    yes: str = "Allow"
    wants_value: bool = False


class Answer(NamedTuple):
    """What the person said. It holds for this one time."""

    yes: bool
    value: Sensitive | None = None


Ask = Callable[[Question], Answer]


class Person:
    """Whoever sits before this machine, asked one thing at a time."""

    def __init__(self, client: Callable[[], str], *, has_screen: bool, seconds: float = WAIT_SECONDS) -> None:
        self._client = client
        self._reachable = has_screen
        self._seconds = seconds
        self._one_at_a_time = threading.Lock()

    def ask(self, question: Question) -> Answer:
        """What the person answers. Raises UsageProblem when nobody can be asked, or nobody answers in time."""
        with self._one_at_a_time:
            if not self._reachable:
                raise _nobody()
            page = _Page(self._client(), question)
            try:
                threading.Thread(target=page.show, daemon=True).start()
                answer = page.wait(self._seconds)
            finally:
                page.close()
        if page.unseen:
            raise _nobody()
        if answer is None:
            raise UsageProblem("nobody answered on the page that was opened", "nothing was done; ask the person")
        return answer


def _nobody() -> UsageProblem:
    return UsageProblem(
        "this needs a person, and no browser can be opened here to ask one; nothing was done",
        "the person can do it with the keyway command in a terminal of their own",
    )


def open_browser(address: str) -> bool:
    """Whether a browser was found. It gets none of our streams: browsers talk, and ours belong to the protocol.

    A command line in BROWSER is run as it is; the module that finds browsers takes longer to load than all the rest. It
    is loaded by another process, with -I: a module that lies in the folder has no say.
    """
    return _succeeds(_named(address)) or _succeeds([sys.executable, "-I", "-S", "-c", _OPEN, address])


def _named(address: str) -> list[str]:
    """What BROWSER says, where that is one command line with a place for the address."""
    named = os.environ.get("BROWSER", "")
    if "%s" not in named or os.pathsep in named or named.rstrip().endswith("&"):
        return []
    try:
        return [word.replace("%s", address) for word in shlex.split(named)]
    except ValueError:  # a quote is not closed
        return []


def _succeeds(command: list[str]) -> bool:
    nowhere = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False) if command else None
    except OSError:
        return False
    return done is not None and done.returncode == 0


class _Page:
    """One question on one address."""

    def __init__(self, client: str, question: Question) -> None:
        self.question = question
        self.client = client
        self.path = f"/{secrets.token_urlsafe(32)}"
        self.cookie = secrets.token_urlsafe(32)
        self._opened = threading.Lock()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._answer: Answer | None = None
        self.unseen = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.address = self.origin + self.path
        threading.Thread(target=self._server.serve_forever, args=(_TICK_SECONDS,), daemon=True).start()

    def show(self) -> None:
        """Opens it in the browser. Some browsers return when they are closed, so nobody waits for this."""
        if not open_browser(self.address) and not self._done.is_set():
            self.unseen = True
            self._done.set()

    def is_at(self, path: str, headers: Message) -> bool:
        """The right path, and asked for under our own name: another name may be a stranger's page."""
        right = hmac.compare_digest(path.encode(), self.path.encode())
        return right and f"http://{headers.get('Host', '')}" == self.origin

    def knows(self, headers: Message) -> bool:
        """Whether a request comes from the browser that got the question."""
        try:
            found = SimpleCookie(headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        known = found is not None and hmac.compare_digest(found.value.encode(), self.cookie.encode())
        return known and headers.get("Origin", self.origin) in {self.origin, "null"}

    def open_first(self) -> bool:
        """Whether nobody opened it before."""
        return self._opened.acquire(blocking=False)

    def take(self, answer: Answer) -> bool:
        """Keeps the first answer."""
        with self._lock:
            if self._done.is_set():
                return False
            self._answer = answer
            self._done.set()
            return True

    def wait(self, seconds: float) -> Answer | None:
        """The answer, or None when none came."""
        self._done.wait(seconds)
        with self._lock:
            self._done.set()
            return self._answer

    def close(self) -> None:
        """There is no such page any more."""
        self._server.shutdown()
        self._server.server_close()


def _handler(page: _Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            """The question, to whoever comes first."""
            if not page.is_at(self.path, self.headers) or not page.open_first():
                self._send(404, _document("<p>There is no question here, or somebody has opened it already.</p>"))
                return
            self._send(200, _question(page), f"{_COOKIE}={page.cookie}; Path={page.path}; HttpOnly; SameSite=Strict")

        def do_POST(self) -> None:
            """The answer, from the browser that got the question."""
            length = self.headers.get("Content-Length", "")
            known = page.is_at(self.path, self.headers) and page.knows(self.headers)
            if not (known and length.isdecimal() and int(length) <= _MOST):
                self._send(403, _document("<p>Refused.</p>"))
                return
            form = parse_qs(self.rfile.read(int(length)).decode(errors="replace"), keep_blank_values=True)
            taken = page.take(_answer(page.question, form))
            words = "Thank you. You can close this page." if taken else "This came too late; nothing was done."
            self._send(200, _document(f"<p>{words}</p>"))

        def _send(self, status: int, text: str, cookie: str = "") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Content-Type-Options", "nosniff")
            if cookie:
                self.send_header("Set-Cookie", cookie)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silence: the line would hold the page's name."""

    return Handler


def _answer(question: Question, form: dict[str, list[str]]) -> Answer:
    yes = form.get("answer") == ["yes"]
    value = None
    if question.wants_value:
        typed = form.get("value", [""])[0].replace("\r\n", "\n")
        yes, value = yes and bool(typed), Sensitive(typed)
    return Answer(yes, value if yes else None)


def _question(page: _Page) -> str:
    asked = page.question
    parts = [f"<p><b>{_safe(page.client)}</b> works with Keyway for you, and asks:</p><p>{_safe(asked.text)}</p>"]
    if asked.details:
        parts.append(f"<pre>{_safe(asked.details)}</pre>")
    parts.append(f'<form method="post" action="{page.path}" autocomplete="off">')
    if asked.wants_value:
        parts.append('<label>Value<textarea name="value" rows="3" spellcheck="false" autofocus></textarea></label>')
        parts.append("<p>The assistant is not shown what you type.</p>")
    parts.append(f'<button name="answer" value="yes">{_safe(asked.yes)}</button>')
    parts.append('<button name="answer" value="no">No</button></form>')
    return _document("".join(parts))


def _safe(text: str) -> str:
    return html.escape(printable(text))


def _document(body: str) -> str:
    head = f'<meta charset="utf-8"><title>Keyway asks</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><h1>Keyway</h1>{body}</body></html>'
