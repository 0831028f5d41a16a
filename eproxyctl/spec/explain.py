"""From pydantic's errors to problems at a place in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from eproxyctl.errors import Problem, did_you_mean
from eproxyctl.spec.nodes import Node

MESSAGES = {
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_type": "a number is needed",
    "float_parsing": "a number is needed",
    "string_type": "text is needed",
    "bool_type": "true or false is needed",
    "bool_parsing": "true or false is needed",
    "list_type": "a list is needed",
    "tuple_type": "a list is needed",
    "model_type": "a mapping is needed",
    "model_attributes_type": "a mapping is needed",
    "dict_type": "a mapping is needed",
    "union_tag_not_found": "a kind is needed",
}


def problem_of(error: Mapping[str, Any], root: Node, model: type[BaseModel]) -> Problem:
    """One validation error, placed and worded."""
    node, path, key = _locate(root, error["loc"])
    name = ".".join(map(str, path))
    kind = error["type"]
    if kind == "extra_forbidden":
        origin = node.keys.get(key, node.origin)
        known = _fields(model, error["loc"][:-1])
        return origin.problem(
            f"unknown key '{key}' in {'.'.join(map(str, path[:-1])) or 'the spec'}", did_you_mean(key, known)
        )
    if kind == "missing":
        return node.origin.problem(f"'{key}' is missing in {'.'.join(map(str, path[:-1])) or 'the spec'}")
    if kind == "union_tag_invalid":
        kinds = [k.strip(" '") for k in str(error["ctx"]["expected_tags"]).split(",")]
        section = node.child(key) or node
        tag = section.child("kind") or section
        return tag.origin.problem(
            f"{name}: there is no '{error['ctx']['tag']}'", did_you_mean(str(error["ctx"]["tag"]), kinds)
        )
    if kind == "declared":
        found = node.child(key) if key else None
        place = node.keys.get(key, node.origin) if error["ctx"]["at_key"] or found is None else found.origin
        return place.problem(f"{name}: {error['msg']}", str(error["ctx"]["hint"]))
    target = node.child(key) if key else node
    value = (target or node).value
    message = MESSAGES.get(kind, str(error["msg"]).removeprefix("Value error, "))
    shown = "" if isinstance(value, dict | list) else f", not {value!r}"
    hint = ""
    if kind == "literal_error":
        choices = [c.strip(" '") for c in str(error["ctx"]["expected"]).replace(" or ", ", ").split(",")]
        message, hint = "this is none of the choices", did_you_mean(str(value), choices)
    return (target or node).origin.problem(f"{name}: {message[:1].lower() + message[1:]}{shown}", hint)


def _locate(root: Node, loc: Sequence[str | int]) -> tuple[Node, list[str | int], str]:
    """The deepest node that exists, the path without union tags, and the missing or last key."""
    node, path = root, list[str | int]()
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        child = node.child(step)
        if child is None:
            kind = node.child("kind")
            if kind is not None and kind.value == step and not last:
                continue
            path.append(step)
            return node, path, str(step)
        path.append(step)
        if last and isinstance(node.value, dict):
            return node, path, str(step)
        node = child
    return node, path, ""


def _fields(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Names allowed at a place, read from the JSON Schema."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})

    def follow(part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            part = definitions[part["$ref"].rsplit("/", 1)[-1]]
        return part

    part = schema
    for step in loc:
        part = follow(part)
        options = [follow(option) for option in part.get("anyOf", []) + part.get("oneOf", [])]
        mapping = part.get("discriminator", {}).get("mapping", {})
        if step in mapping:
            part = follow({"$ref": mapping[step]})
            continue
        candidates = [part, *options]
        if isinstance(step, int):
            part = next((c["items"] for c in candidates if "items" in c), {})
        else:
            part = next((c["properties"][step] for c in candidates if step in c.get("properties", {})), {})
    part = follow(part)
    options = [part, *(follow(option) for option in part.get("anyOf", []) + part.get("oneOf", []))]
    return [name for option in options for name in option.get("properties", {})]
