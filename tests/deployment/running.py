"""A whole deployment in containers, and what is around it: names that resolve, a GitHub, people with the CLI."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from deployment_facts import ROOT
from keyway_core import dotenv
from keyway_standalone.ports import free_port

DOMAIN: Final = "keyway.localhost"
KEYWAY: Final = str(Path(sys.executable).with_name("keyway"))
_FILES: Final = ("docker-compose.yml", "deploy/docker-compose.test.yml")
_BUILD_SECONDS: Final = 900
_DO: Final = """
import json, sys
from keyway_standalone.control import Control
token, method, arguments = json.load(sys.stdin)
print(json.dumps(getattr(Control("http://127.0.0.1:8090", token), method)(*arguments)))
"""


def run(*command: str, seconds: float = 120, **options: Any) -> str:
    """A command that must succeed; its output. The error carries what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, **options)
    assert done.returncode == 0, f"{' '.join(command[:6])} … ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def compose_command() -> list[str]:
    """Compose v2, else the docker-compose of before."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


class Names:
    """What DNS would be: a loopback proxy that takes CONNECT for our domain to the port that caddy was given, and
    refuses everything else."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client:
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += client.recv(4096) or b"\r\n\r\n"
            if not re.match(rb"CONNECT (?:[a-z]+\.)?keyway\.localhost:443 ", asked):
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as caddy:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_copy, args=(caddy, client), daemon=True)
                back.start()
                _copy(client, caddy)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Deployment:
    """A compose project of its own name, built from this tree, with a GitHub that it can reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.project = f"keywaytest{secrets.token_hex(4)}"
        self.https_port = free_port()
        self._control_token = secrets.token_urlsafe(24)
        self._standin = self._prepare()
        self.names = Names(self.https_port)

    def _prepare(self) -> dict[str, str]:
        """The .env as an operator would make it, filled in for the stand-in; the variables of the stand-in itself."""
        (self.folder / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
        run(sys.executable, str(ROOT / "deploy" / "setup_env.py"), "--folder", str(self.folder))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        ours = {
            "DOMAIN": DOMAIN,
            "CADDY_TLS": "internal",
            "CADDY_CERTS": str(self.folder / "certs" / "caddy"),
            "HTTP_PORT": f"127.0.0.1:{free_port()}",
            "HTTPS_PORT": f"127.0.0.1:{self.https_port}",
            "EDGE_SUBNET": f"10.213.{secrets.randbelow(200) + 50}.0/24",
            "GITHUB_APP_ID": str(2**40 + 1),
            "GITHUB_APP_CLIENT_ID": "Iv23deployment",
            "GITHUB_APP_CLIENT_SECRET": secrets.token_hex(20),
            "GITHUB_APP_PRIVATE_KEY": base64.b64encode(pem).decode(),
            "GITHUB_URL": "http://127.0.0.1:8090",
            "GITHUB_BASE_URL": "http://127.0.0.1:8090",
            "LOG_LEVEL": "debug",
        }
        file = self.folder / ".env"
        kept = [line for line in file.read_text().splitlines() if line.partition("=")[0] not in ours]
        file.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in ours.items()), ""]))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"STANDIN_CONTROL_TOKEN": self._control_token, "STANDIN_APP_PUBLIC_KEY": public.decode()}

    @property
    def standin_variables(self) -> dict[str, str]:
        """What the stand-in's container takes from the environment of compose."""
        return dict(self._standin)

    @property
    def variables(self) -> dict[str, str]:
        """What .env assigns."""
        return {name: value.reveal() for name, value in dotenv.parse((self.folder / ".env").read_text()).items()}

    def compose(self, *arguments: str, seconds: float = 300) -> str:
        """One compose command on this project."""
        files = [word for name in _FILES for word in ("-f", str(ROOT / name))]
        place = ["--project-directory", str(ROOT), "--env-file", str(self.folder / ".env"), "-p", self.project]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        return run(*compose_command(), *files, *place, *arguments, seconds=seconds, env=kept | self._standin)

    def up(self) -> None:
        """Starts what is not running and returns when the API answers through caddy."""
        try:
            self.compose("up", "-d")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None
        deadline = time.monotonic() + 60
        while True:
            with suppress(httpx.TransportError, AssertionError), self.client() as client:
                if client.get(f"https://api.{DOMAIN}/health").status_code == 200:
                    return
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.5)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Service → what `docker inspect` says of its container, one-shot ones included."""
        ids = run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}").split()
        found = json.loads(run("docker", "inspect", *ids))
        return {item["Config"]["Labels"]["com.docker.compose.service"]: item for item in found}

    def inside(self, service: str, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command in a running container, as the user of that container."""
        container = self.containers()[service]["Id"]
        return subprocess.run(
            ["docker", "exec", "-i", container, *command],
            input=stdin, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip

    def logs(self) -> str:
        """What every container wrote."""
        return self.compose("logs", "--no-color")

    def authority(self) -> Path:
        """The certificate of caddy's own CA."""
        file = self.folder / "caddy-root.crt"
        if not file.exists():
            done = self.inside("caddy", "cat", "/var/lib/keyway/caddy/pki/authorities/local/root.crt")
            assert done.returncode == 0, done.stderr
            file.write_text(done.stdout)
        return file

    def client(self) -> httpx.Client:
        """A browser on another machine: it finds our names, and trusts caddy's CA only."""
        context = ssl.create_default_context(cafile=str(self.authority()))
        return httpx.Client(verify=context, proxy=self.names.url, trust_env=False, timeout=30)

    def github(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the stand-in's Control where it can be reached."""
        asked = json.dumps([self._control_token, method, arguments])
        done = self.inside("github", "python", "-c", _DO, stdin=asked)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Person:
    """Somebody with a home folder, a clone, and the real `keyway` command."""

    def __init__(self, folder: Path, deployment: Deployment, repository: str) -> None:
        self._deployment = deployment
        self.clone = folder / "clone"
        self.clone.mkdir(parents=True)
        self._variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "KEYWAY_API_URL": f"https://api.{DOMAIN}",
            "KEYWAY_CA_FILE": str(deployment.authority()),
            "KEYWAY_TOKEN_STORE": "file",
            "HTTPS_PROXY": deployment.names.url,
        }
        run("git", "init", "-q", str(self.clone))
        run("git", "-C", str(self.clone), "remote", "add", "origin", f"https://github.com/{repository}.git")
        (self.clone / ".gitignore").write_text(".env\n.env.*\n")

    def keyway(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command, without a terminal."""
        return subprocess.run(
            [KEYWAY, *arguments],
            cwd=self.clone, env=self._variables, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=240,
        )  # fmt: skip

    def sign_in(self, login: str) -> None:
        """`keyway login`, with the code that it shows approved on GitHub."""
        with subprocess.Popen(
            [KEYWAY, "login"],
            cwd=self.clone, env=self._variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert process.stdout
            said = process.stdout.readline()
            code = re.search(r"enter the code (\S+)", said)
            assert code, said + process.stdout.read()
            self._deployment.github("approve_device", code[1], login)
            rest = process.stdout.read()
        assert process.returncode == 0, rest
        assert f"signed in as {login} at https://api.{DOMAIN}" in rest


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """A deployment that is built, up, and removed with its volumes and images in the end."""
    deployment = Deployment(folder)
    try:
        deployment.compose("build", seconds=_BUILD_SECONDS)
        deployment.up()
        yield deployment
    finally:
        deployment.compose("down", "--volumes", "--remove-orphans", "--rmi", "local")


def environment_of(container: Mapping[str, Any]) -> dict[str, str]:
    """The variables that a container was created with."""
    return dict(line.split("=", 1) for line in container["Config"]["Env"])
