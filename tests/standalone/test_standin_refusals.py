"""What the GitHub stand-in refuses: it must be as strict as GitHub, and as closed as a server on a shared machine."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from keyway_standalone.process import ProcessError
from keyway_standalone.processes import Stack
from keyway_standalone.state import APP_ID
from stack import TLS, running_stack


@pytest.fixture(scope="module")
def standin() -> Iterator[Stack]:
    """The stand-in alone, with test controls."""
    with running_stack(only={"github"}) as running:
        yield running


@pytest.fixture
def github(standin: Stack) -> Iterator[httpx.Client]:
    """A client of the stand-in."""
    with httpx.Client(verify=TLS, base_url=standin.github_url, headers={"accept": "application/json"}) as client:
        yield client


def app_jwt(standin: Stack, **changes: Any) -> dict[str, str]:
    """The header of an App JWT; `changes` replace claims, `key` the signing key."""
    now = int(time.time())
    key = changes.pop("key", standin.instance.app_private_key)
    claims = {"iss": str(APP_ID), "iat": now - 60, "exp": now + 540} | changes
    return bearer(jwt.encode(claims, key, algorithm="RS256"))


def bearer(token: str) -> dict[str, str]:
    """A credential header."""
    return {"authorization": f"Bearer {token}"}


def installation_of(standin: Stack, login: str) -> int:
    """The number of the installation on an account."""
    world = standin.control.world()
    accounts = {**world["users"], **world["orgs"]}
    found = [one for one in world["installations"].values() if accounts[str(one["account_id"])]["login"] == login]
    return int(found[0]["id"])


def installation_token(standin: Stack, github: httpx.Client, place: str = "private") -> dict[str, str]:
    """The header of a token of the installation that covers a place."""
    owner = standin.control.repo(place)["full_name"].split("/")[0]
    path = f"/app/installations/{installation_of(standin, owner)}/access_tokens"
    return bearer(github.post(path, headers=app_jwt(standin)).raise_for_status().json()["token"])


class TestTheDoor:
    """Who may talk to the server at all."""

    @pytest.mark.parametrize(
        "host", ["github.com", "127.0.0.1", "attacker.example:{port}", "localhost.attacker.example"]
    )
    def test_another_host_name_is_refused(self, standin: Stack, github: httpx.Client, host: str) -> None:
        """A page that rebinds its name to loopback is not answered."""
        name = host.format(port=standin.ports["github"])
        assert github.get("/login/device", headers={"host": name}).status_code == 421

    def test_it_listens_on_loopback_only(self, standin: Stack) -> None:
        """No other interface of the machine leads to it."""
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()]
        listening = [fields[1] for fields in sockets if fields[3] == "0A"]
        port = f"{standin.ports['github']:04X}"
        assert [address for address in listening if address.endswith(port)] == [f"0100007F:{port}"]

    @pytest.mark.parametrize("given", [None, "", "wrong"])
    def test_controls_need_the_token(self, github: httpx.Client, given: str | None) -> None:
        """Without the token of this start nobody changes the world."""
        headers = {} if given is None else {"x-control-token": given}
        assert github.get("/_control/world", headers=headers).status_code == 403

    def test_controls_do_not_exist_outside_tests(self) -> None:
        """A stand-in that was started without the flag has no control endpoints, whatever token is shown."""
        with running_stack(only={"github"}, test_controls=False) as plain:
            assert (
                httpx.get(f"{plain.github_url}/_control/world", headers={"x-control-token": ""}, verify=TLS).status_code
                == 404
            )
            with pytest.raises(ProcessError, match="without test controls"):
                _ = plain.control


class TestTheApprovalPage:
    """Consent is the person's, shown by the passphrase."""

    @pytest.fixture
    def standin(self) -> Iterator[Stack]:
        """One of its own, because wrong passphrases lock it."""
        with running_stack(only={"github"}) as running:
            yield running

    def test_approval_and_lock(self, standin: Stack, github: httpx.Client) -> None:
        """A wrong passphrase approves nothing, the right one does, and after five wrong ones the page pauses."""
        device = github.post("/login/device/code", json={"client_id": standin.instance.client_id}).json()
        form = {"user_code": device["user_code"], "login": standin.control.login("reader"), "decision": "authorize"}
        right = form | {"passphrase": standin.passphrase}
        assert github.post("/login/device", data=form | {"passphrase": "open sesame"}).status_code == 403
        assert github.post("/login/device", data=right, headers={"origin": "http://evil.example"}).status_code == 403
        assert github.post("/login/device", data=right | {"user_code": "BBBB-BBBB"}).status_code == 404
        assert github.post("/login/device", data=right).status_code == 200
        assert github.post("/login/device", data=right).status_code == 404, "a code is used up by its approval"
        wrong = [github.post("/login/device", data=form | {"passphrase": "no"}).status_code for _ in range(4)]
        assert wrong == [403] * 4
        assert github.post("/login/device", data=right).status_code == 429


