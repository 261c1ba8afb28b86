"""Who is asking and who may: `access`, put together."""

from __future__ import annotations

from dataclasses import dataclass

from keyway_backend.access.callers import Callers
from keyway_backend.access.cookies import SessionCookie
from keyway_backend.access.credentials import Credentials
from keyway_backend.access.decide import Access, WriteLock
from keyway_backend.access.listing import Listings, PersonTokens
from keyway_backend.access.macs import Macs
from keyway_backend.access.organizations import Organizations
from keyway_backend.access.roles import Roles
from keyway_backend.access.sessions import SessionTokens
from keyway_backend.access.standings import Standings
from keyway_backend.clients.github import GitHub
from keyway_backend.db.engine import Database
from keyway_backend.features.accounts.github_people import GitHubTokens
from keyway_backend.platform.address import networks
from keyway_backend.platform.cookies import SessionCookies
from keyway_backend.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Deciding:
    """What decisions are made from."""

    settings: Settings
    database: Database
    github: GitHub
    sessions: SessionTokens
    macs: Macs

    def access(self, user_tokens: PersonTokens, write_lock: WriteLock | None) -> Access:
        """Every decision about access."""
        settings, database, github, macs = self.settings, self.database, self.github, self.macs
        roles = Roles(database, github, macs, role_seconds=settings.role_cache_seconds)
        callers = self._callers()
        return Access(
            database,
            roles,
            callers,
            Standings(database, roles, callers, macs, grace_seconds=settings.github_grace_seconds),
            macs,
            Organizations(github),
            Listings(database, github, user_tokens, macs, role_seconds=settings.role_cache_seconds),
            install_url=settings.github_app_install_url,
            write_lock=write_lock,
        )

    def _callers(self) -> Callers:
        settings = self.settings
        pages = {*settings.allowed_origins, settings.api_url}
        cookie = SessionCookie(SessionCookies(settings.session_cookie_domain).name, pages)
        credentials = Credentials(self.sessions, cookie, accept_github_tokens=settings.github_pat_login)
        people, trusted = GitHubTokens(self.database, self.github), networks(settings.trusted_proxies)
        return Callers(self.database, credentials, people, self.macs, trusted_proxies=trusted)
