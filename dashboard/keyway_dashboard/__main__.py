"""`python -m keyway_dashboard`: serves until SIGTERM or SIGINT. Configuration comes from variables, see `settings`."""

from __future__ import annotations

import sys
from typing import Final

import uvicorn

from keyway_dashboard import VERSION, app, log
from keyway_dashboard.settings import SettingsError, load

EXIT_CONFIGURATION: Final = 78


def main() -> int:
    """The process: 0 after a stop, 78 with a line per wrong variable on stderr."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.writelines(f"keyway-dashboard: {line}\n" for line in str(error).splitlines())
        return EXIT_CONFIGURATION
    log.configure(settings.log_level)
    log.logger("process").info("serving", version=VERSION, host=settings.host, port=settings.port)
    uvicorn.run(
        app.create(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
