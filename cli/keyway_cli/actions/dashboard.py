"""The dashboard's page of a vault, and the badge that leads there."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from keyway_cli.actions.context import Context
from keyway_cli.errors import KeywayError, Misconfigured
from keyway_cli.files import reason, rewrite

_README: Final = ("README.md", "readme.md", "Readme.md")


def dashboard(context: Context) -> str:
    """Where the dashboard is: KEYWAY_DASHBOARD_URL, or `app.` beside the server's `api.`."""
    if context.settings.dashboard_url:
        return context.settings.dashboard_url
    parts = urlsplit(context.api_url())
    if not parts.netloc.startswith("api."):
        raise Misconfigured("it is not known where the dashboard is", "set KEYWAY_DASHBOARD_URL to its address")
    return f"{parts.scheme}://app.{parts.netloc.removeprefix('api.')}"


def open_page(context: Context) -> None:
    """Opens the vault in a browser where there is one, and prints its address everywhere."""
    owner, name = context.repository().split("/")
    address = f"{dashboard(context)}/vaults/{quote(owner)}/{quote(name)}"
    if context.terminal.interactive and context.settings.can_open_browser:
        import webbrowser

        webbrowser.open(address)
    context.terminal.result({"url": address}, address)


def badge(context: Context, *, write: bool) -> None:
    """Prints the badge as Markdown, or puts it below the title of the README."""
    repository, home = context.repository(), dashboard(context)
    owner, name = repository.split("/")
    image = f"{home}/badge.svg?repo={quote(repository, safe='/')}"
    text = f"[![Keyway]({image})]({home}/vaults/{quote(owner)}/{quote(name)})"
    if not write:
        context.terminal.result({"markdown": text}, text)
        return
    path = next((Path(name) for name in _README if Path(name).is_file()), None)
    if path is None:
        raise KeywayError("there is no README.md in this folder", "keyway readme prints the badge")
    written = _insert(path, text)
    words = f"put the badge into {path}" if written else f"{path} has a badge already"
    context.terminal.result({"markdown": text, "file": str(path), "written": written}, words)


def _insert(path: Path, text: str) -> bool:
    """Puts a line below the first heading. False when there is a badge already."""
    try:
        old = path.read_bytes().decode("utf-8")
        if "/badge.svg?repo=" in old:
            return False
        head, separator, rest = old.partition("\n") if old.startswith("#") else ("", "", old)
        new = f"{head}\n\n{text}\n{rest}" if separator or head else f"{text}\n\n{rest}"
        rewrite(path, new.encode())
    except UnicodeDecodeError:
        raise KeywayError(f"{path} is not UTF-8", "keyway readme prints the badge") from None
    except OSError as error:
        raise KeywayError(f"cannot write {path}: {reason(error)}") from None
    return True
