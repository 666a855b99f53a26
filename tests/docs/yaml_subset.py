"""Reads the YAML that our examples keep to; anything else is an error, and not a guess.

Mappings and sequences by indentation, plain scalars, words in double quotes, ``|`` blocks, ``{}``
and whole comment lines. A parser of all of YAML would be one more thing to install for three files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Node", "read_yaml"]

Node = str | list["Node"] | dict[str, "Node"]

_ENTRY = re.compile(r"(\$?[A-Za-z][A-Za-z0-9_.-]*):(?: +(.*))?")
_QUOTED = re.compile(r'"([^"\\]+)"')


@dataclass
class _Lines:
    """What is left to read: (indentation, text) of each line; None for an empty one."""

    left: list[tuple[int, str] | None]

    def peek(self) -> tuple[int, str] | None:
        while self.left and (self.left[0] is None or self.left[0][1].startswith("#")):
            self.left.pop(0)
        return self.left[0] if self.left else None


def read_yaml(text: str) -> Node:
    """Return the one document in ``text``; `ValueError` where it leaves the subset."""
    lines: list[tuple[int, str] | None] = []
    for line in text.splitlines():
        if "\t" in line or line != line.rstrip():
            raise ValueError(f"a tab, or a blank at the end: {line!r}")
        lines.append((len(line) - len(line.lstrip()), line.lstrip()) if line else None)
    document = _Lines(lines)
    found = _node(document)
    if document.peek() is not None:
        raise ValueError(f"wrong indentation: {document.peek()}")
    return found


def _node(lines: _Lines) -> Node:
    head = lines.peek()
    assert head is not None
    indent, text = head
    if text == "-" or text.startswith("- "):
        return _sequence(lines, indent)
    return _mapping(lines, indent)


def _sequence(lines: _Lines, indent: int) -> Node:
    items: list[Node] = []
    while (head := lines.peek()) and head[0] == indent and head[1].startswith("- "):
        rest = head[1][2:]
        if _ENTRY.fullmatch(rest):
            lines.left[0] = (indent + 2, rest)  # A mapping that begins behind the dash.
            items.append(_mapping(lines, indent + 2))
        else:
            lines.left.pop(0)
            items.append(_value(lines, indent, rest))
    return items


def _mapping(lines: _Lines, indent: int) -> Node:
    found: dict[str, Node] = {}
    while (head := lines.peek()) and head[0] == indent:
        entry = _ENTRY.fullmatch(head[1])
        if entry is None or entry[1] in found:
            raise ValueError(f"not `key: value`, or the key is there twice: {head[1]!r}")
        lines.left.pop(0)
        found[entry[1]] = _value(lines, indent, entry[2] or "")
    return found


def _value(lines: _Lines, indent: int, text: str) -> Node:
    if text == "|":
        return _block(lines, indent)
    if text == "{}":
        return {}
    if quoted := _QUOTED.fullmatch(text):
        return quoted[1]
    if text:
        if text[0] in "\"'[{&*!%@`>|" or " #" in text or ": " in text or text.endswith(":"):
            raise ValueError(f"outside of the subset: {text!r}")
        return text
    head = lines.peek()
    if head is None or head[0] <= indent:
        raise ValueError("a key or dash without a value")
    return _node(lines)


def _block(lines: _Lines, indent: int) -> str:
    kept: list[tuple[int, str]] = []
    while lines.left and (lines.left[0] is None or lines.left[0][0] > indent):
        kept.append(lines.left.pop(0) or (0, ""))
    least = min(at for at, text in kept if text)
    return "".join(" " * max(at - least, 0) + text + "\n" for at, text in kept).rstrip("\n") + "\n"
