"""Signing in with a browser: what must not happen first, then what does (assurance N-01, N-02, N-12)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from browser import NONCE, Browser, Pkce, consented, cookies_set, query
from keyway_standalone.processes import Stack
from opened import OTHER
from stack import TLS, http

from tests.oracle import keys, wire
from tests.oracle.stage import GitHub
from tests.oracle.wire import Call

# What leads away from the dashboard, or would for some reader of addresses. {own} is the dashboard's origin, {host} its
# host and port.
AWAY = [
    "", "/", "//evil.example", "\\\\evil.example", "/\\evil.example", "https:evil.example", "https:/evil.example",
    "https:///evil.example", "https://evil.example", "http://evil.example", "https://evil.example/{own}",
    "https://evil.example?{own}", "https://evil.example#{own}", "{own}@evil.example", "{own}:x@evil.example",
    "{own}.evil.example", "{own}evil.example", "{own}-evil.example", "{own}%2eevil.example", "{own}%40evil.example",
    "{own}%2f@evil.example", "{own}\\@evil.example", "{own}\\.evil.example", "{own}#@evil.example", "{own}/#x",
    "{own}:80", "{own}0", "{own}:", "{own}:8080/", "http://user@{host}", "http://user:pw@{host}/", "http://@{host}/",
    "HTTP://{host}", "https://{host}", "ftp://{host}/", "javascript:alert(1)//{own}", "data:text/html,{own}",
    "file:///etc/passwd", "{own}//evil.example", "{own}/\\evil.example", "{own}/..//evil.example", "{own}/%2e%2e/x",
    "{own}/%2E%2E%2Fx", "{own}/a/../b", "{own}/a/./b", "{own}/%2f%2e%2e", "{own}/%5cevil.example", "{own}/ x", " {own}",
    "{own} ", "{own}\t", "{own}/\r\nSet-Cookie: x=y", "{own}/%0d%0aSet-Cookie:x", "{own}/%00", "{own}\0",
    "http://127.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://localhost:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://127.0.0.1.:{port}/", "http://127.0.0.1%00.evil.example/",
    "http://1\u066127.0.0.1:{port}/", "http://\uff11\uff12\uff17.0.0.1:{port}/", "http://\uff45vil.example/",
    "{own}/" + "a" * 2_000,
    "{own}/" + "a" * 1_900 + "\\", "{own}/" + "a/" * 900 + "\\",
    "null", "about:blank", "blob:{own}/1", "{own}/é", "{own}?x=\\",
]  # fmt: skip


@pytest.fixture
def browser(stack: Stack) -> Iterator[Browser]:
    """A browser that was never here."""
    yield Browser(stack)
    stack.control.clear_faults()


def person(stack: Stack) -> str:
    """Somebody new on GitHub."""
    return GitHub(stack).user("person")


def sessions_of(stack: Stack, login: str) -> int:
    """How many sessions a person has."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        statement = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.login = %s"
        row = connection.execute(statement, (login,)).fetchone()
    return int(row[0]) if row else 0


