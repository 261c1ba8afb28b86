"""Our servers forked instead of started, see `forking`: the backend takes 1.3 s of a processor to load."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import forking
from keyway_standalone.accounts import Account, account_of
from keyway_standalone.interpreter import base_environment, module_command
from keyway_standalone.process import Child, Command, spawned

OURS: Final = Account(None)
_OWN: Final = Path(__file__).resolve().parent
# Whose server a module is. Each child has all that it loads when it starts to serve.
_SERVERS: Final = {
    "keyway_backend": "backend",
    "keyway_crypto": "crypto",
    "keyway_dashboard": "dashboard",
    "keyway_standalone.github_standin": "github",
}
_LATER: Final = {"keyway_backend": ("keyway_backend.db.migrate", "httpcore")}
_SECONDS: Final = 240.0
# By these variables Python and its libraries become others when they load.
_SHAPING: Final = ("PYTHON", "LANG", "LC_", "LD_", "TZ", "GRPC_SSL", "GRPC_VERBOSITY", "MALLOC")


def spawn(command: Command, account: Account, log_path: Path) -> Child:
    """`process.spawned`, by a fork where that is the same."""
    module, *arguments = _module(command)
    if forking.COLD or module not in _SERVERS or _shape(command.environment) != _shape(base_environment()):
        return spawned(command, account, log_path)
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        return _forker(module).fork(
            [nothing, log, log],
            module=module,
            arguments=arguments,
            variables=dict(command.environment),
            folder=str(command.folder),
            uid=account.uid,
        )
    finally:
        os.close(nothing)
        os.close(log)


def ours(module: str, *arguments: str, **variables: str) -> Command:
    """A server of our own user with these variables and the few that every one gets."""
    return Command([sys.executable, "-m", module, *arguments], base_environment() | variables)


def run_to_its_end(command: Command, account: Account = OURS) -> tuple[int, str]:
    """The exit code of a server that is to end by itself, and all that it said."""
    with tempfile.NamedTemporaryFile() as log:
        code = spawn(command, account, Path(log.name)).wait(_SECONDS)
        return code, Path(log.name).read_text()


def _module(command: Command) -> list[str]:
    """The module and its arguments; nothing of a program that is not Python's."""
    _, *rest = command.arguments
    return rest[1:] if rest[:1] == ["-m"] else [""]


def _shape(environment: Mapping[str, str]) -> dict[str, str]:
    """Without those by which an interpreter out of reach is handed over: the one that forks has them too."""
    handed = {"PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH"}
    return {name: value for name, value in environment.items() if name.startswith(_SHAPING) and name not in handed}


@functools.cache
def _forker(module: str) -> forking.Forker:
    code = Path(tempfile.mkdtemp(prefix="keyway-warm-code-"))
    atexit.register(shutil.rmtree, code)
    code.chmod(0o755)
    command = module_command(module, [], {}, account_of(_SERVERS[module]), code / "code")
    known = command.environment
    path = os.pathsep.join(filter(None, [known.get("PYTHONPATH"), str(_OWN)]))
    return forking.Forker([command.arguments[0], __file__, module], {**known, "PYTHONPATH": path}, command.descriptors)


# --- the side of the process that forks


def _become(module: str, arguments: list[str], variables: dict[str, str], folder: str, uid: int | None) -> None:
    os.setsid()
    os.umask(0o077)
    if uid is not None:
        os.setgroups(())
        os.setgid(uid)
        os.setuid(uid)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [module, *arguments]


def _load(module: str) -> Any:
    made = importlib.import_module(f"{module}.__main__")
    for name in _LATER.get(module, ()):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    return made


if __name__ == "__main__":
    program = _load(sys.argv[1])
    asked = forking.serve(Path(sys.argv[2]))
    _become(**asked)
    forking.end(program.main)
