"""What the processes of a shared study tell each other: rows, so that none is paid for twice."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eproxyctl.dps.evaluator import Search
from eproxyctl.scoring.labelling import Split
from eproxyctl.studies.shared import SharedStudy
from eproxyctl.studies.study import Asked


@dataclass(frozen=True)
class Exchange:
    """A search's rows, as the processes of a shared study give and take them."""

    search: Search
    parts: Split

    def lines(self, asked: Asked) -> Sequence[str]:
        """Those that a trial is judged by."""
        return self.search.lines(asked.point, self.parts.training)

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over what another process paid for."""
        self.search.adopt(lines)

    def together(self, wanted: Mapping[str, Sequence[str]], others: SharedStudy, few: int) -> None:
        """Pay for rows side by side with the other processes, `few` at a time.

        Each goes through them in an order of its own and leaves out what others have put meanwhile, so that none has to
        wait for another, which may be dead.

        Args:
            wanted: architectures by the section they are scored with.
            others: where rows are given and taken.
            few: as many as are trained at once.
        """
        for section, asked in wanted.items():
            keys = random.Random().sample(asked, len(asked))
            self.adopt(others.take())
            while left := self.search.lacking(section, keys)[: max(1, few)]:
                self.search.rows(section, left)
                others.put(self.search.lines(section, left))
                self.adopt(others.take())
