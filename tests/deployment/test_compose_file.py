"""`docker-compose.yml`, the Dockerfile and the Caddyfiles, read and judged without an engine (assurance O-15)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from deployment_facts import PRIVATE_NETWORKS, ROOT, compose, services
from keyway_core.limits import REQUEST_BODY_BYTES
from keyway_dashboard.http import BODY_BYTES

Service = dict[str, Any]
SERVICES = services()
NAMES = sorted(SERVICES)
KEY_VARIABLES = re.compile(r"ENCRYPTION_KEY")


def hardening(service: Service) -> list[str]:
    """What keeps a service from being hardened."""
    wants: dict[str, bool] = {
        "read-only root": service.get("read_only") is True,
        "no capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
        "no new privileges": "no-new-privileges:true" in service.get("security_opt", []),
        "not privileged": not service.get("privileged"),
        "numeric user that is not root": bool(re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user")))),
        "memory limit": bool(service.get("mem_limit")),
        "limit of processes": bool(service.get("pids_limit")),
        "rotated logs": bool(service.get("logging", {}).get("options", {}).get("max-size")),
        "no engine socket": "docker.sock" not in str(service.get("volumes")),
        "variables one by one": "env_file" not in service,
    }
    return [name for name, met in wants.items() if not met]


class TestRefusals:
    """The judges find what is planted, so their silence below means something."""

    @pytest.mark.parametrize(
        ("change", "finding"),
        [
            ({"read_only": False}, "read-only root"),
            ({"cap_add": ["NET_ADMIN"]}, "no capabilities"),
            ({"user": "0:0"}, "numeric user that is not root"),
            ({"user": None}, "numeric user that is not root"),
            ({"privileged": True}, "not privileged"),
            ({"env_file": ".env"}, "variables one by one"),
            ({"mem_limit": None}, "memory limit"),
        ],
    )
    def test_a_weakened_service_is_noticed(self, change: Service, finding: str) -> None:
        """Each weakening of a good service is found by its name."""
        assert hardening(SERVICES["backend"] | change) == [finding]


class TestServices:
    """Every container."""

    @pytest.mark.parametrize("name", NAMES)
    def test_it_is_hardened(self, name: str) -> None:
        """It is read-only, without root, capabilities or new privileges, and bounded in memory, processes and logs."""
        assert hardening(SERVICES[name]) == []

    @pytest.mark.parametrize("name", sorted(set(NAMES) - {"certificates"}))
    def test_it_is_watched_and_restarted(self, name: str) -> None:
        """A service that stays has a health check and comes back by itself."""
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES[name]["restart"] == "unless-stopped"

    def test_each_has_a_user_of_its_own(self) -> None:
        """No two services share a user, so a file of one is not open to another."""
        assert len({service["user"] for service in SERVICES.values()}) == len(SERVICES)

    def test_only_caddy_publishes_ports_and_only_two(self) -> None:
        """Nothing but caddy's 80 and 443 is reachable from outside."""
        published = {name: service["ports"] for name, service in SERVICES.items() if service.get("ports")}
        assert published == {"caddy": ["${HTTP_PORT:-80}:80", "${HTTPS_PORT:-443}:443"]}
        assert not [name for name, service in SERVICES.items() if service.get("network_mode") == "host"]


class TestKeys:
    """Who holds what."""

    def test_the_key_is_given_to_crypto_alone(self) -> None:
        """ENCRYPTION_KEY* stands in the environment of crypto, and in no other service, as a name or as a value."""
        holders = {name for name, service in SERVICES.items() if KEY_VARIABLES.search(str(service))}
        assert holders == {"crypto"}

    def test_no_service_gets_a_secret_of_another(self) -> None:
        """Each secret variable reaches exactly those that need it."""
        wanted = {
            "JWT_SECRET": {"backend", "worker"},
            "GITHUB_APP_PRIVATE_KEY": {"backend", "worker"},
            "GITHUB_APP_CLIENT_SECRET": {"backend", "worker"},
            "DASHBOARD_SESSION_SECRET": {"dashboard"},
            "DASHBOARD_HOP_SECRET": {"backend", "worker", "dashboard"},
            "DB_OWNER_PASSWORD": {"backend", "worker", "db"},
            "DB_APP_PASSWORD": {"backend", "worker", "db"},
            "STRIPE_SECRET_KEY": {"backend", "worker"},
            "SMTP_PASSWORD": {"backend", "worker"},
        }
        for variable, holders in wanted.items():
            assert {name for name in NAMES if f"${{{variable}" in str(SERVICES[name])} == holders, variable

    def test_each_service_mounts_its_own_certificates_alone_and_cannot_change_them(self) -> None:
        """Only the one-shot service writes certificates; others see one folder, read-only, the worker the backend's."""
        mounts = {
            name: [volume for volume in service.get("volumes", []) if volume.startswith("certificates")]
            for name, service in SERVICES.items()
        }
        assert len(mounts.pop("certificates")) == 4
        assert mounts.pop("worker") == mounts["backend"]
        assert {name: volumes for name, volumes in mounts.items() if volumes} == {
            name: [f"certificates-{name}:/certificates/{name}:ro"] for name in ("db", "crypto", "backend")
        }


