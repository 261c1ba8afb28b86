"""Text that a browser brought, or that somebody chose as a name, is never markup on our pages (assurance N-13)."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from itertools import product
from typing import Final
from urllib.parse import quote, urlencode

import pytest
from browser import Browser
from keyway_backend.features.sign_in import pages
from keyway_standalone.processes import Stack
from opened import OTHER
from oracle.report import Record

from tests.oracle.stage import GitHub

_ELEMENTS: Final = (
    "<script>{}</script>", "<ScRiPt>{}</sCrIpT>", "<script src=//evil.example></script>", "<img src=x onerror={}>",
    "<img/src=x/onerror={}>", "<svg onload={}>", "<svg><script>{}</script></svg>", "<svg/onload={}//",
    "<body onload={}>",
    "<iframe src=javascript:{}>", "<iframe srcdoc='<script>{}</script>'>", "<object data=javascript:{}>",
    "<embed src=javascript:{}>", "<a href=javascript:{}>x</a>", "<form action=javascript:{}><button>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>", "<link rel=stylesheet href=//evil.example>",
    "<style>@import '//evil.example'</style>", "<math><mi xlink:href=javascript:{}>", "<details open ontoggle={}>",
    "<video><source onerror={}>", "<input autofocus onfocus={}>", "<marquee onstart={}>",
    "<template><script>{}</script>",
)  # fmt: skip
_BREAKS: Final = ("{}", "\"'>{}", "--></title></style></textarea>{}", '"></a></p>{}')
_ATTRIBUTES: Final = (
    '" onmouseover={} x="', "' onmouseover={} x='", '"autofocus onfocus={} "', "` onerror={}", "javascript:{}",
    "java\tscript:{}", "data:text/html,<script>{}</script>", "$title", "${{body}}", "{{{{7*7}}}}", "&lt;script&gt;{}",
    "\u2028{}", "\x00<b>{}", "<\x00script>{}", "\ufeff<script>{}", "%3Cscript%3E{}", "\\x3cscript\\x3e{}", "<!--{}",
    "]]>{}", "<![CDATA[<script>{}]]>", "<?xml {}?>", "<b", "</main>", "<p>", "<", ">",
)  # fmt: skip
CALL: Final = "alert(document.domain)"
PAYLOADS: Final = sorted(
    {outer.format(inner.format(CALL)) for outer, inner in product(_BREAKS, _ELEMENTS)}
    | {outer.format(inner.format(CALL)) for outer, inner in product(_BREAKS, _ATTRIBUTES)}
)
TAGS: Final = {"html", "head", "meta", "title", "style", "body", "main", "p", "h1", "a"}


class _Seen(HTMLParser):
    """What a browser makes of a page: elements, attributes, text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


def read(page: str) -> _Seen:
    """A page; fails for anything on it that is not ours."""
    seen = _Seen()
    seen.feed(page)
    assert set(seen.tags) <= TAGS, seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in {"style", "src", "srcdoc"}]
    addresses = [value for name, value in seen.attributes if name == "href"]
    assert not [one for one in addresses if re.match(r"\s*(java\s*script|data|vbscript):", one, re.IGNORECASE)]
    return seen


def test_there_are_enough() -> None:
    """As many as the plan of proofs asks for."""
    assert len(PAYLOADS) >= 200


@pytest.mark.parametrize("field", ["login", "origin"])
def test_names_on_the_page_of_consent(field: str) -> None:
    """Whatever a person or a site is called, it is text."""
    for payload in PAYLOADS:
        given = {"login": "ada", "origin": "https://elsewhere.example"} | {field: payload}
        html = bytes(pages.consent(given["login"], given["origin"], "/v1/auth/callback?consent=x").body).decode()
        seen = read(html)
        assert seen.tags.count("a") == 1
        assert unescape(payload).replace("\0", "") in unescape(seen.text).replace("\0", "").replace("\ufffd", "")


def test_what_a_browser_brings_to_the_callback(stack: Stack, record_property: Record) -> None:
    """Each parameter of the callback, each payload: the page shows nothing of it."""
    names = ("error", "error_description", "code", "state", "consent", "installation_id", "setup_action", "anything")
    count = 0
    for index, payload in enumerate(PAYLOADS):
        browser, name = Browser(stack), names[index % len(names)]
        for path in (
            f"/v1/auth/callback?{urlencode({name: payload})}",
            f"/v1/auth/device/verify?user_code={quote(payload)}",
        ):
            answer = browser.get(path)
            count += 1
            if answer.headers.get("content-type", "").startswith("text/html"):
                seen = read(answer.text)
                assert "alert(" not in seen.text
            assert CALL not in str(answer.headers)
            assert CALL not in answer.text or answer.headers["content-type"].startswith("application/json")
    record_property("markup in parameters (N-13)", f"{len(PAYLOADS)} payloads, {count} requests, 0 unescaped")


def test_problems_are_json_that_no_browser_renders(stack: Stack) -> None:
    """A path is repeated in a problem: as JSON, with a type that is not sniffed."""
    for payload in PAYLOADS[::10]:
        answer = Browser(stack).get(f"/v1/{quote(payload, safe='')}")
        assert answer.status_code in {400, 404}
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"onmouseover=alert(1) x="', "${title}</p><svg onload=alert(1)>"]
)
def test_a_login_on_the_wire(open_stack: Stack, name: str) -> None:
    """The whole way: somebody with such a name is asked for consent."""
    login = f"{name}{GitHub(open_stack).user('x')}"
    GitHub(open_stack).do("create-user", login=login)
    page = Browser(open_stack).sign_in(login, redirect_uri=f"{OTHER}/")
    assert page.status_code == 200
    assert f"Continue as {login}" in read(page.text).text
