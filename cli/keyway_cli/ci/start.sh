#!/usr/bin/env bash
# Finds a Python that the command line runs on, among those that runners ship, and starts the Action with it.
# ubuntu-24.04 and macOS have one in PATH; ubuntu-22.04 has 3.10 there and newer ones in its tool cache. Bash 3.2 is enough.
# -I, -S: neither PYTHON* variables, nor the folder that we are in, nor installed packages have a say. -B: no file is left.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for name in python3 python3.14 python3.13 python3.12 python3.11 /opt/homebrew/bin/python3 /usr/local/bin/python3 \
  "${RUNNER_TOOL_CACHE:-/opt/hostedtoolcache}"/Python/3.1[1-9].*/*/bin/python3; do
  python=$(command -v "$name") || continue
  if "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec "$python" -I -S -B -X utf8 "$here/__main__.py"
  fi
done
echo "::error title=Keyway::this runner has no Python 3.11 or newer; let actions/setup-python run in a step before this one"
exit 78