def age(stack: Stack, seconds: int) -> None:
    """Makes every sign-in under way older."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        connection.execute("UPDATE web_sign_ins SET expires_at = expires_at - make_interval(secs => %s)", (seconds,))


def exchange(stack: Stack, **body: object) -> httpx.Response:
    """The dashboard asks for a session."""
    with http(stack) as client:
        return client.post("/v1/auth/session/exchange", json=body)


def handed_over(stack: Stack, login: str, pkce: Pkce) -> str:
    """The one-time code of a sign-in of this person."""
    answer = Browser(stack).sign_in(login, redirect_uri=f"{stack.dashboard_url}/auth/callback?to=x", **pkce.params)
    assert answer.status_code == 302, answer.text
    return query(answer.headers["location"])["code"]


class TestStartRefuses:
    """Where a sign-in must not lead."""

    def test_there_are_sixty(self) -> None:
        """As many as the plan of proofs asks for."""
        assert len(set(AWAY)) >= 60

    @pytest.mark.parametrize("template", AWAY)
    def test_an_address_that_is_not_on_the_list(self, stack: Stack, browser: Browser, template: str) -> None:
        """400, no cookie, no redirect: an origin counts only when it is spelled as on the list."""
        own = stack.dashboard_url
        host = own.removeprefix("http://")
        answer = browser.get(
            "/v1/auth/github/start",
            redirect_uri=template.format(own=own, host=host, port=host.partition(":")[2]),
        )
        assert answer.status_code == 400
        assert answer.json()["detail"] == "The redirect_uri is not in the allowed origins list"
        assert "location" not in answer.headers
        assert cookies_set(answer) == []

    @pytest.mark.parametrize("method", ["plain", "s256", ""])
    def test_a_challenge_of_another_method(self, browser: Browser, method: str) -> None:
        """PKCE is S256 or nothing."""
        asked = Pkce().params | {"code_challenge_method": method}
        assert browser.get("/v1/auth/github/start", **asked).status_code == 400

    @pytest.mark.parametrize("challenge", ["", "short", "a" * 44, "a" * 42 + "="])
    def test_a_challenge_that_is_none(self, browser: Browser, challenge: str) -> None:
        """A challenge has 43 characters."""
        asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
        assert browser.get("/v1/auth/github/start", **asked).status_code == 400

    def test_a_code_for_a_site_that_is_not_ours(self, open_stack: Stack) -> None:
        """One-time codes are our dashboard's alone."""
        asked = Pkce().params | {"redirect_uri": f"{OTHER}/"}
        assert Browser(open_stack).get("/v1/auth/github/start", **asked).status_code == 400

    def test_a_parameter_that_is_given_twice(self, stack: Stack) -> None:
        """Of two addresses, neither."""
        own = stack.dashboard_url
        path = f"/v1/auth/github/start?redirect_uri={own}/&redirect_uri=https://evil.example/"
        assert wire.send(stack.api_url, Call("GET", path)).status == 400


class TestCallbackRefuses:
    """A state is good once, for ten minutes, in the browser that began."""

    def refused(self, answer: httpx.Response) -> None:
        """400, a page, no cookie, no way on."""
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert cookies_set(answer) == []
        assert "location" not in answer.headers

    def test_no_state_at_all(self, stack: Stack, browser: Browser) -> None:
        """Neither without parameters nor with a code alone, nor from the App's installation page."""
        code = query(consented(stack, browser.start(), person(stack)))["code"]
        for params in (
            {},
            {"code": code},
            {"code": code, "installation_id": 1, "setup_action": "install"},
            {"installation_id": 1, "setup_action": "update"},
            {"error": "access_denied"},
            {"code": code, "state": ""},
            {"code": code, "state": "A" * 43},
            {"consent": "A" * 43},
        ):
            self.refused(browser.get("/v1/auth/callback", **params))

    def test_another_browsers_state(self, stack: Stack, browser: Browser) -> None:
        """A link to a finished consent signs nobody else in, and does not spoil the sign-in either."""
        login = person(stack)
        back = consented(stack, browser.start(), login)
        victim = Browser(stack)
        self.refused(victim.get(back))
        victim.start()
        self.refused(victim.get(back))
        assert sessions_of(stack, login) == 0
        assert browser.get(back).status_code == 302

    def test_two_nonces(self, stack: Stack, browser: Browser) -> None:
        """Of two cookies under one name neither is believed."""
        back = consented(stack, browser.start(), person(stack))
        cookie = f"{NONCE}={browser.jar[NONCE]}; {NONCE}={browser.jar[NONCE]}"
        with http(stack) as client:
            self.refused(client.get(back, headers={"Cookie": cookie}, follow_redirects=False))

    def test_a_used_state(self, stack: Stack, browser: Browser) -> None:
        """The second visit of the same address, whatever code it brings."""
        login = person(stack)
        begun = browser.start()
        back = consented(stack, begun, login)
        assert browser.get(back).status_code == 302
        self.refused(browser.get(back))
        self.refused(browser.get(consented(stack, begun, login)))
        assert sessions_of(stack, login) == 1

    def test_a_state_that_is_used_by_many_at_once(self, stack: Stack, browser: Browser) -> None:
        """Twenty visits at once are one session."""
        login = person(stack)
        back = consented(stack, browser.start(), login)
        with ThreadPoolExecutor(10) as pool:
            statuses = sorted(pool.map(lambda _: Browser(stack, dict(browser.jar)).get(back).status_code, range(20)))
        assert statuses == [302] + [400] * 19
        assert sessions_of(stack, login) == 1

    def test_an_expired_state(self, stack: Stack, browser: Browser) -> None:
        """Ten minutes are over."""
        back = consented(stack, browser.start(), person(stack))
        age(stack, 601)
        self.refused(browser.get(back))

    def test_a_code_that_was_not_meant_for_this_sign_in(self, stack: Stack, browser: Browser) -> None:
        """GitHub holds us to our own verifier: a code of another sign-in does not fit this state."""
        victim, login = Browser(stack), person(stack)
        stolen = query(consented(stack, browser.start(), login))["code"]
        state = query(victim.start())["state"]
        self.refused(victim.get("/v1/auth/callback", state=state, code=stolen))
        assert sessions_of(stack, login) == 0

    def test_a_token_of_another_app(self, stack: Stack, browser: Browser) -> None:
        """A code that gave a token which is not our App's is no sign-in."""
        login = person(stack)
        back = consented(stack, browser.start(), login)
        stack.control.fault("status", "*/applications/*/token", status=404)
        self.refused(browser.get(back))
        assert sessions_of(stack, login) == 0

    @pytest.mark.parametrize("path", ["*/login/oauth/access_token", "*/applications/*/token", "*/user"])
    def test_while_github_is_away(self, stack: Stack, browser: Browser, path: str) -> None:
        """Silence is 503 and a page, and nobody is signed in."""
        login = person(stack)
        back = consented(stack, browser.start(), login)
        stack.control.fault("status", path, status=502)
        answer = browser.get(back)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert cookies_set(answer) == []
        assert sessions_of(stack, login) == 0

    def test_a_refusal_on_github(self, stack: Stack, browser: Browser) -> None:
        """Who says no is told so, and nothing that the query brought is repeated."""
        back = consented(stack, browser.start(), person(stack), "deny")
        answer = browser.get(f"{back}&error_description=%3Cscript%3Eboo")
        assert answer.status_code == 200
        assert "cancelled" in answer.text
        assert "boo" not in answer.text
        assert cookies_set(answer) == []


