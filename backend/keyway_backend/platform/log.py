"""Structured logs, one JSON line each. Values, tokens, queries and bodies have no way in: callers pass named facts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

Reporter = Callable[[BaseException, Mapping[str, Any]], None]
"""Told of an exception that a line tells of, and of the line's facts. It must neither wait nor raise."""

_reporters: list[Reporter] = []


def report_to(reporter: Reporter) -> None:
    """Tells it of every exception from now on."""
    _reporters.append(reporter)


def report_no_more(reporter: Reporter) -> None:
    """No longer."""
    _reporters.remove(reporter)


def configure(level: str) -> None:
    """Sends our logs, and the libraries' warnings, to stderr as JSON."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(
        level=max(numeric, logging.WARNING), stream=sys.stderr, format='{"event": "%(message)s", "logger": "%(name)s"}'
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_of_exception_only,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Any:
    """A logger whose lines carry `component`."""
    return structlog.get_logger(component=name)


def _name_of_exception_only(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception's text may quote what was sent (a driver's quotes parameters): only its type and place are kept."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        for report in _reporters:
            report(error, event)
        event["error"] = f"{type(error).__module__}.{type(error).__qualname__}"
        event["at"] = _innermost(error)
    return event


def _innermost(error: BaseException) -> list[str]:
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames[-4:]
