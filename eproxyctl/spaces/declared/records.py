"""Records of a table, as nested JSON objects with the fields of the choices, to choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eproxyctl.contracts import Choice
from eproxyctl.spaces.declared.codec import Codec, Part
from eproxyctl.spaces.notation import listed


class Records:
    """Reads records of a space.

    A choice may stand under its own name (`stage1.block2.kernel`), inside its section (`{stages: [{kernel: [3, 5]}]}`,
    `{stage1: {…}}`, `{stem: {…}}`), or for all stages at once (`{kernel: [3, 5, 7]}`): one value for all that have it,
    one for each stage or each block, or a list of lists. Lists may be longer than there are blocks, as padded ones are.
    Other fields, such as accuracies, are passed over.

    Args:
        codec: of the space.
        columns: what records call a choice, by its name here.
    """

    def __init__(self, codec: Codec, columns: Mapping[str, str]) -> None:
        self.codec = codec
        self.columns = columns
        self.stages = [part for part in codec.parts if part.name.startswith("stage")]

    def choices(self, record: Mapping[str, Any]) -> dict[str, Choice]:
        """Those that the record has; others have their first value where they make no difference."""
        found: dict[str, Choice] = {}
        for part in self.codec.parts:
            found.update(self._part(part, record))
        found.update({name: value for name, value in record.items() if name in self.codec.parameters()})
        return found

    def _name(self, field: str) -> str:
        return self.columns.get(field, field)

    def _part(self, part: Part, record: Mapping[str, Any]) -> Iterator[tuple[str, Choice]]:
        inner = self._inner(part, record)
        for gene in part.own.genes:
            value = _first(inner, part.field(gene.field), gene.field, self.columns)
            if value is None and part in self.stages:
                value = self._spread(part, gene.field, record)
            elif value is None and not part.name:
                value = record.get(self._name(gene.field))
            items = listed(value)
            if items and all(item == items[0] for item in items):
                value = items[0]  # written for every block, as AutoFormer's embed_dim is
            if value is not None:
                yield part.field(gene.field), value
        for gene in part.block.genes if part.block else ():
            value = _first(inner, part.field(gene.field), gene.field, self.columns)
            if value is None:
                value = self._spread(part, gene.field, record)
            items = listed(value)
            for block in range(1, part.most + 1):
                one: Any = value if items is None else items[block - 1] if block <= len(items) else None
                if one is not None:
                    yield part.field(gene.field, block), one

    def _inner(self, part: Part, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part of the record that is a section's own."""
        own = record.get(self._name(part.name)) if part.name else None
        stages = record.get(self._name("stages"))
        if part in self.stages and isinstance(stages, Sequence) and not isinstance(stages, str):
            index = self.stages.index(part)
            own = stages[index] if index < len(stages) else own
        return own if isinstance(own, Mapping) else {}

    def _spread(self, part: Part, field: str, record: Mapping[str, Any]) -> Any:
        """This stage's share of a value that stands for all stages."""
        value = record.get(self._name(field))
        items = listed(value)
        if items is None:
            return value
        having = [one for one in self.stages if _has(one, field)]
        index = having.index(part)
        if len(items) == len(having) and (len(having) > 1 or not _blockwise(part, field)):
            return items[index]
        if not _blockwise(part, field):
            return None
        start = sum(one.most for one in having[:index])
        return items[start : start + part.most]


def _first(inner: Mapping[str, Any], name: str, field: str, columns: Mapping[str, str]) -> Any:
    """The value under a choice's own name in the table, or under its field's."""
    for one in (columns.get(name), columns.get(field), field):
        if one is not None and one in inner:
            return inner[one]
    return None


def _blockwise(part: Part, field: str) -> bool:
    return part.block is not None and any(gene.field == field for gene in part.block.genes)


def _has(part: Part, field: str) -> bool:
    return _blockwise(part, field) or any(gene.field == field for gene in part.own.genes)
