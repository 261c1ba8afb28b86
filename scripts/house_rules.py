"""House rules that no linter knows, each with a reason. `python scripts/house_rules.py` prints what breaks them.

A line may be excused with `# house: <rule> <reason>`.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "certificates", "crypto", "backend", "cli", "dashboard", "standalone")

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500
MEDIAN_FUNCTION_LINES = 10

# Every place that may see plaintext. Adding one is a decision, so it is made here.
REVEALS = {
    "backend/keyway_backend/vault_crypto.py": "hands plaintext to the crypto service",
    "backend/keyway_backend/access/api_keys.py": "hashes keys that were sent or made",
    "backend/keyway_backend/access/ci_tokens.py": "hashes tokens of workflows that were sent or made",
    "backend/keyway_backend/features/ci/routes.py": "puts a new token into the one response that carries it",
    "backend/keyway_backend/features/secrets/routes.py": "puts values into the one response that carries them",
    "backend/keyway_backend/features/secrets/single/routes.py": "puts a value into the one response that carries it",
    "backend/keyway_backend/features/revisions/comparing.py": "judges an import as it judges a push",
    "backend/keyway_backend/clients/github/": "sends a person's own token to GitHub",
    "backend/keyway_backend/features/api_keys/service.py": "tells a new token once, looks for a leaked one",
    "backend/keyway_backend/clients/stripe/": "gives Stripe's library our key at Stripe",
    "backend/keyway_backend/features/accounts/": "hands GitHub's codes and tokens to the GitHub client",
    "backend/keyway_backend/clients/providers/": "hands values to the provider that a person syncs with",
    "backend/keyway_backend/features/integrations/rules.py": "compares our values with a provider's",
    "backend/keyway_backend/features/integrations/syncing.py": "hands a provider's values to a push",
    "core/keyway_core/dotenv.py": "writes .env text",
    "dashboard/keyway_dashboard/features/secrets/files.py": "hands what a file holds to the backend",
    "standalone/keyway_standalone/": "the demo compares what came back, and shows what the database does not hold",
    "cli/keyway_cli/": "the client's side of the promise is kept by its own tests",
}
STORE = re.compile(r"keyway_backend\.features\.(\w+)(?:\.\w+)*\.(?:\w*store|statements)(?:\.|$)")
READS_ENVIRONMENT = ("settings.py", "cli/", "standalone/", "__main__.py")

Finding = tuple[int, str]


def long_functions(tree: ast.Module) -> Iterator[Finding]:
    """A function over 60 lines (docstring left out) does more than one thing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := length(node)) > MAX_FUNCTION_LINES:
            yield node.lineno, f"function-length {node.name} has {lines} lines"


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def digest_comparisons(tree: ast.Module) -> Iterator[Finding]:
    """`==` on a digest, MAC or token tells an attacker how far he got; `hmac.compare_digest` does not."""
    words = ("token", "hmac", "signature", "mac", "digest", "code_hash", "passphrase")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            continue
        sides = [side for side in (node.left, *node.comparators) if isinstance(side, ast.Name | ast.Attribute)]
        names = [(side.id if isinstance(side, ast.Name) else side.attr).lower() for side in sides]
        if any(name == word or name.endswith(f"_{word}") for name in names for word in words):
            yield node.lineno, "digest-comparison use hmac.compare_digest"


def broad_excepts(tree: ast.Module) -> Iterator[Finding]:
    """A broad `except` that does not raise again hides what it does not understand."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        broad = node.type is None or (
            isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
        )
        if broad and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            yield node.lineno, "broad-except name the exception, or raise again"


def formatted_sql(tree: ast.Module) -> Iterator[Finding]:
    """SQL is constant text; values travel beside it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if name in {"execute", "executemany", "exec_driver_sql"} and any(
            isinstance(arg, ast.JoinedStr) for arg in node.args
        ):
            yield node.lineno, "formatted-sql use parameters"


RULES: tuple[Callable[[ast.Module], Iterator[Finding]], ...] = (
    long_functions,
    digest_comparisons,
    broad_excepts,
    formatted_sql,
)


def reveals(path: str, text: str) -> Iterator[Finding]:
    """Plaintext has one exit, and the places that use it are listed."""
    if any(path.startswith(allowed) for allowed in REVEALS):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if ".reveal()" in line:
            yield number, "reveal this module is not on the list of scripts/house_rules.py"


def environment_reads(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Configuration is read once, in settings, and handed down."""
    if any(part in path for part in READS_ENVIRONMENT):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
            yield node.lineno, "environment-read belongs into settings"


def foreign_stores(path: str, tree: ast.Module) -> Iterator[Finding]:
    """The rows of a feature are read by that feature alone; others ask its service. Holds for features to come."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        before = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
        for found in filter(None, (STORE.match(before + name) for name in names)):
            if not path.startswith(f"backend/keyway_backend/features/{found[1]}/"):
                yield getattr(node, "lineno", 1), f"foreign-store ask the service of {found[1]}"


def check(path: str, text: str) -> list[str]:
    """What is wrong with one file, as `path:line rule explanation`."""
    tree = ast.parse(text)
    findings = [finding for rule in RULES for finding in rule(tree)]
    findings += [*reveals(path, text), *environment_reads(path, tree), *foreign_stores(path, tree)]
    if (count := text.count("\n")) > MAX_FILE_LINES:
        findings.append((1, f"file-length {count} lines"))
    lines = text.splitlines()
    kept = [(line, what) for line, what in findings if f"# house: {what.split()[0]} " not in lines[line - 1]]
    return [f"{path}:{line} {what}" for line, what in sorted(kept)]


def sources() -> Iterator[Path]:
    """The files that the rules hold for: our packages, without generated stubs and migrations."""
    for package in PACKAGES:
        yield from sorted(
            path
            for path in (ROOT / package).rglob("*.py")
            if not {"migrations", "node_modules"} & set(path.parts) and "_pb2" not in path.name
        )


def median_function() -> float:
    """The median length of our functions."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources()]
    nodes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return statistics.median(length(node) for node in nodes)


def main() -> int:
    """Prints what breaks the rules; 1 when anything does."""
    found = [
        line for path in sources() for line in check(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]
    if (median := median_function()) > MEDIAN_FUNCTION_LINES:
        found.append(f"the median function has {median:g} lines, over {MEDIAN_FUNCTION_LINES}")
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
