"""A mail server for tests: takes everything that it is given, and keeps it."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass
class MailServer:
    """Its port, and the messages that it took, with their recipients."""

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)


@contextmanager
def taking_mail() -> Iterator[MailServer]:
    """Serves on a free port of loopback until the block ends."""
    kept = MailServer()

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recipient = ""
            self._say("220 here")
            while line := self.rfile.readline().decode().strip():
                word = line.upper()
                if word.startswith("RCPT"):
                    recipient = line.split("<")[1].split(">")[0]
                if word.startswith("DATA"):
                    self._say("354 go on")
                    kept.taken.append((recipient, self._message()))
                if word.startswith("QUIT"):
                    self._say("221 bye")
                    return
                self._say("250 fine")

        def _message(self) -> EmailMessage:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    kept.port = server.server_address[1]
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
