"""A second installation, with what is off by default: one per worker of the tests, because a start costs seconds."""

from __future__ import annotations

import secrets
from typing import Final

OTHER: Final = "https://elsewhere.example"
HOP_SECRET: Final = secrets.token_urlsafe(32)


def environment(mail_port: int) -> dict[str, str]:
    """Another site on the list, the cookies of the public dashboard, forwarded addresses, GitHub's tokens, mail."""
    return {
        "ALLOWED_ORIGINS": f"{OTHER},https://third.example:8443",
        "SESSION_COOKIE_DOMAIN": "127.0.0.1",
        "DASHBOARD_HOP_SECRET": HOP_SECRET,
        "GITHUB_PAT_LOGIN": "true",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_port),
        "SMTP_TLS": "none",
        "MAIL_FROM": "keyway@example.org",
    }