class TestDeviceGrant:
    """Polling for a device sign-in."""

    def poll(self, standin: Stack, github: httpx.Client, code: str, **changes: str) -> str:
        """The error of one poll, or "token"."""
        fields = {
            "client_id": standin.instance.client_id,
            "device_code": code,
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        }
        answer = github.post("/login/oauth/access_token", data=fields | changes)
        assert answer.status_code == 200
        return str(answer.json().get("error", "token"))

    def start(self, standin: Stack, github: httpx.Client) -> dict[str, Any]:
        """A new sign-in."""
        started: dict[str, Any] = github.post(
            "/login/device/code", data={"client_id": standin.instance.client_id}
        ).json()
        assert (started["interval"], started["expires_in"]) == (5, 899)
        return started

    def test_refusals(self, standin: Stack, github: httpx.Client) -> None:
        """Unknown codes, other clients, wrong secrets and other grants each get their own error."""
        code = self.start(standin, github)["device_code"]
        assert self.poll(standin, github, "0" * 40) == "incorrect_device_code"
        assert self.poll(standin, github, code, client_id="Iv1.other") == "incorrect_client_credentials"
        assert self.poll(standin, github, code, client_secret="wrong") == "incorrect_client_credentials"
        assert self.poll(standin, github, code, grant_type="password") == "unsupported_grant_type"

    def test_pending_then_slow_down(self, standin: Stack, github: httpx.Client) -> None:
        """A second poll within the interval is told to slow down."""
        code = self.start(standin, github)["device_code"]
        assert self.poll(standin, github, code) == "authorization_pending"
        assert self.poll(standin, github, code) == "slow_down"

    def test_denied(self, standin: Stack, github: httpx.Client) -> None:
        """Cancel on the page ends the sign-in."""
        started = self.start(standin, github)
        standin.control.deny_device(started["user_code"])
        assert self.poll(standin, github, started["device_code"]) == "access_denied"

    def test_approved_once(self, standin: Stack, github: httpx.Client) -> None:
        """An approved code gives one token."""
        started = self.start(standin, github)
        standin.control.approve_device(started["user_code"], standin.control.login("reader"))
        assert self.poll(standin, github, started["device_code"]) == "token"
        assert self.poll(standin, github, started["device_code"]) == "incorrect_device_code"

    def test_expired(self, standin: Stack, github: httpx.Client) -> None:
        """After its time a code is worth nothing."""
        started = self.start(standin, github)
        standin.control.do("expire-devices")
        assert self.poll(standin, github, started["device_code"]) == "expired_token"


class TestWebGrant:
    """The web flow with PKCE."""

    verifier = "a-verifier-of-forty-three-characters-or-more-is-long"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

    def consent(self, standin: Stack, github: httpx.Client, **changes: str) -> httpx.Response:
        """The answer to a consent."""
        query = {
            "client_id": standin.instance.client_id,
            "redirect_uri": f"{standin.api_url}/v1/auth/callback",
            "state": "s-1",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        } | changes
        form = {"login": standin.control.login("reader"), "passphrase": standin.passphrase, "decision": "authorize"}
        return github.post("/login/oauth/authorize", params=query, data=form)

    def exchange(self, standin: Stack, github: httpx.Client, code: str, verifier: str) -> dict[str, Any]:
        """The answer to an exchange."""
        fields = {
            "client_id": standin.instance.client_id,
            "client_secret": standin.instance.client_secret,
            "code": code,
            "code_verifier": verifier,
        }
        answer: dict[str, Any] = github.post("/login/oauth/access_token", json=fields).json()
        return answer

    def code(self, standin: Stack, github: httpx.Client) -> str:
        """A code."""
        target = urlsplit(self.consent(standin, github).headers["location"])
        assert parse_qs(target.query)["state"] == ["s-1"]
        return parse_qs(target.query)["code"][0]

    def test_refused_requests(self, standin: Stack, github: httpx.Client) -> None:
        """Another App, a foreign redirect address and a plain challenge never reach a consent."""
        assert self.consent(standin, github, client_id="Iv1.other").status_code == 404
        assert self.consent(standin, github, redirect_uri="https://evil.example/cb").status_code == 400
        assert self.consent(standin, github, code_challenge_method="plain").status_code == 400

    def test_wrong_verifier_uses_the_code_up(self, standin: Stack, github: httpx.Client) -> None:
        """A code that somebody tried with a wrong verifier is gone for the right one too."""
        code = self.code(standin, github)
        assert self.exchange(standin, github, code, "wrong")["error"] == "bad_verification_code"
        assert self.exchange(standin, github, code, self.verifier)["error"] == "bad_verification_code"

    def test_exchange_and_refresh(self, standin: Stack, github: httpx.Client) -> None:
        """The right verifier gets tokens, and a refresh token works once and ends the access token before it."""
        tokens = self.exchange(standin, github, self.code(standin, github), self.verifier)
        fields = {
            "client_id": standin.instance.client_id,
            "client_secret": standin.instance.client_secret,
            "grant_type": "refresh_token",
            "refresh_token": tokens["refresh_token"],
        }
        renewed = github.post("/login/oauth/access_token", data=fields).json()
        assert github.post("/login/oauth/access_token", data=fields).json()["error"] == "bad_refresh_token"
        assert github.get("/user", headers=bearer(tokens["access_token"])).status_code == 401
        assert github.get("/user", headers=bearer(renewed["access_token"])).status_code == 200