class TestExchangeRefuses:
    """A one-time code is good once, for a minute, with its verifier, for its origin: else one 401."""

    def test_everything_that_is_wrong(self, stack: Stack) -> None:
        """Unknown, without a verifier, for another origin: one body for all of them."""
        pkce, origin = Pkce(), stack.dashboard_url
        bodies: list[dict[str, object]] = [
            {},
            {"code": 7, "codeVerifier": pkce.verifier, "redirectOrigin": origin},
            {"code": "A" * 43, "codeVerifier": pkce.verifier, "redirectOrigin": origin},
            {"code": handed_over(stack, person(stack), pkce), "redirectOrigin": origin},
            {"code": handed_over(stack, person(stack), pkce), "codeVerifier": "", "redirectOrigin": origin},
            {"code": handed_over(stack, person(stack), pkce), "codeVerifier": "B" * 64, "redirectOrigin": origin},
            {
                "code": handed_over(stack, person(stack), pkce),
                "codeVerifier": pkce.params["code_challenge"],
                "redirectOrigin": origin,
            },
            {
                "code": handed_over(stack, person(stack), pkce),
                "codeVerifier": pkce.verifier,
                "redirectOrigin": f"{origin}/",
            },
        ]
        answers = [exchange(stack, **body) for body in bodies]
        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.json()["detail"] for answer in answers}) == 1

    def test_a_used_one(self, stack: Stack) -> None:
        """Ten exchanges at once are one session; a wrong verifier uses a code up too."""
        pkce, login = Pkce(), person(stack)
        body = {"code": handed_over(stack, login, pkce), "redirectOrigin": stack.dashboard_url}
        with ThreadPoolExecutor(10) as pool:
            answers = pool.map(lambda _: exchange(stack, **body, codeVerifier=pkce.verifier).status_code, range(10))
        assert sorted(answers) == [200] + [401] * 9
        assert sessions_of(stack, login) == 1
        body = {"code": handed_over(stack, login, pkce), "redirectOrigin": stack.dashboard_url}
        assert exchange(stack, **body, codeVerifier="B" * 64).status_code == 401
        assert exchange(stack, **body, codeVerifier=pkce.verifier).status_code == 401

    def test_an_expired_one(self, stack: Stack) -> None:
        """A minute is over."""
        pkce = Pkce()
        code = handed_over(stack, person(stack), pkce)
        age(stack, 61)
        assert (
            exchange(stack, code=code, codeVerifier=pkce.verifier, redirectOrigin=stack.dashboard_url).status_code
            == 401
        )

    def test_what_the_database_holds(self, stack: Stack) -> None:
        """No column of a sign-in under way is its code, its state or its consent."""
        pkce, login, browser = Pkce(), person(stack), Browser(stack)
        handed_over(stack, login, pkce)
        browser.start()
        with psycopg.connect(stack.superuser_database_url) as connection:
            rows = connection.execute(
                """SELECT w.* FROM web_sign_ins w LEFT JOIN users u ON u.id = w.user_id
                   WHERE u.login = %s OR w.status = 'started' ORDER BY w.created_at DESC LIMIT 2""",
                (login,),
            ).fetchall()
        values = [value for row in rows for value in row if value is not None]
        texts = {value.hex() if isinstance(value, bytes) else str(value) for value in values}
        texts |= {urlsafe_b64encode(value).decode().rstrip("=") for value in values if isinstance(value, bytes)}
        assert len(texts) > 10
        for text in texts:
            answer = exchange(stack, code=text, codeVerifier=pkce.verifier, redirectOrigin=stack.dashboard_url)
            assert answer.status_code == 401
            assert browser.get("/v1/auth/callback", state=text, code="x").status_code == 400
            assert browser.get("/v1/auth/callback", consent=text).status_code == 400

    def test_a_field_too_many(self, stack: Stack) -> None:
        """An own route knows its fields; the code stays good."""
        pkce = Pkce()
        body = {"code": handed_over(stack, person(stack), pkce), "codeVerifier": pkce.verifier}
        body["redirectOrigin"] = stack.dashboard_url
        assert exchange(stack, **body, more=1).status_code == 400
        assert exchange(stack, **body).status_code == 200


