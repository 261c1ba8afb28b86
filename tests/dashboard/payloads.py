"""Two hundred texts that want to be code, and what a page looks like in which one of them is."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

MARK: Final = "xq7"
_CALL: Final = f"{MARK}()"
_ELEMENTS: Final = (
    f"<script>{_CALL}</script>", f"<script src=data:text/javascript,{_CALL}></script>", f"<img src=x onerror={_CALL}>",
    f"<svg onload={_CALL}>", f"<svg><script>{_CALL}</script></svg>", f"<body onload={_CALL}>",
    f"<iframe src=javascript:{_CALL}>", f"<iframe srcdoc='<script>parent.{_CALL}</script>'>",
    f"<input autofocus onfocus={_CALL}>", f"<details open ontoggle={_CALL}>", f"<a href=javascript:{_CALL}>x</a>",
    f"<form action=javascript:{_CALL}><button>x</button></form>", f"<math href=javascript:{_CALL}>x</math>",
    f"<video><source onerror={_CALL}></video>", f"<object data=javascript:{_CALL}>", f"<embed src=javascript:{_CALL}>",
    f"<div hx-on:load={_CALL}>", f"<div hx-get=/ hx-trigger=load hx-vals='js:a:{_CALL}'>",
    f"<link rel=stylesheet href=data:text/css,x onload={_CALL}>", f"<base href=javascript:{_CALL}//>",
    f"<meta http-equiv=refresh content='0;url=javascript:{_CALL}'>", f"<dialog open onclose={_CALL}><p {MARK}=1>",
    f"<style>@import'javascript:{_CALL}'</style>", f"<template shadowrootmode=open><img src=x onerror={_CALL}>",
    f"<div popover id=x onbeforetoggle={_CALL}>",
)  # fmt: skip
# What may stand before: the end of an attribute, an element, a comment, a script or a template's expression.
_BEFORE: Final = ("", '">', "'>", "</title></textarea>", "--></script></style>", "{{ 7*191 }}", "\x01\u2028\\", '" a="')
PAYLOADS: Final = tuple(before + element for before in _BEFORE for element in _ELEMENTS)
# All of them in one text: where the first does not get out of its place, the next one tries.
ALL: Final = " ".join(PAYLOADS)
_LINKS: Final = {"href", "src", "action", "formaction", "data", "xlink:href", "hx-get", "hx-post"}
_CODE: Final = re.compile(r"[\s\x00-\x20]*(javascript|vbscript|data\s*:\s*text)", re.IGNORECASE)
_NEVER: Final = {"iframe", "object", "embed", "base", "math", "style", "video"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _NEVER or (tag == "script" and not str(dict(attrs).get("src") or "").startswith("/static/")):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith(("on", "hx-on")) or MARK in name or name in {"srcdoc", "style", "shadowrootmode"}:
                self.found.append(f"<{tag} {name}>")
            if tag == "meta" and name == "http-equiv":
                self.found.append(f"<meta {value}>")
            if (name in _LINKS and _CODE.match(value or "")) or (value or "").startswith("js:"):
                self.found.append(f"<{tag} {name}={value}>")


def alive(page: str) -> list[str]:
    """What in a page a browser would take for code of somebody else's, or for the result of a template's expression."""
    reader = _Reader()
    reader.feed(page)
    return reader.found + (["an expression was evaluated"] if str(7 * 191) in page and MARK in page else [])