class TestAppCredentials:
    """The App's JWT and its installations' tokens."""

    def test_jwts_that_github_refuses(self, standin: Stack, github: httpx.Client) -> None:
        """Expired, too long-lived, from the future, foreign key, foreign App, unsigned: each is refused."""
        now = int(time.time())
        foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        unsigned = jwt.encode({"iss": str(APP_ID), "iat": now, "exp": now + 60}, None, algorithm="none")
        assert github.get("/app", headers=app_jwt(standin)).status_code == 200
        for refused in (
            app_jwt(standin, exp=now - 1),
            app_jwt(standin, exp=now + 660),
            app_jwt(standin, iat=now + 120),
            app_jwt(standin, key=foreign),
            bearer(unsigned),
        ):
            assert github.get("/app", headers=refused).status_code == 401
        assert github.get("/app", headers=app_jwt(standin, iss="1")).status_code == 404

    def test_a_token_reaches_its_own_repositories_only(self, standin: Stack, github: httpx.Client) -> None:
        """Another tenant's repository, and one that nobody installed the App on, are not there."""
        token = installation_token(standin, github)
        for place, status in (("private", 200), ("public", 200), ("other", 404), ("bare", 404)):
            name = standin.control.repo(place)["full_name"]
            assert github.get(f"/repos/{name}", headers=token).status_code == status, place

    def test_missing_permission_is_named(self, standin: Stack, github: httpx.Client) -> None:
        """Without Members an organisation's roster is not accessible by the integration."""
        private = standin.control.repo("private")["full_name"]
        org = private.split("/")[0]
        repos = [private, standin.control.repo("public")["full_name"]]
        standin.control.install(org, repos, {"metadata": "read"})
        refused = github.get(f"/orgs/{org}/members", headers=installation_token(standin, github))
        standin.control.install(org, repos)
        assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
        assert github.get(f"/orgs/{org}/members", headers=installation_token(standin, github)).status_code == 200

    def test_suspension_and_removal_end_tokens(self, standin: Stack, github: httpx.Client) -> None:
        """A suspended installation refuses, a removed one is unknown, and a new one has another number."""
        name = standin.control.repo("other")["full_name"]
        owner = name.split("/")[0]
        token = installation_token(standin, github, "other")
        before = installation_of(standin, owner)
        standin.control.do("suspend", login=owner)
        assert github.get(f"/repos/{name}", headers=token).status_code == 403
        mint = f"/app/installations/{before}/access_tokens"
        assert github.post(mint, headers=app_jwt(standin)).status_code == 403
        standin.control.do("uninstall", login=owner)
        assert github.get(f"/repos/{name}", headers=token).status_code == 401
        assert github.post(mint, headers=app_jwt(standin)).status_code == 404
        assert github.get(f"/repos/{name}/installation", headers=app_jwt(standin)).status_code == 404
        standin.control.install(owner)
        assert installation_of(standin, owner) != before

    def test_only_our_users_tokens_pass_the_check(self, standin: Stack, github: httpx.Client) -> None:
        """A token that another App got for the same person is not ours, and without the secret none is."""
        login = standin.control.login("reader")
        ours, foreign = (standin.control.mint_user_token(login, kind) for kind in ("ghu", "gho"))
        path = f"/applications/{standin.instance.client_id}/token"
        us = (standin.instance.client_id, standin.instance.client_secret)
        assert github.post(path, json={"access_token": ours}, auth=us).json()["user"]["login"] == login
        assert github.post(path, json={"access_token": foreign}, auth=us).status_code == 404
        assert github.post(path, json={"access_token": ours}, auth=(us[0], "wrong")).status_code == 404
