"""Whom we trust when we call out over TLS: made once, since the list of authorities is long."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """The authorities of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else those that the HTTP library brings."""
    return httpx.create_ssl_context()
