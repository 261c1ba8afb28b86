"""Our static files: read once, served from memory under names that carry their hash, so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_KEEP: Final = "public, max-age=31536000, immutable"
_LINK: Final = re.compile(rb"url\(\.?/?([a-z0-9-]+\.[a-z0-9]+)\)")
_HASH_CHARACTERS: Final = 12


@dataclass(frozen=True)
class _File:
    kind: str
    plain: bytes
    packed: bytes | None


class StaticFiles:
    """The files of a folder. `url("app.css")` is what a page writes."""

    def __init__(self, folder: Path) -> None:
        self._names: dict[str, str] = {}
        self._files: dict[str, _File] = {}
        # A stylesheet names fonts, so it is read after them.
        for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".css", path.name)):
            self._add(path)

    def url(self, name: str) -> str:
        """The address of a file; KeyError for one that is not there."""
        return f"/static/{self._names[name]}"

    async def serve(self, request: Request) -> Response:
        """The file, or 404: also for an older hash, so that nobody keeps new content under an old name."""
        file = self._files.get(request.path_params["name"])
        if file is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {"Cache-Control": _KEEP, "Vary": "Accept-Encoding", "Content-Type": file.kind}
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.packed, headers=headers | {"Content-Encoding": "gzip"})
        return Response(file.plain, headers=headers)

    def _add(self, path: Path) -> None:
        content = path.read_bytes()
        if path.suffix == ".css":
            content = _LINK.sub(self._hashed_link, content)
        digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]
        name = f"{path.stem}.{digest}{path.suffix}"
        packed = None if path.suffix == ".woff2" else gzip.compress(content, 9, mtime=0)
        self._names[path.name] = name
        self._files[name] = _File(_TYPES[path.suffix], content, packed)

    def _hashed_link(self, found: re.Match[bytes]) -> bytes:
        return b"url(" + self._names[found[1].decode()].encode() + b")"
