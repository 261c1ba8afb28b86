"""The series that /metrics shows. Labels are bounded: route templates, statuses, kinds; never a name."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from keyway_backend.platform import log

REQUESTS: Final = Counter("keyway_http_requests_total", "Answers on the public port", ["route", "method", "status"])
REQUEST_SECONDS: Final = Histogram(
    "keyway_http_request_duration_seconds",
    "Time to answer on the public port",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
INTEGRITY_FAILURES: Final = Counter(
    "keyway_integrity_failures_total", "Stored data that somebody else wrote, or that was damaged", ["kind"]
)
GITHUB_REQUESTS: Final = Counter("keyway_github_requests_total", "Calls to GitHub", ["endpoint", "status"])
GITHUB_REMAINING: Final = Gauge("keyway_github_rate_remaining", "What GitHub last said is left of its rate limit")
ROLES: Final = Counter("keyway_authz_cache", "Where roles came from: remembered, or asked of GitHub", ["result"])
LOGINS: Final = Counter("keyway_logins_total", "Sign-ins that ended", ["result"])
CONNECTIONS: Final = Gauge("keyway_db_open_connections", "Connections to the database")
CONNECTIONS_IN_USE: Final = Gauge("keyway_db_in_use_connections", "Connections to the database that serve a request")
ALERTS: Final = Counter("keyway_alerts_total", "Reads that looked unlike those before", ["type"])
JOBS: Final = Counter("keyway_jobs_total", "Attempts at background jobs", ["task", "result"])
READY: Final = Gauge("keyway_ready", "Whether a check of /readyz passes", ["check"])
BUILD: Final = Gauge("keyway_build_info", "Always 1; the labels tell the build", ["version"])

_log = log.logger("integrity")


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Counts one answer."""
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)


def integrity_alarm(kind: str, **facts: str | None) -> None:
    """Stored data was tampered with or damaged: a line for the operator and a count for the pager. Ids only."""
    INTEGRITY_FAILURES.labels(kind).inc()
    _log.error("integrity_alarm", kind=kind, **facts)
