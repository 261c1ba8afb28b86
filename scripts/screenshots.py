"""Pictures of the dashboard's pages: `make screenshots` writes them to out/screenshots, light and dark, phone and desk.

The world is seeded over the public API: 3 organisations, 12 vaults, 400 secrets, and as many recorded events as asked
for with --events (reads of environments by their administrator).
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "dashboard")]

from dashboard_browser import Site, running_browser  # noqa: E402 - its folder is named above
from keyway_standalone.processes import Stack  # noqa: E402
from oracle.stage import GitHub, create_vault, pull, push  # noqa: E402
from stack import running_stack, sign_in  # noqa: E402

ORGANISATIONS: Final = {
    "northwind": ("storefront", "payments-api", "warehouse-sync", "mobile-app"),
    "lumen-labs": ("platform", "ml-pipeline", "docs-site", "edge-workers"),
    "harbor-health": ("patient-portal", "billing", "imaging-gateway", "infrastructure-as-code"),
}
KEYS: Final = (
    "DATABASE_URL", "REDIS_URL", "STRIPE_SECRET_KEY", "SENTRY_DSN", "SESSION_SECRET", "SMTP_USER", "S3_BUCKET",
    "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "JWT_SIGNING_KEY", "FEATURE_FLAGS_TOKEN",
)  # fmt: skip
ENVIRONMENTS: Final = ("development", "staging", "production")
SECRETS: Final = 400
VIEWS: Final = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


def seed(stack: Stack, events: int) -> str:
    """The world; the login of somebody who sees all of it."""
    github = GitHub(stack)
    login = github.user("mara")
    repositories = []
    for organisation, names in ORGANISATIONS.items():
        github.do("create-org", login=organisation, admin=login)
        for name in (*names, "not-yet"):
            github.repo(f"{organisation}/{name}", {login: "admin"}, "public" if name == "docs-site" else "private")
        github.do("install", login=organisation)
        repositories += [f"{organisation}/{name}" for name in names]
    token, left = sign_in(stack, login), SECRETS
    for number, repository in enumerate(repositories):
        create_vault(stack, token, repository)
        for place, environment in enumerate(ENVIRONMENTS):
            share = left // ((len(repositories) - number) * len(ENVIRONMENTS) - place)
            push(stack, token, repository, environment, {key: secrets.token_hex(12) for key in KEYS[:share]})
            left -= min(share, len(KEYS))
    for number in range(events):
        pull(stack, token, repositories[number % len(repositories)], ENVIRONMENTS[number % len(ENVIRONMENTS)])
    return login


def pictures(site: Site, login: str, folder: Path) -> int:
    """Every page in every view; how many axe violations were seen on the way."""
    pages = {
        "vaults": "/", "search": "/?q=api", "nothing-found": "/?q=nothing", "new-vault": "/vaults/new",
        "vault": "/vaults/northwind/payments-api", "profile": "/settings", "sessions": "/settings/sessions",
        "not-found": "/vaults/northwind/elsewhere",
    }  # fmt: skip
    found = 0
    for view, size in VIEWS.items():
        for theme in ("light", "dark"):
            with site.window(login, viewport=size, color_scheme=theme) as window:
                for name, path in pages.items():
                    window.go(path).wait_for_load_state("networkidle")
                    window.page.screenshot(path=folder / f"{name}-{view}-{theme}.png")
                    wrong = window.violations()
                    wide = window.page.evaluate("document.documentElement.scrollWidth > innerWidth")
                    found += len(wrong) + int(wide)
                    if wrong or wide:
                        sys.stdout.write(f"{name} {view} {theme}: {wrong}{' wider than the window' if wide else ''}\n")
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make screenshots")
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "screenshots")
    parser.add_argument("--events", type=int, default=5_000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    limits = {"RATE_LIMIT_PER_CREDENTIAL": "100000", "RATE_LIMIT_PER_ADDRESS": "100000"}
    with running_stack(with_dashboard=True, backend_env=limits) as stack, running_browser() as browser:
        found = pictures(Site(stack, browser), seed(stack, options.events), options.folder)
    sys.stdout.write(f"{options.folder}: {len(list(options.folder.glob('*.png')))} pictures, {found} violations\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
