"""What the person behind a credential must have (policy.yaml `roles.rights`)."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """Rights on a vault and on an organisation. Those on an environment are its verbs."""

    ANY_ROLE = "any_role"
    ADMIN = "admin"
    MANAGE = "manage"
    ORG_MEMBER = "org_member"
    ORG_ADMIN = "org_admin"
