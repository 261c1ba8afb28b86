"""The forms of a page, as a browser would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

PROOF: Final = "_proof"


@dataclass
class Form:
    """Where it goes, how, and its fields with what they hold. `typed` are those that a person fills in."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)

    def filled(self, text: str, *, wholly: bool) -> dict[str, str]:
        """With the text in every field that a person fills in; or `wholly`, in those that nobody sees too."""
        return {name: text if wholly or name in self.typed else held for name, held in self.fields.items()}


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Form] = []
        self._path, self._open = path, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = True
            self.found.append(Form(told.get("action") or self._path, told.get("method", "get")))
        elif self._open and tag == "button" and told.get("formaction"):
            self.found[-1].action = told["formaction"]
        elif self._open and tag in {"input", "select", "textarea"} and told.get("name", PROOF) != PROOF:
            self.found[-1].fields[told["name"]] = told.get("value", "")
            if told.get("type") not in {"hidden", "file"}:
                self.found[-1].typed.add(told["name"])

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "form"


def forms(page: str, path: str) -> list[Form]:
    """Those of the page at this path."""
    reader = _Reader(path)
    reader.feed(page)
    return reader.found
