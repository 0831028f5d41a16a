"""How a run is conducted: where it is kept, where its jobs run, who hears of its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eproxyctl.registry import Origin
from eproxyctl.runs.directory import RunDirectory
from eproxyctl.runs.progress import Counter, Listener
from eproxyctl.spec.loading import Loaded
from eproxyctl.spec.resolved import resolved
from eproxyctl.workers.executors import Workers
from eproxyctl.workers.pool import default_count, make_workers


@dataclass(frozen=True)
class Conduct:
    """What every verb is told beside its spec.

    Attributes:
        run: the run directory; None: `runs/<spec>/<command>`.
        workers: processes; 0: this one. None: one a core.
        dask: a scheduler's address, or `local`.
        accept_versions: continue a run whose rows were made by another eproxyctl, torch or numpy.
        progress: called with each event.
    """

    run: str | Path | None = None
    workers: int | None = None
    dask: str | None = None
    accept_versions: bool = False
    progress: Listener | None = None

    def folder(self, loaded: Loaded, command: str) -> Path:
        """The run directory of a command on a spec."""
        return Path(self.run) if self.run else Path("runs") / loaded.name / command

    def directory(
        self,
        command: str,
        loaded: Loaded,
        identity: dict[str, Any],
        origins: Sequence[Origin],
        more: Mapping[str, str] | None = None,
    ) -> RunDirectory:
        """The run directory, to be locked; with the spec as written and as resolved in it."""
        texts = {"spec.yaml": loaded.text, "resolved.yaml": resolved(loaded)}
        folder = self.folder(loaded, command)
        return RunDirectory(folder, command, identity, texts, origins, more, accept_versions=self.accept_versions)

    def pool(self, most: int, device: str) -> Workers:
        """Where jobs run; no more processes than `most`, the jobs that there can be at a time."""
        count = default_count(device) if self.workers is None else self.workers
        return make_workers(min(count, most), self.dask, device)

    def counter(self, what: str, total: int, left: Callable[[], float | None] = lambda: None) -> Counter:
        """Counts what is done, and tells who listens."""
        return Counter(what, total, self.progress, left)
