"""Heartbeats, by which the processes that share a study know which of them live.

Optuna sends none outside its own loop.
"""

from __future__ import annotations

import threading
from types import TracebackType

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from eproxyctl.studies import storage


class Heart:
    """Sends the heartbeats of the trials in work from a thread of its own; a context manager.

    `trials` maps their numbers to Optuna's ids.
    """

    def __init__(self, database: RDBStorage) -> None:
        self.trials: dict[int, int] = {}
        self._database = database
        self._stopped = threading.Event()

    def __enter__(self) -> Heart:
        self._stopped.clear()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self.trials.clear()

    def _beat(self) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        while not self._stopped.wait(storage.INTERVAL):
            for trial_id in tuple(self.trials.values()):
                try:
                    self._database.record_heartbeat(trial_id)
                except (SQLAlchemyError, StorageInternalError):
                    break  # one missed beat is no death; if the database stays away, the process itself will say so
