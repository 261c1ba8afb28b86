"""What every action starts from: the settings, the person, and whom the server takes us for."""

from __future__ import annotations

from functools import cached_property
from typing import Final, NamedTuple

from keyway_core.names import is_repository
from keyway_core.sensitive import Sensitive

from keyway_cli import repo
from keyway_cli.api import USER_AGENT, Api, Place
from keyway_cli.errors import Misconfigured, NotSignedIn, UsageProblem
from keyway_cli.origin import parse_origin
from keyway_cli.session import Login, Sessions
from keyway_cli.settings import Settings
from keyway_cli.terminal import Terminal

DEFAULT_ENVIRONMENT: Final = "development"

LONGEST_ENVIRONMENT: Final = 50  # contract.md 4.3
NO_SERVER_HINT: Final = (
    "set KEYWAY_API_URL=https://api.<your domain>, or: keyway login --api-url https://api.<your domain>"
)


class Credential(NamedTuple):
    """A token, where it came from (`KEYWAY_TOKEN` or `login`), and the login that it belongs to."""

    token: Sensitive
    source: str
    login: Login | None


class Chosen(NamedTuple):
    """What the options of a command line say that many commands share."""

    vault: str | None = None
    environment: str | None = None
    yes: bool = False
    accept_rollback: bool = False


class Context:
    """One command on one server. Everything is found when it is asked for, and nothing before."""

    def __init__(self, settings: Settings, terminal: Terminal, chosen: Chosen, agent: str = USER_AGENT) -> None:
        self.settings = settings
        self.terminal = terminal
        self.chosen = chosen
        self.agent = agent
        self.sessions = Sessions(settings.config, settings.token_store, settings.runtime)
        self._repository = checked_repository(chosen.vault) or settings.repository
        self._api_url = ""

    def api_url(self) -> str:
        """The server's address in one spelling: from the settings, or the one that somebody is signed in at."""
        if not self._api_url:
            url = self.settings.api_url or self._server_of_repository() or self._only_server()
            self._api_url = parse_origin(url).name
        return self._api_url

    def use_server(self, url: str) -> None:
        """Takes a server from the command line instead."""
        self._api_url = parse_origin(url, "--api-url").name

    def credential(self) -> Credential:
        """KEYWAY_TOKEN, or the login at this server. Raises NotSignedIn without either."""
        if self.settings.token is not None:
            return Credential(self.settings.token, "KEYWAY_TOKEN", None)
        if self.login is None:
            raise NotSignedIn(f"nobody is signed in at {self.api_url()}", self._sign_in_hint())
        return Credential(self.login.token, "login", self.login)

    def api(self, *, silent: bool = False) -> Api:
        """The server, on behalf of whoever is signed in. `silent` tells nobody that it is slow."""
        return self.api_with(self.credential().token, silent=silent)

    def api_with(self, token: Sensitive | None, *, silent: bool = False) -> Api:
        """The server, on behalf of a token or of nobody."""
        from keyway_cli.transport import Transport

        on_slow = self.terminal.say if self.terminal.seen and not silent else None
        transport = Transport(parse_origin(self.api_url()), ca_file=self.settings.ca_file, on_slow=on_slow)
        return Api(transport, token, self.agent)

    def repository(self) -> str:
        """owner/name: from -r, from KEYWAY_REPOSITORY, from keyway.toml, or from the git remote `origin`."""
        if not self._repository:
            learnt = self.credential().login
            origin = repo.from_git(repo.accepted_hosts(self.settings.github_url, learnt.github_url if learnt else ""))
            self._repository = self._vault_of_file(origin) or origin
        return self._repository

    @property
    def environment(self) -> str:
        """The environment that is meant: from -e, KEYWAY_ENVIRONMENT, keyway.toml, config.toml, else development."""
        if self.chosen.environment is not None:
            return self.chosen.environment
        return self.settings.environment or DEFAULT_ENVIRONMENT

    def place(self, environment: str | None = None) -> Place:
        """An environment of the repository that we are in; without a name the one that is meant."""
        environment = self.environment if environment is None else environment
        if not 1 <= len(environment) <= LONGEST_ENVIRONMENT or not environment.isprintable():
            raise UsageProblem(f"an environment's name has 1 to {LONGEST_ENVIRONMENT} characters", "name it with -e")
        return Place(self.repository(), environment)

    @cached_property
    def login(self) -> Login | None:
        """The login that this machine keeps for the server. Raises NotSignedIn in what an assistant had started.

        Such a program was allowed the values of one environment. It could read every other one as the person, and
        print values that nobody who looks through its output knows.
        """
        if self.settings.injected:
            raise NotSignedIn(
                "a program that an assistant had started does not use your sign-in",
                "it has the values that you allowed; for others, run keyway in a terminal of your own",
            )
        return self.sessions.load(self.api_url())

    def _sign_in_hint(self) -> str:
        import os

        from keyway_cli import earlier

        if earlier.is_there(self.settings.home, os.environ):
            return "keyway login --adopt takes over the login of the earlier command line; or set KEYWAY_TOKEN"
        return "keyway login, or set KEYWAY_TOKEN"

    def _server_of_repository(self) -> str:
        """The server that keyway.toml names, if somebody is signed in there.

        The file came with a clone. A token of the environment is not handed to a server that only a clone names.
        """
        named = self.settings.of_repository.get("api_url")
        if not named:
            return ""
        origin = parse_origin(named, str(self.settings.of_repository.path)).name
        if self.settings.token is None and origin in self.sessions.servers():
            return origin
        raise Misconfigured(
            f"{self.settings.of_repository.path} names the server {origin}, which this machine does not know",
            f"if you trust it: keyway login --api-url {origin}, or set KEYWAY_API_URL={origin}",
        )

    def _vault_of_file(self, origin: str) -> str:
        """The vault that keyway.toml names, if it belongs to the owner of the repository that we are in.

        A stranger's clone must not be run with the secrets of somebody else's repository.
        """
        named = self.settings.of_repository.get("vault")
        if not named:
            return ""
        if not is_repository(named) or named.split("/")[0].lower() != origin.split("/", maxsplit=1)[0].lower():
            raise Misconfigured(
                f"{self.settings.of_repository.path} names a vault of somebody else than the owner of {origin}",
                "if you mean that vault, name it with -r owner/name",
            )
        return named

    def _only_server(self) -> str:
        servers = self.sessions.servers()
        if not servers:
            raise Misconfigured("no Keyway server is named", NO_SERVER_HINT)
        if len(servers) > 1:
            raise Misconfigured(
                "you are signed in at several servers", "set KEYWAY_API_URL to one of: " + ", ".join(servers)
            )
        return servers[0]


def checked_repository(name: str | None) -> str | None:
    """A repository from the command line. Raises UsageProblem when it is not owner/name."""
    if name is not None and not is_repository(name):
        raise UsageProblem("-r wants a repository as owner/name")
    return name