class TestSignIn:
    """The way through."""

    @pytest.mark.parametrize("rest", ["", "/", "/a", "/a/", "/a/b-c_d.e~f/@g", "?x=1", "/?x=/y", "/a?to=https%3A//b"])
    def test_addresses_of_the_dashboard(self, stack: Stack, browser: Browser, rest: str) -> None:
        """Any page of an origin on the list."""
        assert browser.start(redirect_uri=stack.dashboard_url + rest)

    def test_github_is_asked_with_pkce_and_a_state(self, stack: Stack, browser: Browser) -> None:
        """The address at GitHub carries a challenge of S256; the nonce is a cookie of this host alone."""
        answer = browser.get("/v1/auth/github/start")
        asked = query(answer.headers["location"])
        assert answer.headers["location"].startswith(f"{stack.github_url}/login/oauth/authorize?")
        assert asked["redirect_uri"] == f"{stack.api_url}/v1/auth/callback"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        parts = [part.strip() for part in answer.headers["set-cookie"].lower().split(";")]
        assert parts[0].startswith(f"{NONCE.lower()}=")
        assert {"secure", "httponly", "path=/", "samesite=lax", "max-age=600"} <= set(parts)
        assert not any(part.startswith("domain") for part in parts)

    def test_a_session_in_a_cookie_of_this_host(self, stack: Stack, browser: Browser) -> None:
        """Without a parent domain: `__Host-`, Secure, HttpOnly, Path=/, no Domain, SameSite."""
        target = f"{stack.dashboard_url}/vaults/a/b?tab=x%20y"
        answer = browser.sign_in(person(stack), redirect_uri=target)
        assert (answer.status_code, answer.headers["location"]) == (302, target)
        assert cookies_set(answer) == ["__Host-keyway_session"]
        parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts
        assert not any(part.startswith("domain") for part in parts)
        assert int(re.findall(r"max-age=(\d+)", answer.headers["set-cookie"].lower())[0]) <= 24 * 3600

    def test_every_sign_in_is_a_new_session(self, stack: Stack, browser: Browser) -> None:
        """What the browser held before is not used again."""
        login = person(stack)
        browser.sign_in(login)
        first = browser.jar["__Host-keyway_session"]
        browser.sign_in(login)
        assert browser.jar["__Host-keyway_session"] != first
        assert sessions_of(stack, login) == 2

    def test_two_tabs(self, stack: Stack, browser: Browser) -> None:
        """Two sign-ins that one browser began both come through."""
        login = person(stack)
        backs = [consented(stack, address, login) for address in [browser.start(), browser.start()]]
        assert [browser.get(back).status_code for back in backs] == [302, 302]

    def test_the_dashboard_gets_a_code_and_no_cookie(self, stack: Stack) -> None:
        """With a challenge: a code on the redirect, a session of a dashboard for it, no cookie on the way."""
        pkce, login, browser = Pkce(), person(stack), Browser(stack)
        answer = browser.sign_in(login, redirect_uri=f"{stack.dashboard_url}/in?code=old&to=%2Fx", **pkce.params)
        assert cookies_set(answer) == []
        back = answer.headers["location"]
        assert back.startswith(f"{stack.dashboard_url}/in?to=%2Fx&code=")
        given = exchange(
            stack, code=query(back)["code"], codeVerifier=pkce.verifier, redirectOrigin=stack.dashboard_url
        ).json()["data"]
        assert given["githubLogin"] == login
        with http(stack, given["keywayToken"]) as client:
            assert client.get("/v1/users/me").json()["data"]["username"] == login

    def test_it_is_recorded(self, stack: Stack) -> None:
        """The sign-in and the session that came of it stand in the audit, under one credential."""
        pkce, login = Pkce(), person(stack)
        code = handed_over(stack, login, pkce)
        exchange(stack, code=code, codeVerifier=pkce.verifier, redirectOrigin=stack.dashboard_url)
        with psycopg.connect(stack.superuser_database_url) as connection:
            rows = connection.execute(
                """SELECT action, credential_id, details->>'method', details->>'isNewUser' FROM audit_events
                   WHERE actor_login = %s ORDER BY at""",
                (login,),
            ).fetchall()
        assert [row[0] for row in rows] == ["user_login", "session_started"]
        assert rows[0][1] == rows[1][1]
        assert rows[0][2:] == ("web_oauth", "true")

    def test_nothing_of_it_is_stored(self, stack: Stack, browser: Browser) -> None:
        """State, nonce and code lie in the database as hashes."""
        pkce = Pkce()
        state = query(browser.start())["state"]
        code = handed_over(stack, person(stack), pkce)
        with psycopg.connect(stack.superuser_database_url) as connection:
            rows = [text for (text,) in connection.execute("SELECT w::text FROM web_sign_ins w").fetchall()]
        for secret in (state, browser.jar[NONCE], code):
            assert not any(secret in row or secret.encode().hex() in row for row in rows)


