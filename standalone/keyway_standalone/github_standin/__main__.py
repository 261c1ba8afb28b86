"""`python -m keyway_standalone.github_standin`: serves on loopback until it is told to stop."""

from __future__ import annotations

import argparse

import uvicorn

from .app import make_app
from .settings import Settings


def main() -> None:
    """Reads STANDIN_* and the command line."""
    parser = argparse.ArgumentParser(prog="github-standin", description=__doc__)
    parser.add_argument("--test-controls", metavar="TOKEN", help="open the control endpoints to holders of TOKEN")
    settings = Settings.from_environment(parser.parse_args().test_controls)
    uvicorn.run(
        make_app(settings),
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
