"""The configuration file: TOML, with the options' own names as keys.

::

    store = "etcd://a:2379,b:2379"
    name = "nightly"
    ttl = "10s"
    command = ["python", "nightly.py"]

A key nobody knows is an error, not a remark: ``tll = "5s"`` would otherwise mean 15 s.
"""

from __future__ import annotations

from collections.abc import Iterable

from coordsidecar.hints import Any
from coordsidecar.settings.options import OPTIONS, Option

__all__ = ["ConfigFile", "read_config_file"]

_LARGEST_BYTES = 1 << 20
_TYPE_NAMES = {bool: "a boolean", list: "an array", dict: "a table", int: "a number"}


class ConfigFile:
    """What a file says: the options' texts by option name, and perhaps a command."""

    def __init__(self, path: str, texts: dict[str, str], command: tuple[str, ...]) -> None:
        self.path = path
        self.texts = texts
        self.command = command


def read_config_file(path: str, options: Iterable[Option] = OPTIONS) -> ConfigFile:
    """Read the file at ``path``. `ValueError` says in one sentence, with the file, what is wrong.

    Values are checked for their type alone here; their text is read like that of any option.
    ``options``: those that it may give.
    """
    known = {option.name: option for option in options}
    texts: dict[str, str] = {}
    command: tuple[str, ...] = ()
    for key, value in _parse(path).items():
        name = key.replace("_", "-")
        if name in texts or (name == "command" and command):
            raise ValueError(f"{path}: {name} is given twice, as {name} and with underscores")
        if name == "command":
            command = _command(path, value)
        elif name in known:
            texts[name] = _text(path, key, known[name], value)
        else:
            raise ValueError(f"{path}: unknown key {key[:40]!r}{_nearest(name, [*known])}")
        # No program or path can have one in it; and of all places only a file can carry it here.
        if "\0" in "".join((texts.get(name, ""), *command)):
            raise ValueError(f"{path}: {name} has a NUL character in it")
    return ConfigFile(path, texts, command)


def _parse(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read config file {path}: {error.strerror}") from error
    if len(raw) > _LARGEST_BYTES:
        raise ValueError(f"config file {path} is larger than 1 MiB")
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"config file {path}, line {line}: not UTF-8") from error
    except (ValueError, RecursionError) as error:  # Python's own limits among them.
        raise ValueError(f"config file {path} is not TOML: {error}") from error


def _command(path: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError(f'{path}: command must be an array of strings, as ["python", "job.py"]')
    return tuple(value)


def _text(path: str, key: str, option: Option, value: object) -> str:
    if isinstance(value, str):
        return value
    # Numbers go on as text: for a port or a signal that is right, and the readers of durations
    # have a better answer to 15 than that it is a number.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if option.join and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return option.join(value)
    wanted = "a string or an array of strings" if option.join else "a string"
    given = _TYPE_NAMES.get(type(value), "a date or time")
    raise ValueError(f"{path}: {key} must be {wanted}, not {given}")


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    nearest = difflib.get_close_matches(name, [*known, "command"], n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
