"""`keyway` as on another system: without the modules, functions and signals that only this one has.

`elsewhere.py SYSTEM import` imports every module of the command line anew and prints how many; `elsewhere.py SYSTEM run
ARGUMENTS...` is `keyway ARGUMENTS...`. What the standard library and others need of this system, they have
taken before; what our modules ask for afterwards is not there.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import select
import shutil
import signal
import socket
import sys
from types import ModuleType, SimpleNamespace

_SIGNALS = (
    "SIGHUP SIGQUIT SIGKILL SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH SIGPIPE SIGALRM "
    "SIGXFSZ SIGURG SIGIO SIGPROF SIGVTALRM alarm getitimer setitimer pause pthread_kill pthread_sigmask sigpending "
    "sigtimedwait sigwait sigwaitinfo siginterrupt"
)
_FUNCTIONS = (
    "fork forkpty openpty killpg getpgrp getpgid setpgrp setpgid tcgetpgrp tcsetpgrp setsid getsid sysconf confstr "
    "getuid geteuid getgid getegid getgroups getresuid setuid setgid initgroups chown fchown lchown fchmod mkfifo "
    "mknod nice getpriority getloadavg uname wait wait3 wait4 waitid WNOHANG WUNTRACED WCONTINUED WIFSTOPPED WIFEXITED "
    "WIFSIGNALED WSTOPSIG pipe2 set_blocking posix_spawn posix_fallocate pread pwrite readv writev sendfile "
    "sched_getaffinity O_NOCTTY O_NOFOLLOW O_CLOEXEC O_DIRECTORY O_NONBLOCK O_SYNC ttyname memfd_create pidfd_open "
    "posix_fadvise"
)
ABSENT: dict[str, tuple[str, dict[ModuleType, str]]] = {
    "windows": (
        "fcntl termios pty tty pwd grp spwd crypt nis resource syslog readline curses posix ossaudiodev",
        {os: _FUNCTIONS, signal: _SIGNALS, socket: "AF_UNIX socketpair", select: "poll epoll kqueue"},
    ),
    "macos": (
        "msvcrt winreg _winapi winsound nt spwd ossaudiodev",
        {
            os: "memfd_create pidfd_open sched_getaffinity posix_fallocate getresuid copy_file_range O_TMPFILE O_PATH",
            signal: "sigwaitinfo sigtimedwait",
            select: "epoll",
        },
    ),
    "linux": (
        "msvcrt winreg _winapi winsound nt",
        {os: "startfile O_BINARY", select: "kqueue", signal: "CTRL_C_EVENT"},
    ),
}
PLATFORMS = {"windows": "win32", "macos": "darwin", "linux": "linux"}


def ours() -> list[str]:
    """Every module of the command line, and of what it shares with the others."""
    packages = [importlib.import_module(name) for name in ("keyway_cli", "keyway_core")]
    return [found.name for one in packages for found in pkgutil.walk_packages(one.__path__, f"{one.__name__}.")]


def move_to(system: str) -> None:
    """Loads all that our modules load, forgets ours, and takes away what the other system has not."""
    for name in ours():
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"keyway_cli", "keyway_core"}]:
        del sys.modules[name]
    modules, attributes = ABSENT[system]
    sys.modules.update(dict.fromkeys(modules.split()))  # type: ignore[arg-type] - None: not to be imported
    for module, missing in attributes.items():
        for name in missing.split():
            if hasattr(module, name):
                delattr(module, name)
    sys.platform = PLATFORMS[system]
    # What newer Pythons ask Windows: whether programs are looked for in the current folder too.
    shutil._winapi = SimpleNamespace(NeedCurrentDirectoryForExePath=lambda _: False)  # type: ignore[attr-defined]


def main() -> int:
    """What the first arguments say."""
    system, what, *arguments = sys.argv[1:]
    move_to(system)
    if what == "import":
        loaded = [importlib.import_module(name) for name in ours()]
        print(len(loaded))
        return 0
    importlib.import_module("keyway_cli.system").WINDOWS = system == "windows"  # type: ignore[attr-defined]
    sys.argv = ["keyway", *arguments]
    return int(importlib.import_module("keyway_cli.__main__").main())


if __name__ == "__main__":
    sys.exit(main())
