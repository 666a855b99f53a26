"""Where what the user said comes from.

Three places: the command line wins over the environment (``COORDSIDECAR_TTL``), the environment
over the configuration file; an error names the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from coordsidecar.hints import TYPE_CHECKING, Any
from coordsidecar.settings.options import OPTIONS, Option

if TYPE_CHECKING:
    from coordsidecar.settings.config_file import ConfigFile

__all__ = ["Sources", "UsageError", "read_at"]


class UsageError(ValueError):
    """What the user asked for cannot be done. The message is one sentence for the user."""


class Sources:
    """The three places where options are given, in the order in which they win."""

    def __init__(
        self, *, flags: Mapping[str, str], environ: Mapping[str, str], file: ConfigFile | None
    ) -> None:
        """``flags``: the texts given on the command line, by option name."""
        self._flags = flags
        self._environ = environ
        self.file = file

    @classmethod
    def gather(
        cls,
        flags: Mapping[str, str],
        environ: Mapping[str, str],
        known: Iterable[Option] = OPTIONS,
    ) -> Sources:
        """Read the configuration file too, where ``--config`` or its variable names one.

        ``known``: all options that it may give.
        """
        path = flags.get("config") or environ.get("COORDSIDECAR_CONFIG")
        if not path:
            return cls(flags=flags, environ=environ, file=None)
        from coordsidecar.settings.config_file import read_config_file

        try:
            return cls(flags=flags, environ=environ, file=read_config_file(path, known))
        except ValueError as error:
            raise UsageError(str(error)) from error

    def find(self, option: Option) -> tuple[str, str] | None:
        """Where ``option`` was given, and its text. An empty variable counts as unset."""
        if option.name in self._flags:
            return option.flag, self._flags[option.name]
        if self._environ.get(option.variable):
            return option.variable, self._environ[option.variable]
        if self.file and option.name in self.file.texts:
            return f"{self.file.path}: {option.name}", self.file.texts[option.name]
        return None

    def values(self, options: Iterable[Option]) -> dict[str, Any]:
        """Read all of ``options`` that were given; by option name."""
        found = ((option, self.find(option)) for option in options)
        return {option.name: read_at(*place, option.read) for option, place in found if place}


def read_at(place: str, text: str, read: Callable[[str], Any]) -> Any:
    """Read ``text``, which was given at ``place``. Raises `UsageError`, which names that."""
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error
