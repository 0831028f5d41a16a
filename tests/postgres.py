"""A PostgreSQL of one's own, from Debian's packages, for as long as the tests run."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "me", "se/c:ret"
"""The password has characters that a URL must escape."""


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, None where PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=Path("/none/x")).parent.resolve(strict=False)


def installed() -> bool:
    """Whether there is a server to start."""
    folder = programs()
    return folder is not None and (folder / "initdb").exists() and (folder / "pg_ctl").exists()


@contextmanager
def server() -> Iterator[str]:
    """The host and port of a server with a user and a password, in a folder that goes with it."""
    folder, home = programs(), Path(tempfile.mkdtemp(prefix="eproxyctl-postgres-", dir="/tmp"))
    assert folder is not None
    as_user: list[str] = []
    if os.geteuid() == 0:  # initdb refuses to run as root
        user = "postgres" if any(one.pw_name == "postgres" for one in pwd.getpwall()) else "nobody"
        as_user = ["runuser", "-u", user, "--"]
        shutil.chown(home, user)
    (home / "password").write_text(PASSWORD)
    (home / "password").chmod(0o644)
    port = _free_port()

    def run(program: str, *words: str) -> None:
        command = [*as_user, str(folder / program), "-D", str(home / "data"), *words]
        subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL, timeout=120)

    settings = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off"
    try:
        run("initdb", "-U", USER, "-A", "scram-sha-256", "--pwfile", str(home / "password"), "--no-sync")
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", settings, "start")
        try:
            yield f"127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
