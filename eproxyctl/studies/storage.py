"""Where the trials of a study are kept: a journal in the run directory, or a database that several hosts share.

A journal knows no heartbeat, so what a dead process left would never be noticed by others: it is for one process. In a
database, trials whose process has sent no heartbeat for GRACE seconds are failed, and their points queued again.
"""

from __future__ import annotations

import json
import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from eproxyctl.errors import RunError
from eproxyctl.runs import files

if TYPE_CHECKING:
    from optuna.study import Study
    from sqlalchemy.engine import URL

POINT = "point"
"""The user attribute of a trial that says which point it drew."""
INTERVAL, GRACE = 10, 60
"""Seconds between two heartbeats, and without one until a trial counts as dead."""
RETRIES = 3
"""How often the point of a process that died is tried again."""
ATTEMPTS = 10
CONTINUES = "see that it runs and takes this user and password; the same command continues"
WRITE = "write --storage postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or sqlite:///study.db"


class _Lines(JournalFileBackend):
    """A journal that only the holder of the run's lock writes, and so without the lock file and fsync of each line.

    They took most of a cheap trial's time. A kill loses nothing; a power cut, at most the last trials.
    """

    def __init__(self, path: Path) -> None:
        files.repair(path)
        super().__init__(str(path))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with files.explained(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)


def journal(path: Path) -> BaseStorage:
    """The study's file in a locked run directory; half a line that a full disk left is cut off."""
    return JournalStorage(_Lines(path))


def masked(url: str) -> str:
    """A storage URL without its passwords."""
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = _parsed(url)
    except (ArgumentError, ValueError):
        return "the storage URL"
    secret = {name: "***" for name in parsed.query if "password" in name.lower()}
    shown = parsed.update_query_dict(secret).render_as_string(hide_password=True)
    return shown.replace("%2A%2A%2A", "***")


def storage_stamp(url: str | None) -> dict[str, str]:
    """What a run directory says of the storage: never its password."""
    return {} if url is None else {"storage": masked(url)}


def open_database(url: str) -> RDBStorage:
    """A database that several processes use at once; its tables are made where they are missing.

    Raises:
        RunError: it cannot be opened; the password is never shown.
    """
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = _parsed(url)
    except (ArgumentError, ValueError):
        raise RunError("--storage is no URL of a database", hint=WRITE) from None
    try:
        with database_explained(url):
            return _opened(parsed)
    except ImportError as error:
        missing = getattr(error.__cause__ or error, "name", None) or "its driver"
        hint = "pip install 'eproxyctl[distributed]'"
        raise RunError(f"cannot open {masked(url)}: {missing} is not installed", hint=hint) from None
    except RuntimeError as error:  # its tables were made by another version of Optuna
        raise RunError(f"cannot use {masked(url)}: {_hidden(str(error), url)}") from None


def _opened(url: URL) -> RDBStorage:
    """Processes that start together make the tables together, and all but one fail at it: they try again."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for attempt in range(ATTEMPTS):
        try:
            with quiet():
                return RDBStorage(
                    url.render_as_string(hide_password=False),
                    _engine_options(url),
                    heartbeat_interval=INTERVAL,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=_again,
                )
        except (IntegrityError, OperationalError, ProgrammingError) as error:
            there = isinstance(error, IntegrityError) or "already exists" in str(error)
            if not there or attempt == ATTEMPTS - 1:
                raise
            time.sleep(random.random())
    raise AssertionError("the last attempt returns or raises")


def _parsed(url: str) -> URL:
    """The URL, with the driver that is installed along with eproxyctl where it names none."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _engine_options(url: URL) -> dict[str, Any]:
    """A dead connection is replaced; SQLite waits for its lock; PostgreSQL writes all heartbeats in one time zone."""
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.drivername.startswith("sqlite"):
        options["connect_args"] = {"timeout": 60}
    if url.drivername.startswith("postgresql+psycopg") and "options" not in url.query:
        options["connect_args"] = {"options": "-c timezone=utc"}
    return options


def _again(study: Study, trial: FrozenTrial) -> None:
    """Queue the point of a trial whose process died; what had not drawn one yet is lost."""
    if POINT in trial.user_attrs:
        with quiet():
            RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


@contextmanager
def database_explained(url: str) -> Iterator[None]:
    """Turn what goes wrong with a database into an error that says what to do, without the password."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        text = _hidden(str(cause).splitlines()[0], url)
        raise RunError(f"cannot use {masked(url)}: {text}", hint=CONTINUES) from None


def _hidden(text: str, url: str) -> str:
    """Without the URL and its passwords, as written and as meant."""
    parsed = _parsed(url)
    words = [str(parsed.password)] if parsed.password else []
    words += [str(value) for name, value in parsed.query.items() if "password" in name.lower()]
    written = [how(word) for word in words for how in (str, quote, quote_plus)]
    for secret in (url, parsed.render_as_string(hide_password=False), *written):
        text = text.replace(secret, "***")
    return text


@contextmanager
def silent() -> Iterator[None]:
    """Optuna logs errors only; afterwards as much as the caller had it log."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna calls heartbeats experimental, and warns of them outside its own loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage", category=UserWarning)
        yield
