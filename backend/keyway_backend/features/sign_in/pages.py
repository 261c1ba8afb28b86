"""The few pages that a browser sees here: plain, escaped, without a script, and with a policy that allows none."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from string import Template
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#18181b;--soft:#52525b;--paper:#fff;--edge:#e4e4e7}
@media(prefers-color-scheme:dark){:root{--ink:#fafafa;--soft:#a1a1aa;--paper:#18181b;--edge:#3f3f46}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",sans-serif}
main{width:100%;max-width:27rem;padding:2rem;border:1px solid var(--edge);border-radius:.75rem}
.mark{margin:0 0 1.5rem;font-size:.875rem;font-weight:600;letter-spacing:.02em;color:var(--soft)}
h1{margin:0 0 .5rem;font-size:1.375rem;line-height:1.3}
p{margin:0 0 1rem;color:var(--soft);overflow-wrap:anywhere}p:last-child{margin:0}
b{color:var(--ink)}
a.button{display:block;margin:1.5rem 0 1rem;padding:.625rem 1rem;border-radius:.5rem;background:var(--ink);
color:var(--paper);text-align:center;text-decoration:none;font-weight:600}
a.button:focus-visible{outline:3px solid #3b82f6;outline-offset:2px}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = Template(
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>$title · Keyway</title>'
    '<style>$style</style></head><body><main><p class="mark">Keyway</p><h1>$title</h1>$body</main></body></html>'
)


def page(title: str, *sentences: str, link: tuple[str, str] | None = None, status: int = 200) -> HTMLResponse:
    """A page of sentences, with a button when `link` (label, address) is given. Everything is escaped."""
    body = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    if link is not None:
        label, address = link
        body += f'<a class="button" href="{escape(address)}">{escape(label)}</a>'
    html = _PAGE.substitute(title=escape(title), style=_STYLE, body=body)
    return HTMLResponse(html, status, {"Content-Security-Policy": _POLICY})


def refused() -> HTMLResponse:
    """A state that is missing, foreign, used or too old: one page for all of them."""
    return page(
        "This sign-in cannot go on",
        "It was started in another browser, was used already, or took longer than ten minutes. Nobody was signed in.",
        "Go back to where you came from and start again. If you have just installed the GitHub App, you can close this "
        "page: Keyway hears of installations from GitHub.",
        status=400,
    )


def cancelled(target: str) -> HTMLResponse:
    """The person said no on GitHub."""
    return page("Sign-in cancelled", "GitHub was told not to sign you in. Nothing was changed.", link=("Back", target))


def unavailable(seconds: int) -> HTMLResponse:
    """GitHub did not answer."""
    answer = page(
        "GitHub cannot be asked right now",
        "So nobody can be signed in. Wait a moment, then start again.",
        status=503,
    )
    answer.headers["Retry-After"] = str(seconds)
    return answer


def consent(login: str, origin: str, address: str) -> HTMLResponse:
    """Before somebody is signed in for a site that is not our dashboard."""
    return page(
        f"Continue as {login}?",
        f"{origin} asks to use Keyway in your name. It can then do there what you can do here.",
        "If you do not know this site, close this page.",
        link=(f"Continue as {login}", address),
    )


def installed(target: str) -> HTMLResponse:
    """Back from the App's installation page, which did not say who came."""
    return page(
        "Back from GitHub",
        "Keyway hears from GitHub itself what was installed where. You can close this page.",
        link=("On to Keyway", target),
    )
