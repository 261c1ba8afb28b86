"""The figures of policy.yaml `limits` that more than one process needs. Bytes are UTF-8 bytes."""

from __future__ import annotations

from typing import Final

VALUE_BYTES: Final = 65_536
KEYS_PER_ENVIRONMENT: Final = 1_000
PLAINTEXT_BYTES_PER_ENVIRONMENT: Final = 4_194_304
REQUEST_BODY_BYTES: Final = 12_582_912
KEY_LENGTH: Final = 256
GRPC_MESSAGE_BYTES: Final = 8_388_608
PULL_MAX: Final = 1_000
PAGE_DEFAULT_LONG: Final = 1_000
PAGE_MAX: Final = 500
CLI_SESSION_DAYS: Final = 7
DASHBOARD_SESSION_HOURS: Final = 24
DASHBOARD_IDLE_HOURS: Final = 8
ONE_TIME_CODE_SECONDS: Final = 60
OAUTH_STATE_MINUTES: Final = 10
DEVICE_LOGIN_SECONDS: Final = 900
DEVICE_POLL_SECONDS: Final = 5
REDELIVERY_SECONDS: Final = 60
TRASH_DAYS: Final = 30
IDEMPOTENCY_HOURS: Final = 24
LEGACY_BASE_MINUTES: Final = 15
