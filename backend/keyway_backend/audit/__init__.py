"""The record of who did what. Written in the caller's transaction, so that nothing happens unrecorded."""

from keyway_backend.audit.events import Action, Event, Subject
from keyway_backend.audit.record import record, record_all, record_once
from keyway_backend.audit.told import record_told
from keyway_backend.audit.writer import GroupWriter

__all__ = ["Action", "Event", "GroupWriter", "Subject", "record", "record_all", "record_once", "record_told"]
