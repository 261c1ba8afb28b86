"""How the stand-in is started: variables by the supervisor, and one flag for tests."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Which App it serves, where it listens and what it keeps. Secrets do not show in `repr`."""

    port: int
    seed: int
    state: Path
    app_id: int
    app_name: str
    app_public_key: str
    client_id: str
    callbacks: tuple[str, ...]
    webhook_url: str
    client_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    control_token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, control_token: str | None) -> Settings:
        """Reads STANDIN_*. Raises KeyError with the name of a variable that is missing."""
        return cls(
            port=int(os.environ["STANDIN_PORT"]),
            seed=int(os.environ["STANDIN_SEED"]),
            state=Path(os.environ["STANDIN_STATE"]),
            app_id=int(os.environ["STANDIN_APP_ID"]),
            app_name=os.environ["STANDIN_APP_NAME"],
            app_public_key=os.environ["STANDIN_APP_PUBLIC_KEY"],
            client_id=os.environ["STANDIN_CLIENT_ID"],
            callbacks=tuple(os.environ["STANDIN_CALLBACKS"].split()),
            webhook_url=os.environ["STANDIN_WEBHOOK_URL"],
            client_secret=os.environ["STANDIN_CLIENT_SECRET"],
            webhook_secret=os.environ["STANDIN_WEBHOOK_SECRET"],
            passphrase=os.environ["STANDIN_PASSPHRASE"],
            control_token=control_token,
        )

    @property
    def web(self) -> str:
        """Address of the pages, and of the API without prefix."""
        return f"http://127.0.0.1:{self.port}"
