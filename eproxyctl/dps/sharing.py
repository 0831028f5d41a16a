"""What the processes of a shared study tell each other: rows, so that none is paid for twice."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eproxyctl.dps.evaluation import Evaluation
from eproxyctl.scoring.labelling import Split
from eproxyctl.scoring.settings import Settings
from eproxyctl.studies.shared import SharedStudy
from eproxyctl.studies.study import Asked


@dataclass(frozen=True)
class SharedRows:
    """A proxy search's rows, as the processes of a shared study give and take them."""

    evaluation: Evaluation
    parts: Split

    def lines(self, asked: Asked) -> Sequence[str]:
        """Those that a trial is judged by."""
        return self.evaluation.lines(self.evaluation.settings(asked.point), self.parts.training)

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over what another process paid for."""
        self.evaluation.adopt(lines)

    def pay_side_by_side(self, wanted: Mapping[Settings, Sequence[str]], others: SharedStudy, few: int) -> None:
        """Pay for rows side by side with the other processes, `few` at a time.

        Each goes through them in an order of its own and leaves out what others have put meanwhile, so that none has to
        wait for another, which may be dead.

        Args:
            wanted: architectures by the settings they are scored with.
            others: where rows are given and taken.
            few: as many as are trained at once.
        """
        for settings, asked in wanted.items():
            keys = random.Random().sample(asked, len(asked))
            self.adopt(others.take())
            while left := self.evaluation.lacking(settings, keys)[: max(1, few)]:
                self.evaluation.rows(settings, left)
                others.put(self.evaluation.lines(settings, left))
                self.adopt(others.take())
