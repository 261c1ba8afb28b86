"""Started by its path, from the checkout of the Action, with nothing installed."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Runs the Action with the sources that it was checked out with."""
    root = Path(__file__).resolve().parents[3]
    sys.path[:0] = [str(root / "cli"), str(root / "core")]
    from keyway_cli.ci.action import main as act

    return act()


if __name__ == "__main__":
    sys.exit(main())