class TestNetworks:
    """Who reaches whom."""

    def test_crypto_and_database_are_on_internal_networks_with_the_backend_only(self) -> None:
        """Nobody but the backend's program shares a network with crypto, db or valkey, and these lead nowhere."""
        members = self.members()
        assert members["crypto"] == {"crypto", "backend", "worker"}
        assert members["database"] == {"db", "backend", "worker"}
        assert members["counters"] == {"valkey", "backend", "worker"}
        assert SERVICES["valkey"]["networks"] == ["counters"]
        assert SERVICES["crypto"]["networks"] == ["crypto"]
        assert SERVICES["db"]["networks"] == ["database"]
        internal = {name for name, network in compose()["networks"].items() if (network or {}).get("internal")}
        assert internal == PRIVATE_NETWORKS

    def test_only_backend_and_caddy_have_a_way_out(self) -> None:
        """Of the two networks with a way out, one belongs to the backend's program and one to caddy."""
        members = self.members()
        assert members["egress"] == {"backend", "worker"}
        assert members["public"] == {"caddy"}
        assert SERVICES["certificates"]["network_mode"] == "none"

    def test_what_is_optional_starts_only_when_it_is_asked_for(self) -> None:
        """worker and valkey have a profile each, and nothing waits for them; every other service is always there."""
        assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
            "worker": ["worker"],
            "valkey": ["valkey"],
        }
        assert not {"worker", "valkey"} & {needed for s in SERVICES.values() for needed in s.get("depends_on", {})}

    def test_the_ops_port_is_on_loopback(self) -> None:
        """Metrics and detailed health are not even on a private network."""
        assert SERVICES["backend"]["environment"]["OPS_HOST"] == "127.0.0.1"

    def test_the_database_is_spoken_to_with_verified_tls_by_two_roles(self) -> None:
        """Both addresses want verify-full; the owner migrates and the application role works."""
        environment = SERVICES["backend"]["environment"]
        assert environment["DATABASE_URL"].startswith("postgresql://keyway_app:")
        assert environment["MIGRATION_DATABASE_URL"].startswith("postgresql://keyway_owner:")
        for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
            assert "sslmode=verify-full&sslrootcert=/certificates/backend/ca.crt" in environment[name]

    @staticmethod
    def members() -> dict[str, set[str]]:
        """Network → services on it."""
        found: dict[str, set[str]] = {}
        for name, service in SERVICES.items():
            for network in service.get("networks", []):
                found.setdefault(network, set()).add(name)
        return found


class TestImages:
    """The Dockerfile."""

    TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    @pytest.mark.parametrize("target", ["crypto", "backend", "dashboard", "db", "caddy"])
    def test_it_ends_as_the_user_that_compose_names(self, target: str) -> None:
        """The last USER of a target is numeric and the one of docker-compose.yml."""
        stage = re.split(r"^FROM .* AS ", self.TEXT, flags=re.MULTILINE)
        text = next(part for part in stage if part.startswith(f"{target}\n"))
        assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == [SERVICES[target]["user"]]

    def test_what_is_installed_is_pinned_by_hash_and_never_built(self) -> None:
        """Dependencies come from the locked files, as wheels, checked against their hashes."""
        installs = re.findall(r"^RUN pip .* install (.*)$", self.TEXT, re.MULTILINE)
        assert installs == [
            f"--require-hashes --only-binary :all: -r {n}.txt" for n in ("crypto", "backend", "dashboard")
        ]

    def test_the_build_context_is_a_list_of_what_may_enter(self) -> None:
        """.dockerignore excludes everything first, and lets in no file that could hold a secret."""
        lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
        assert lines[0] == "*"
        assert not [line for line in lines if line.startswith("!") and re.search(r"env|certs|crt|\.git|key$", line)]


class TestDatabase:
    """What the database lets in."""

    def test_there_is_no_way_in_over_the_network_without_tls_and_a_password(self) -> None:
        """The only network line of pg_hba.conf is hostssl with SCRAM, for our two roles and our database."""
        text = (ROOT / "deploy/db/pg_hba.conf").read_text(encoding="utf-8")
        lines = [line.split() for line in text.splitlines() if line and line[0] != "#"]
        assert lines == [
            ["local", "all", "keyway", "peer"],
            ["hostssl", "keyway", "keyway_owner,keyway_app", "all", "scram-sha-256"],
        ]


class TestCaddy:
    """The Caddyfiles."""

    COMMON = (ROOT / "deploy/caddy/common.caddy").read_text(encoding="utf-8")

    def test_both_serve_the_same_three_addresses(self) -> None:
        """Apart from domain and certificates the two files are one."""
        local = (ROOT / "Caddyfile").read_text(encoding="utf-8")
        production = (ROOT / "Caddyfile.production").read_text(encoding="utf-8")
        common = production.replace("{$DOMAIN}", "keyway.local").replace("tls-{$CADDY_TLS:auto}", "tls-files")
        without_comments = [re.sub(r"^#.*\n", "", text, flags=re.MULTILINE) for text in (local, common)]
        assert without_comments[0] == without_comments[1]

    def test_logs_hold_no_header_and_no_query(self) -> None:
        """One filter stands above every log, access and error alike."""
        assert "request>headers delete" in self.COMMON
        assert "resp_headers delete" in self.COMMON
        assert re.search(r'request>uri regexp "\\\?\.\*"', self.COMMON)

    def test_a_request_body_is_bounded_like_the_backends(self) -> None:
        """The API takes 12 MiB, as keyway_core.limits says, and the dashboard as much as it takes itself."""
        assert REQUEST_BODY_BYTES == 12 * 1024 * 1024
        assert "max_size 12MiB" in self.COMMON
        assert BODY_BYTES == 6 * 1024 * 1024
        assert "max_size 6MiB" in self.COMMON
