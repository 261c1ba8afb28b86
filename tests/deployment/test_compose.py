"""The compose stack, built from this tree and started with a container engine, then attacked (issue 2, item 10)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from engine import engine_problem
from keyway_core.limits import REQUEST_BODY_BYTES
from running import DOMAIN, Deployment, Person, deployed, environment_of, run

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1_500)]

API = f"https://api.{DOMAIN}"
VALUES = {"DATABASE_URL": "postgres://canary-7f3a@db/app", "PEM": "-----BEGIN X-----\nline\n-----END X-----\n", "E": ""}
ONE_SHOT = {"certificates"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The whole stack, running, with GitHub's stand-in beside it."""
    if problem := engine_problem():
        pytest.skip(f"the compose stack was not tried: {problem}")
    with deployed(tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture(scope="module")
def repository(deployment: Deployment) -> str:
    """The private repository of the stand-in's organisation."""
    return str(deployment.github("repo", "private")["full_name"])


@pytest.fixture(scope="module")
def founder(deployment: Deployment, repository: str, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Signed in, with a vault and its values pushed."""
    person = Person(tmp_path_factory.mktemp("founder"), deployment, repository)
    person.sign_in(deployment.github("login", "founder"))
    lines = [f'{name}="{value}"' for name, value in VALUES.items()]
    (person.clone / ".env").write_text("\n".join(lines) + "\n")
    for command in (("init",), ("push", "-y")):
        done = person.keyway(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    return person


class TestRefusals:
    """What must not work."""

    def test_plain_http_is_sent_to_https(self, deployment: Deployment) -> None:
        """The port for HTTP answers with a redirect to HTTPS and nothing else."""
        answer = httpx.get(
            f"http://{deployment.variables['HTTP_PORT']}/v1/vaults", headers={"Host": f"api.{DOMAIN}"}, trust_env=False
        )
        assert (answer.status_code, answer.headers["location"]) == (308, f"{API}/v1/vaults")

    def test_a_stranger_is_refused(self, deployment: Deployment, founder: Person, tmp_path: Path) -> None:
        """Somebody who cannot reach the repository signs in and pulls nothing."""
        assert founder
        stranger = Person(tmp_path, deployment, deployment.github("repo", "private")["full_name"])
        stranger.sign_in(deployment.github("login", "stranger"))
        done = stranger.keyway("pull", "-y")
        assert done.returncode != 0
        assert "canary" not in done.stdout + done.stderr
        assert not (stranger.clone / ".env").exists()

    def test_too_large_a_body_is_refused(self, deployment: Deployment) -> None:
        """One byte over 12 MiB is answered with 413."""
        with deployment.client() as client:
            answer = client.post(f"{API}/v1/auth/device/start", content=b"x" * (REQUEST_BODY_BYTES + 1))
        assert answer.status_code == 413

    def test_the_ops_port_is_not_there(self, deployment: Deployment) -> None:
        """Neither through caddy nor from its container are metrics and detailed health reachable."""
        with deployment.client() as client:
            assert [client.get(f"{API}{path}").status_code for path in ("/metrics", "/readyz")] == [404, 404]
        assert not reaches(deployment, "caddy", address(deployment, "backend", "edge"), 8081)

    @pytest.mark.parametrize(("service", "network", "port"), [("crypto", "crypto", 50051), ("db", "database", 5432)])
    @pytest.mark.parametrize("origin", ["caddy", "dashboard"])
    def test_who_faces_people_reaches_neither_crypto_nor_the_database(
        self, deployment: Deployment, origin: str, service: str, network: str, port: int
    ) -> None:
        """By name and by number the connection fails from there, while the same one from the backend succeeds."""
        number = address(deployment, service, network)
        assert reaches(deployment, "backend", number, port), "the probe itself does not work"
        assert reaches(deployment, origin, address(deployment, "backend", "edge"), 8080), "the probe does not work here"
        assert not reaches(deployment, origin, number, port)
        assert not reaches(deployment, origin, service, port)

    def test_who_needs_no_way_out_has_none(self, deployment: Deployment) -> None:
        """Hosts outside answer the backend, which speaks to GitHub; nothing comes back to crypto, db or dashboard."""
        outside = [target for target in hosts_outside() if answered(deployment, "backend", *target)]
        assert outside, "nothing outside answers the backend, so this machine cannot prove it"
        for service in ("crypto", "dashboard"):
            assert not [target for target in outside if answered(deployment, service, *target)], service
        for service in ("crypto", "db", "dashboard"):
            networks = deployment.containers()[service]["NetworkSettings"]["Networks"]
            assert {run("docker", "network", "inspect", "-f", "{{.Internal}}", name) for name in networks} == {"true\n"}

    def test_the_database_lets_nobody_in_without_tls_or_as_its_administrator(self, deployment: Deployment) -> None:
        """From the backend's place a connection without TLS is refused, and so is the administrator's role."""
        probe = "import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=5)"
        password = deployment.variables["DB_APP_PASSWORD"]
        good = (
            f"postgresql://keyway_app:{password}@db/keyway?sslmode=verify-full&sslrootcert=/certificates/backend/ca.crt"
        )
        assert deployment.inside("backend", "python", "-c", probe, good).returncode == 0
        for bad in (good.replace("verify-full", "disable"), good.replace("keyway_app", "keyway")):
            done = deployment.inside("backend", "python", "-c", probe, bad)
            assert "pg_hba.conf" in done.stderr, done.stderr


class TestContainers:
    """What `docker inspect` and the kernel say of each container."""

    def test_each_is_unprivileged_and_read_only(self, deployment: Deployment) -> None:
        """Every container has a numeric user, a read-only root, no capability and no way to gain one."""
        containers = deployment.containers()
        assert set(containers) == {"certificates", "db", "crypto", "backend", "dashboard", "caddy", "github"}
        for service, container in containers.items():
            host = container["HostConfig"]
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", container["Config"]["User"]), service
            assert host["ReadonlyRootfs"] is True, service
            assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False), service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert host["Memory"] > 0, service

    def test_the_kernel_agrees(self, deployment: Deployment) -> None:
        """The first process of each has no capability, not even one that it could regain, and cannot write its root."""
        for service in set(deployment.containers()) - ONE_SHOT:
            status = deployment.inside(service, "cat", "/proc/1/status").stdout
            sets = re.findall(r"^Cap(Inh|Prm|Eff|Bnd|Amb):\t(\w+)$", status, re.MULTILINE)
            assert len(sets) == 5, service
            assert {int(value, 16) for _, value in sets} == {0}, service
            assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE), service
            assert deployment.inside(service, "touch", "/planted", "/etc/planted").returncode != 0, service

    def test_only_caddy_publishes_ports(self, deployment: Deployment) -> None:
        """No other container is bound to a port of this machine."""
        published = {
            service: sorted(port for port, hosts in (container["NetworkSettings"]["Ports"] or {}).items() if hosts)
            for service, container in deployment.containers().items()
        }
        assert {service: ports for service, ports in published.items() if ports} == {"caddy": ["443/tcp", "80/tcp"]}

    def test_nothing_is_kept_outside_our_volumes(self, deployment: Deployment) -> None:
        """The volumes that base images declare are not made; every volume in use has a name of ours."""
        for service, container in deployment.containers().items():
            names = [mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume"]
            assert not [name for name in names if not name.startswith(deployment.project)], service

    def test_no_image_holds_an_installer(self, deployment: Deployment) -> None:
        """pip is in none of our Python images."""
        for service in ("crypto", "backend", "dashboard"):
            assert deployment.inside(service, "python", "-m", "pip", "--version").returncode != 0

    def test_the_key_is_in_cryptos_container_and_nowhere_else(self, deployment: Deployment) -> None:
        """`docker inspect` and the environment of every process show the key in crypto's container, and in no other."""
        key = deployment.variables["ENCRYPTION_KEY"]
        shown = {name for name, container in deployment.containers().items() if key in str(container)}
        assert shown == {"crypto"}
        assert environment_of(deployment.containers()["crypto"])["ENCRYPTION_KEY"] == key
        for service in set(deployment.containers()) - ONE_SHOT - {"crypto"}:
            seen = deployment.inside(service, "sh", "-c", "cat /proc/[0-9]*/environ; env; cat /proc/mounts").stdout
            assert "PATH=" in seen, service
            assert key not in seen, service

    def test_each_service_reads_its_own_private_key_only(self, deployment: Deployment) -> None:
        """Below /certificates there is one key per container, and the container cannot replace it."""
        for service, name in {"crypto": "crypto", "backend": "backend", "db": "postgres"}.items():
            found = deployment.inside(
                service, "sh", "-c", "find / -xdev -name '*.key' -path '*certificates*'; ls -R /certificates"
            )
            assert re.findall(r"(\w+)\.key", found.stdout) == [name], found.stdout
            assert deployment.inside(service, "touch", f"/certificates/{service}/{name}.key").returncode != 0


class TestThroughCaddy:
    """The stack from outside, over TLS."""

    def test_the_api_is_healthy(self, deployment: Deployment) -> None:
        """`https://api.<DOMAIN>/health` answers 200 with a verified certificate, and says no more than it must."""
        with deployment.client() as client:
            answer = client.get(f"{API}/health")
        assert answer.status_code == 200
        assert answer.json()["status"] == "healthy"
        assert answer.headers["strict-transport-security"]
        assert "server" not in answer.headers

    def test_the_apex_leads_to_the_dashboard(self, deployment: Deployment) -> None:
        """The bare domain redirects to app.<DOMAIN>, where the dashboard has found the API."""
        with deployment.client() as client:
            answer = client.get(f"https://{DOMAIN}/")
            assert (answer.status_code, answer.headers["location"]) == (302, f"https://app.{DOMAIN}/")
            page = client.get(answer.headers["location"]).text
        assert "The API answers" in page
        assert f"export KEYWAY_API_URL={API}" in page

    def test_a_teammate_pulls_what_was_pushed(
        self, deployment: Deployment, founder: Person, repository: str, tmp_path: Path
    ) -> None:
        """The CLI signs in, makes a vault and pushes; a teammate on another machine pulls exactly the same values."""
        assert founder
        teammate = Person(tmp_path, deployment, repository)
        teammate.sign_in(deployment.github("login", "teammate"))
        assert pulled(teammate) == VALUES

    def test_the_database_holds_only_ciphertext(self, deployment: Deployment, founder: Person) -> None:
        """A dump of the database has the names of the secrets and none of their values."""
        assert founder
        dump = deployment.inside("db", "pg_dump", "keyway").stdout
        assert "DATABASE_URL" in dump
        assert "canary-7f3a" not in dump

    def test_logs_hold_no_value_no_query_and_no_secret(self, deployment: Deployment, founder: Person) -> None:
        """At level debug the logs of all containers know the requests, but no value, token, query, key or password."""
        assert founder
        with deployment.client() as client:
            client.get(f"{API}/v1/vaults?token=canary-query", headers={"Authorization": "Bearer canary-bearer"})
        logs = deployment.logs()
        assert "/v1/vaults?redacted" in logs
        secret = [name for name in deployment.variables if re.search(r"KEY|SECRET|PASSWORD", name)]
        hidden = [value for name in secret if (value := deployment.variables[name])]
        assert len(hidden) >= 6
        assert not [text for text in [*hidden, "canary-"] if text in logs]

    def test_everything_survives_being_taken_down(self, deployment: Deployment, founder: Person) -> None:
        """After `down` and `up`, as in an upgrade, the same login pulls the same values, and certificates are kept."""
        before = deployment.inside("backend", "cat", "/certificates/backend/backend.crt").stdout
        deployment.compose("down")
        deployment.up()
        (founder.clone / ".env").unlink()
        assert pulled(founder) == VALUES
        assert deployment.inside("backend", "cat", "/certificates/backend/backend.crt").stdout == before


def pulled(person: Person) -> dict[str, str]:
    """What a pull writes, as a program sees it."""
    done = person.keyway("pull", "-y")
    assert done.returncode == 0, done.stdout + done.stderr
    text = run("bash", "-c", "set -a; . ./.env; set +a; env -0", cwd=person.clone, env={"PATH": "/usr/bin:/bin"})
    return {name: value for name, value in (line.split("=", 1) for line in text.split("\0") if line) if name in VALUES}


def address(deployment: Deployment, service: str, network: str) -> str:
    """The number of a service on a network."""
    networks = deployment.containers()[service]["NetworkSettings"]["Networks"]
    return str(networks[f"{deployment.project}_{network}"]["IPAddress"])


def reaches(deployment: Deployment, origin: str, host: str, port: int) -> bool:
    """Whether a TCP connection from a container succeeds within 2 seconds."""
    probe = (
        ("nc", "-z", "-w", "2", host, str(port))
        if origin == "caddy"
        else ("python", "-c", f"import socket; socket.create_connection(({host!r}, {port}), 2)")
    )
    return deployment.inside(origin, *probe).returncode == 0


def hosts_outside() -> list[tuple[str, int]]:
    """A public resolver, and the router of this machine's own network: a refusal of its is an answer too."""
    routes = re.findall(r"^\S+\t00000000\t(\w{8})\t", Path("/proc/net/route").read_text(), re.MULTILINE)
    routers = [socket.inet_ntoa(bytes.fromhex(number)[::-1]) for number in routes]
    return [("1.1.1.1", 443), *((router, 1) for router in routers)]


def answered(deployment: Deployment, origin: str, host: str, port: int) -> bool:
    """Whether a Python container gets any answer, a refusal included, from a host within 2 seconds."""
    probe = f"""
import socket
try:
    socket.create_connection(({host!r}, {port}), 2)
except ConnectionRefusedError:
    pass
"""
    return deployment.inside(origin, "python", "-c", probe).returncode == 0
