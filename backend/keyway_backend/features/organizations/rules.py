"""Plans, trials and default permissions as facts, without rows (contract.md 2.8; policy.yaml `matrix`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Any, Final

from keyway_core.roles import EnvironmentType, Role, Verb

TRIAL_DAYS: Final = 15
_DAY_SECONDS: Final = 86_400


class Plan(StrEnum):
    """What somebody pays for, lowest first. Without billing everybody has the highest."""

    FREE = "free"
    PRO = "pro"
    TEAM = "team"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True)
class Trial:
    """The one trial of an organisation."""

    started_at: datetime
    ends_at: datetime
    converted_at: datetime | None = None

    def status(self, moment: datetime) -> str:
        """active, expired or converted."""
        if self.converted_at is not None:
            return "converted"
        return "active" if moment < self.ends_at else "expired"


@dataclass(frozen=True, slots=True)
class OrganizationPlan:
    """What an organisation pays for, and what it may use now."""

    plan: Plan
    effective: Plan
    customer_id: str | None = None
    trial: Trial | None = None


UNLIMITED: Final = OrganizationPlan(Plan.BUSINESS, Plan.BUSINESS)


def effective(paid: Plan, trial: Trial | None, moment: datetime) -> Plan:
    """What is paid for; during a trial the highest, unless that is paid for already."""
    if trial is not None and trial.status(moment) == "active":
        return Plan.BUSINESS
    return paid


def days_left(trial: Trial, moment: datetime) -> int:
    """Days that a trial has left, begun ones counted."""
    return max(0, ceil((trial.ends_at - moment).total_seconds() / _DAY_SECONDS))


def faults_of_defaults(given: Mapping[str, Any]) -> list[str]:
    """The dotted paths of what cannot stand in default permissions: unknown names, and what is no boolean."""
    faults = []
    for role, types in given.items():
        if role not in set(Role) or not isinstance(types, Mapping):
            faults.append(_path(role))
            continue
        for kind, verbs in types.items():
            if kind not in set(EnvironmentType) or not isinstance(verbs, Mapping):
                faults.append(_path(role, kind))
                continue
            faults += [
                _path(role, kind, verb)
                for verb, said in verbs.items()
                if verb not in set(Verb) or not isinstance(said, bool)
            ]
    return faults


def _path(*steps: str) -> str:
    return ".".join(["defaultPermissions", *(step[:64] for step in steps)])
