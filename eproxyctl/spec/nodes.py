"""YAML as a tree of values that remember where they were written."""

from __future__ import annotations

import os
import re
import select
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from eproxyctl.errors import Problem, SpecError

PLAIN_TAGS = {"tag:yaml.org,2002:" + name for name in ("null", "bool", "int", "float")}
MAX_BYTES = 1 << 20
WAIT = 10.0
"""Seconds that a pipe is waited for."""
DEEPEST_NESTING = 64


@dataclass(frozen=True)
class Place:
    """Where a value was written: a position in a file, or the name of a flag or variable.

    Attributes:
        source: path of the file, or `--set[2]`.
        line, column: 1-based; 0 where there is no position.
        text: the line as written.
    """

    source: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem at this place."""
        return Problem(str(self), message, hint, self.text, self.column)


@dataclass
class Node:
    """A mapping, a list or a scalar.

    Attributes:
        value: dict[str, Node], list[Node], or a str, int, float, bool or None.
        origin: where the value is; of a mapping or list, where it starts.
        keys: of a mapping, where each key is.
        raw: of a scalar, the text as written.
    """

    value: Any
    origin: Place
    keys: dict[str, Place]
    raw: str = ""

    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, step: str | int) -> Node | None:
        """The node under a key or index."""
        if isinstance(self.value, dict):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            found: Node = self.value[step]
            return found
        return None


def of_value(value: Any, source: str) -> Node:
    """The tree of a value that no file holds, as a program gives it: all of it comes from `source`."""
    origin = Place(source)
    if isinstance(value, Mapping):
        children = {str(key): of_value(child, source) for key, child in value.items()}
        return Node(children, origin, dict.fromkeys(children, origin))
    if isinstance(value, list | tuple):
        return Node([of_value(child, source) for child in value], origin, {})
    scalar = str(value) if isinstance(value, PurePath) else value
    return Node(scalar, origin, {}, str(scalar))


def read_file(path: Path) -> Node:
    """Parse one YAML document.

    Raises:
        SpecError: missing, empty, binary or too large; bad YAML; aliases, tags, duplicate keys, several documents.
    """
    return parse(read_spec(path), str(path))


def read_spec(path: Path) -> str:
    """The text of a file, or of a pipe such as a shell's <(…), which can be read once only.

    Raises:
        SpecError: missing, no file, binary or too large; a pipe that nobody writes to.
    """
    try:
        raw = _bytes(path)
    except FileNotFoundError:
        raise SpecError(f"no file {path}", hint="eproxyctl validate shows what a spec needs") from None
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:  # a NUL in its name
        raise SpecError(f"no file can be called {str(path)!r}") from None
    if len(raw) > MAX_BYTES:
        raise SpecError(f"{path} is larger than a spec may be, {MAX_BYTES:,} bytes", hint="is it a spec?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is no text: byte {error.start} is not UTF-8", hint="is it a spec?") from None
    control = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if control:
        raise SpecError(f"{path} is no text: it holds the character {control[0]!r}", hint="is it a spec?")
    return text


def _bytes(path: Path) -> bytes:
    """At most one byte more than a spec may have. Raises SpecError where nothing comes for WAIT seconds."""
    found = b""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        piped = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        while len(found) <= MAX_BYTES:
            if piped and not select.select([descriptor], [], [], WAIT)[0]:
                raise SpecError(f"{path} is a pipe that nothing comes out of", hint="name a file")
            piece = os.read(descriptor, MAX_BYTES + 1 - len(found))
            if not piece:
                break
            found += piece
    finally:
        os.close(descriptor)
    return found


def parse(text: str, source: str, *, positions: bool = True) -> Node:
    """Parse YAML text; `positions` False for text from the command line, which has no lines to show."""
    reader = _Reader(text, source, positions)
    reader.refuse()
    yaml = _yaml()
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        raise reader.failure(error) from None
    if root is None:
        raise SpecError(f"{source} is empty", hint="eproxyctl schema shows what a spec can say")
    node = reader.node(root)
    if reader.problems:
        raise SpecError(f"{len(reader.problems)} problem(s) in {source}", problems=reader.problems)
    return node


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


class _Reader:
    def __init__(self, text: str, source: str, positions: bool) -> None:
        self.text = text
        self.lines = text.splitlines()
        self.source = source
        self.positions = positions
        self.problems: list[Problem] = []
        self.scalars = SafeConstructor(loader=_yaml())

    def origin(self, mark: Any) -> Place:
        if not self.positions:
            return Place(self.source)
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.source, mark.line + 1, mark.column + 1, text)

    def refuse(self) -> None:
        """Aliases, tags and further documents: YAML here is data, and these load silently otherwise."""
        documents = depth = 0
        try:
            for event in _yaml().parse(self.text):
                depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
                if depth > DEEPEST_NESTING:  # before anything takes time that grows with the square of it
                    self._refuse(event, f"nested deeper than {DEEPEST_NESTING}", "is it a spec?")
                    break
                documents += isinstance(event, DocumentStartEvent)
                if documents > 1:
                    self._refuse(event, "a second document", "keep one document a file")
                    break
                if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
                    self._refuse(event, "YAML anchors and aliases are not used in specs", "write the value out")
                tag = event.tag if isinstance(event, ScalarEvent | CollectionStartEvent) else None
                if tag:
                    self._refuse(event, f"YAML tags are not used in specs: {tag}", "remove the tag")
        except MarkedYAMLError as error:
            raise self.failure(error) from None
        except YAMLError as error:
            raise SpecError(f"{self.source} is no YAML: {error}") from None
        if self.problems:
            raise SpecError(f"{len(self.problems)} problem(s) in {self.source}", problems=self.problems)

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        self.problems.append(self.origin(event.start_mark).problem(message, hint))

    def failure(self, error: MarkedYAMLError) -> SpecError:
        mark = error.problem_mark or error.context_mark
        message = str(error.problem or error.context or "no YAML")
        origin = self.origin(mark) if mark else Place(self.source)
        hint = "indent with spaces, not tabs" if "\t" in origin.text or "\\t" in message else ""
        return SpecError(f"{self.source} is no YAML", problems=[origin.problem(message, hint)])

    def node(self, root: Any) -> Node:
        origin = self.origin(root.start_mark)
        if isinstance(root, MappingNode):
            return self._mapping(root, origin)
        if isinstance(root, SequenceNode):
            return Node([self.node(item) for item in root.value], origin, {})
        assert isinstance(root, ScalarNode)
        tag = str(root.tag) if not hasattr(root, "ctag") else str(root.ctag)
        if tag not in PLAIN_TAGS:
            return Node(str(root.value), origin, {}, str(root.value))
        try:
            return Node(self.scalars.construct_object(root), origin, {}, str(root.value))
        except ValueError:  # Python reads no number of more than 4,300 digits
            self.problems.append(origin.problem("this is no number that can be read"))
            return Node(str(root.value), origin, {}, str(root.value))

    def _mapping(self, root: MappingNode, origin: Place) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for key_node, value_node in root.value:
            where = self.origin(key_node.start_mark)
            if not isinstance(key_node, ScalarNode):
                self.problems.append(where.problem("a key must be a word"))
                continue
            key = str(key_node.value)
            if key in values:
                self.problems.append(where.problem(f"duplicate key '{key}'", f"first given at {keys[key]}"))
                continue
            values[key], keys[key] = self.node(value_node), where
        return Node(values, origin, keys)