class TestOtherSites:
    """Sites on the list that are not our dashboard, and the cookies of the public one."""

    def test_nothing_before_the_person_agreed(self, open_stack: Stack) -> None:
        """The page names person and site, and no session is there yet; agreeing in another browser is refused."""
        browser, login = Browser(open_stack), person(open_stack)
        page = browser.sign_in(login, redirect_uri=f"{OTHER}/vaults")
        assert page.status_code == 200
        assert f"Continue as {login}" in page.text
        assert OTHER in page.text
        assert cookies_set(page) == []
        assert sessions_of(open_stack, login) == 0
        link = re.findall(r'href="([^"]+)"', page.text)[0]
        assert Browser(open_stack).get(link).status_code == 400
        agreed = browser.get(link)
        assert (agreed.status_code, agreed.headers["location"]) == (302, f"{OTHER}/vaults")
        assert sessions_of(open_stack, login) == 1
        assert browser.get(link).status_code == 400

    def test_a_name_is_no_markup(self, open_stack: Stack) -> None:
        """What GitHub calls a person is shown as text."""
        login = f"<img src=x onerror=alert(1)>{person(open_stack)}"
        GitHub(open_stack).do("create-user", login=login)
        page = Browser(open_stack).sign_in(login, redirect_uri=f"{OTHER}/?q='%22").text
        assert "<img" not in page
        assert "&lt;img src=x" in page

    def test_the_page_allows_no_script(self, open_stack: Stack) -> None:
        """Its policy allows nothing but its own style."""
        page = Browser(open_stack).sign_in(person(open_stack), redirect_uri=f"{OTHER}/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for directive in ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
            assert directive in policy
        assert "<script" not in page.text

    def test_the_cookies_of_the_public_dashboard(self, open_stack: Stack) -> None:
        """With a parent domain: the session, hidden from scripts, and a flag that they read."""
        answer = Browser(open_stack).sign_in(person(open_stack))
        assert answer.status_code == 302
        session, flag = (line.lower() for line in answer.headers.get_list("set-cookie"))
        assert session.startswith("keyway_session=")
        assert flag.startswith("keyway_logged_in=true;")
        assert "httponly" in session
        assert "httponly" not in flag
        for line in (session, flag):
            assert "domain=127.0.0.1" in line
            assert "secure" in line
            assert "samesite=lax" in line


class TestInstall:
    """The App's installation page sends browsers back too; its word is not taken for anything."""

    def back(self, stack: Stack, browser: Browser, login: str, **more: object) -> str:
        """Where GitHub sends the browser after an installation."""
        away = browser.start(install=True)
        assert away.startswith(f"{stack.github_url}/apps/")
        state = query(away)["state"]
        asked = f"{stack.github_url}/login/oauth/authorize?client_id={stack.instance.client_id}&state={state}"
        back = consented(stack, f"{asked}&redirect_uri={stack.api_url}/v1/auth/callback", login)
        return back + "".join(f"&{name}={value}" for name, value in more.items())

    def test_a_foreign_installation(self, stack: Stack, browser: Browser) -> None:
        """One that GitHub lists for somebody else is linked to nobody; the person is signed in all the same."""
        github, victim = GitHub(stack), person(stack)
        number = github.do("install", login=victim)["id"]
        back = self.back(stack, browser, person(stack), installation_id=number, setup_action="update")
        assert browser.get(back).status_code == 302
        assert self.linked(stack, number) == []

    @pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "1099511627776"])
    def test_an_installation_that_is_none(self, stack: Stack, browser: Browser, number: str) -> None:
        """An id that GitHub does not list for this person links nothing; the person is signed in all the same."""
        answer = browser.get(self.back(stack, browser, person(stack), installation_id=number, setup_action="update"))
        assert answer.status_code == 302

    def test_github_is_asked_whose_it_is(self, stack: Stack, browser: Browser) -> None:
        """An id in the query is looked for among the installations of that very person."""
        github, login = GitHub(stack), person(stack)
        number = github.do("install", login=login)["id"]
        back = self.back(stack, browser, login, installation_id=number, setup_action="install")
        assert browser.get(back).status_code == 302
        assert self.linked(stack, number) == [(login, login)]

    def test_from_the_page_itself(self, stack: Stack, browser: Browser) -> None:
        """The whole way: from here to GitHub's installation page and back, signed in, with the installation kept."""
        login = person(stack)
        form = {"login": login, "account": login, "passphrase": stack.passphrase, "decision": "authorize"}
        sent = httpx.post(browser.start(install=True), data=form, follow_redirects=False, verify=TLS)
        assert sent.status_code == 302, sent.text
        answer = browser.get(sent.headers["location"])
        assert (answer.status_code, cookies_set(answer)) == (302, ["__Host-keyway_session"])
        number = query(sent.headers["location"])["installation_id"]
        assert self.linked(stack, number)[0][0] == login

    def linked(self, stack: Stack, number: object) -> list[tuple[object, ...]]:
        """Who is told to have installed it: in the table, and in the audit."""
        return keys.sql(
            stack,
            """SELECT u.login, e.actor_login FROM installations AS i
               JOIN users AS u ON u.github_user_id = i.installed_by_github_user_id
               LEFT JOIN audit_events AS e ON e.action = 'vcs_app_installed'
                   AND (e.details->>'installationId')::bigint = i.installation_id
               WHERE i.installation_id = %s""",
            number,
        )

    def test_without_a_code_it_says_so(self, browser: Browser) -> None:
        """An App that does not ask for consent while it is installed: a page, and nobody is signed in."""
        state = query(browser.start(install=True))["state"]
        answer = browser.get("/v1/auth/callback", state=state, installation_id=1, setup_action="install")
        assert answer.status_code == 200
        assert cookies_set(answer) == []
