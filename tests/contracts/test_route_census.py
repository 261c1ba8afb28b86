"""Which routes exist: those of one literal list, and no other."""

from __future__ import annotations

import re
from typing import Final

import pytest
from keyway_standalone.processes import Stack
from oracle.policy import Ask, Policy
from oracle.wire import Answer, Call, send

ROUTES: Final = {
    ("GET", "/health"),
    ("GET", "/v1/health"),
    ("HEAD", "/v1/health"),
    ("POST", "/v1/auth/device/start"),
    ("POST", "/v1/auth/device/poll"),
    ("GET", "/v1/auth/github/start"),
    ("GET", "/v1/auth/callback"),
    ("POST", "/v1/auth/session/exchange"),
    ("GET", "/v1/api-keys"),
    ("POST", "/v1/api-keys"),
    ("POST", "/v1/api-keys/leak-reports"),
    ("GET", "/v1/api-keys/{id}"),
    ("DELETE", "/v1/api-keys/{id}"),
    ("GET", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions/{id}"),
    ("GET", "/v1/users/me/usage"),
    ("GET", "/v1/auth/device/verify"),
    ("POST", "/v1/auth/device/verify"),
    ("POST", "/v1/auth/token/validate"),
    ("POST", "/v1/auth/logout"),
    ("GET", "/v1/users/me"),
    ("POST", "/v1/secrets/push"),
    ("GET", "/v1/secrets/pull"),
    ("GET", "/v1/secrets/view"),
    ("GET", "/v1/vaults/{owner}/{repo}/secrets"),
    ("POST", "/v1/vaults/{owner}/{repo}/secrets"),
    ("PATCH", "/v1/vaults/{owner}/{repo}/secrets/{secretId}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/secrets/{secretId}"),
    ("GET", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/value"),
    ("GET", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/versions"),
    ("GET", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/versions/{versionId}/value"),
    ("POST", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/versions/{versionId}/restore"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/versions/{versionId}"),
    ("GET", "/v1/vaults/{owner}/{repo}/trash"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/trash"),
    ("POST", "/v1/vaults/{owner}/{repo}/trash/{secretId}/restore"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/trash/{secretId}"),
    ("GET", "/v1/vaults"),
    ("POST", "/v1/vaults"),
    ("GET", "/v1/vaults/{owner}/{repo}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}"),
    ("GET", "/v1/vaults/{owner}/{repo}/environments"),
    ("POST", "/v1/vaults/{owner}/{repo}/environments"),
    ("PATCH", "/v1/vaults/{owner}/{repo}/environments/{name}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/environments/{name}"),
    ("PATCH", "/v1/vaults/{owner}/{repo}/environments/{name}/type"),
    ("GET", "/v1/vaults/{owner}/{repo}/environments/{name}/revision"),
    ("HEAD", "/v1/vaults/{owner}/{repo}/environments/{name}/revision"),
    ("GET", "/v1/vaults/{owner}/{repo}/environments/{name}/revisions"),
    ("GET", "/v1/vaults/{owner}/{repo}/environments/{name}/revisions/{revision}"),
    ("GET", "/v1/vaults/{owner}/{repo}/environments/{name}/revisions/{revision}/diff"),
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/revisions/{revision}/rollback"),
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/copy"),
    ("POST", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/copy"),
    ("GET", "/v1/vaults/{owner}/{repo}/compare"),
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/digests"),
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/import/preview"),
    ("POST", "/v1/auth/oidc/github"),
    ("GET", "/v1/vaults/{owner}/{repo}/oidc-rules"),
    ("POST", "/v1/vaults/{owner}/{repo}/oidc-rules"),
    ("GET", "/v1/vaults/{owner}/{repo}/oidc-rules/{id}"),
    ("PUT", "/v1/vaults/{owner}/{repo}/oidc-rules/{id}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/oidc-rules/{id}"),
    ("GET", "/v1/activity"),
    ("GET", "/v1/users/me/security/alerts"),
    ("GET", "/v1/users/me/security/overview"),
    ("GET", "/v1/users/me/security/access-log"),
    ("GET", "/v1/vaults/{owner}/{repo}/security/alerts"),
    ("GET", "/v1/users/me/exposure"),
    ("GET", "/v1/users/me/exposure/{username}"),
    ("GET", "/v1/orgs/{org}/exposure"),
    ("GET", "/v1/orgs/{org}/exposure/{username}"),
    ("GET", "/v1/vaults/{owner}/{repo}/exposure"),
    ("GET", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/access-history"),
    ("PUT", "/v1/vaults/{owner}/{repo}/exposure/{userId}/ticks/{secretId}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/exposure/{userId}/ticks/{secretId}"),
    ("GET", "/v1/vaults/{owner}/{repo}/activity"),
    ("GET", "/v1/vaults/{owner}/{repo}/permissions"),
    ("PUT", "/v1/vaults/{owner}/{repo}/permissions/{env}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/permissions/{env}"),
    ("GET", "/v1/vaults/{owner}/{repo}/collaborators"),
    ("GET", "/v1/vaults/{owner}/{repo}/contributors"),
    ("GET", "/v1/vaults/{owner}/{repo}/permissions/overrides"),
    ("POST", "/v1/vaults/{owner}/{repo}/permissions/overrides"),
    ("PUT", "/v1/vaults/{owner}/{repo}/permissions/overrides/{id}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/permissions/overrides/{id}"),
    ("DELETE", "/v1/vaults/{owner}/{repo}/permissions/reset"),
    ("GET", "/v1/vaults/{owner}/{repo}/permissions/effective"),
    ("GET", "/v1/vaults/{owner}/{repo}/permissions/defaults"),
    ("GET", "/v1/orgs"),
    ("POST", "/v1/orgs/connect"),
    ("GET", "/v1/orgs/{org}"),
    ("PUT", "/v1/orgs/{org}"),
    ("GET", "/v1/orgs/{org}/members"),
    ("POST", "/v1/orgs/{org}/members/sync"),
    ("GET", "/v1/orgs/{org}/billing"),
    ("POST", "/v1/orgs/{org}/billing/checkout"),
    ("POST", "/v1/orgs/{org}/billing/portal"),
    ("GET", "/v1/orgs/{org}/trial"),
    ("POST", "/v1/orgs/{org}/trial/start"),
    ("GET", "/v1/billing/prices"),
    ("GET", "/v1/billing/subscription"),
    ("POST", "/v1/billing/create-checkout-session"),
    ("POST", "/v1/billing/manage"),
    ("POST", "/v1/billing/webhook"),
    ("POST", "/v1/github/check-installation"),
    ("GET", "/v1/github/repo-ids"),
    ("GET", "/v1/github/installations"),
    ("GET", "/v1/github/available-orgs"),
    ("GET", "/v1/github/repositories"),
    ("POST", "/v1/github/webhook"),
    ("GET", "/v1/integrations"),
    ("GET", "/v1/integrations/connections"),
    ("DELETE", "/v1/integrations/connections/{id}"),
    ("POST", "/v1/integrations/{provider}/connect"),
    ("GET", "/v1/integrations/{provider}/authorize"),
    ("GET", "/v1/integrations/{provider}/callback"),
    ("GET", "/v1/integrations/connections/{id}/projects"),
    ("GET", "/v1/integrations/providers/{provider}/all-projects"),
    ("POST", "/v1/integrations/vaults/{owner}/{repo}/sync/link"),
    ("GET", "/v1/integrations/vaults/{owner}/{repo}/sync/status"),
    ("GET", "/v1/integrations/vaults/{owner}/{repo}/sync/diff"),
    ("GET", "/v1/integrations/vaults/{owner}/{repo}/sync/preview"),
    ("POST", "/v1/integrations/vaults/{owner}/{repo}/sync"),
}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
OF_THE_OPS_PORT: Final = {"/livez", "/readyz", "/metrics", "/openapi.json"}
# Paths that look like ours and are not: a slash too many, another case, a detour, something below.
NEAR_MISSES: Final = [
    "/", "//", "/v1", "/v1/", "/health/", "/Health", "/v1/vaults/", "/V1/vaults", "/v1/Vaults", "//v1/vaults",
    "/v1//vaults", "/v1/vaults/acme", "/v1/vaults/acme/app/", "/v1/vaults/acme/app/secrets/x/y/z", "/v1/secrets",
    "/v1/secrets/pull/", "/v1/users", "/v1/users/me/", "/v1/./vaults", "/v1/x/../vaults", "/v1/x/%2e%2e/vaults",
    "/v1/vaults;x=1", "/v1/auth/device", "/v1%2fvaults", "/v2/vaults", "/static", "/favicon.ico", "/robots.txt",
    "/.env", "/.git/config", "/v1/admin", "/debug", "/graphql", "/ws",
]  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> Policy:
    """policy.yaml."""
    return Policy.load()


def path_of(template: str) -> str:
    """A path of this template, with names of nothing."""
    return re.sub(r"\{[^}]+\}", "nothing", template)


def ask(stack: Stack, method: str, path: str) -> Answer:
    """An anonymous request."""
    return send(stack.api_url, Call(method, path))


def paths() -> list[str]:
    """The path templates of the list."""
    return sorted({path for _, path in ROUTES})


def methods_at(template: str) -> set[str]:
    """The methods of every template of the list that a path of this one fits: `/v1/orgs/connect` is an {org} too."""
    patterns = {path: re.sub(r"\{[^}]+\}", "[^/]+", path) for _, path in ROUTES}
    return {method for method, path in ROUTES if re.fullmatch(patterns[path], path_of(template))}


class TestTheList:
    def test_is_the_policy_whole(self, policy: Policy) -> None:
        """Every route that policy.yaml decides is built, and no other."""
        assert set(policy.routes) == ROUTES
        assert len(ROUTES) == 125

    def test_is_what_the_server_describes(self, stack: Stack) -> None:
        """The OpenAPI describes these routes and no others; HEAD goes without saying."""
        described = send(stack.ops_url, Call("GET", "/openapi.json")).json()["paths"]
        found = {
            (method.upper(), path) for path, item in described.items() for method in item if method != "parameters"
        }
        assert found | {(method, path) for method, path in ROUTES if method == "HEAD"} == ROUTES

    def test_is_what_the_server_answers(self, stack: Stack, policy: Policy) -> None:
        """Of all routes of the policy, those of the list answer; the others are unknown paths or unknown methods."""
        for method, template in sorted(policy.routes):
            status = ask(stack, method, path_of(template)).status
            if (method, template) in ROUTES:
                assert status not in {404, 405}, (method, template)
            else:
                assert status in {404, 405}, (method, template)


class TestWhatIsNotOnIt:
    @pytest.mark.parametrize("template", paths())
    def test_other_methods_are_refused(self, stack: Stack, template: str) -> None:
        """A known path with a method that the list does not give it is 405 and names the methods that it has."""
        known = methods_at(template)
        for method in sorted(set(METHODS) - known):
            answer = ask(stack, method, path_of(template))
            assert answer.status == 405, method
            assert {word.strip() for word in answer.header("allow").split(",")} == known, method

    def test_no_method_of_http_is_no_request(self, stack: Stack) -> None:
        """A word that is no method is refused before there is a request."""
        assert ask(stack, "KEYWAY", "/v1/vaults").status in {400, 405}

    @pytest.mark.parametrize("path", NEAR_MISSES)
    def test_near_misses_are_unknown(self, stack: Stack, path: str) -> None:
        """A path that only resembles one of ours is 404, and never a redirect to it."""
        assert ask(stack, "GET", path).status == 404

    def test_the_public_port_has_no_inner_pages(self, stack: Stack, policy: Policy) -> None:
        """What belongs to the ops port, and what belongs to nobody, is 404 on the public port, for every method."""
        listed = policy.document["statuses"]["not_on_the_public_port"]
        assert set(listed["paths"]) > OF_THE_OPS_PORT
        for path in listed["paths"]:
            assert {ask(stack, method, path).status for method in METHODS} == {listed["status"]}, path
        assert all(ask_ops(stack, path).status == 200 for path in OF_THE_OPS_PORT)

    def test_the_ops_port_serves_no_secrets(self, stack: Stack) -> None:
        """No route of the public port is on the ops port."""
        for method, template in sorted(ROUTES):
            assert send(stack.ops_url, Call(method, path_of(template))).status in {404, 405}, (method, template)


def ask_ops(stack: Stack, path: str) -> Answer:
    """A GET on the ops port."""
    return send(stack.ops_url, Call("GET", path))


class TestPublicRoutes:
    def test_are_those_of_the_policy(self, stack: Stack, policy: Policy) -> None:
        """The routes that the policy opens to anyone, and those that prove themselves by a signature, look at no
        credential; every other one answers 401 without."""
        """The routes that the policy opens to anyone, or to a signature, answer; every other one is 401 without."""
        open_to_all = {key for key, route in policy.routes.items() if route["outcomes"]["anonymous"] != 401} & ROUTES
        answered = {(m, p) for m, p in ROUTES if ask(stack, m, path_of(p)).status != 401}
        assert answered == open_to_all

    def test_a_bad_credential_changes_nothing_there(self, stack: Stack, policy: Policy) -> None:
        """On a public route a worthless credential is not even looked at."""
        for method, template in sorted(ROUTES):
            if policy.routes[method, template]["auth"] != ["anonymous"]:
                continue
            call = Call(method, path_of(template), (("Authorization", "Bearer worthless"),))
            assert send(stack.api_url, call).status == ask(stack, method, path_of(template)).status

    def test_the_oracle_agrees(self, stack: Stack, policy: Policy) -> None:
        """Without a credential every guarded route answers what the oracle computes."""
        for method, template in sorted(ROUTES):
            if policy.routes[method, template]["auth"] != ["anonymous"]:
                assert ask(stack, method, path_of(template)).status in policy.expected(Ask(method, template)), template


class TestPreflight:
    def test_only_listed_origins(self, stack: Stack, policy: Policy) -> None:
        """A browser's preflight is answered for the dashboard's origin, and refused for every other."""
        rule = policy.document["statuses"]["methods"]["options"]
        own = stack.dashboard_url
        others = (
            "null",
            "https://evil.example",
            own + ".evil.example",
            own.replace("http:", "https:"),
            own + "0",
            own.upper(),
        )
        for origin, expected in [(own, rule["preflight_from_listed_origin"])] + [
            (other, rule["preflight_from_other_origin"]) for other in others
        ]:
            headers = (("Origin", origin), ("Access-Control-Request-Method", "GET"))
            answer = send(stack.api_url, Call("OPTIONS", "/v1/vaults", headers))
            assert answer.status == expected, origin
            assert (answer.header("access-control-allow-origin") == origin) is (origin == own)
