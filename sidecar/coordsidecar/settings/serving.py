"""Where others find out who leads: the role file, and ``--http`` with who may order by it."""

from __future__ import annotations

import os
import re

from coordsidecar.value import Value

__all__ = ["UnixSocket", "Where", "read_http", "read_role_file", "read_token_file", "shown"]

_SCHEME = "unix:"
_LONGEST_PATH = 107  # What a unix socket's address has room for, less the NUL at its end.


class UnixSocket(Value):
    """A path to listen at; ``mode``: of the file, which says who may connect."""

    path: str
    mode: int = 0o600


Where = tuple[str, int] | UnixSocket
"""An address and its port, or a unix socket."""


def read_http(text: str) -> Where:
    """Read the value of ``--http``. Raises `ValueError` with a sentence."""
    if text.strip().startswith(_SCHEME):
        return _read_unix(text.strip().removeprefix(_SCHEME))
    address, colon, port = text.strip().rpartition(":")
    bare = address.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        what = "no port (0 to 65535)" if port.isdigit() else "no port"
        raise ValueError(f"{_quoted(text)} has {what}; write for example 8080 or 0.0.0.0:8080")
    if colon and not bare:
        raise ValueError(
            f"{_quoted(text)} has no address; write 0.0.0.0:{port} to answer every host, "
            f"or {port} for this host alone"
        )
    if (":" in bare) != address.startswith("[") or not re.fullmatch(r"[A-Za-z0-9:.%_-]*", bare):
        raise ValueError(f"{_quoted(text)} is not ADDR:PORT; an IPv6 address stands in [ ]")
    if any(not 0 < len(label) < 64 for label in bare.rstrip(".").split(".") if bare):
        raise ValueError(f"{_quoted(text)} has no host name: its parts have 1 to 63 characters")
    return bare or "127.0.0.1", int(port)


def _read_unix(text: str) -> UnixSocket:
    path, asks, mode = text.partition("?")
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(
            f"{_quoted(text)} is not the absolute path of a file; write for example "
            "unix:/run/nightly.sock"
        )
    if (length := len(os.fsencode(path))) > _LONGEST_PATH:
        raise ValueError(
            f"{_quoted(text)} has {length} bytes, and the path of a unix socket at most "
            f"{_LONGEST_PATH}; choose a shorter one"
        )
    if not asks:
        return UnixSocket(path)
    if not (octal := re.fullmatch(r"mode=0?([0-7]{3})", mode)):
        raise ValueError(f"{_quoted(mode)} is not mode=NNN, such as mode=660 for a group as well")
    return UnixSocket(path, int(octal[1], 8))


def read_token_file(text: str) -> str:
    """It is read when it is needed, and may well be written later."""
    if not text or text.endswith("/") or "\0" in text or os.path.isdir(text):
        raise ValueError(f"{_quoted(text)} is not the path of a file")
    return os.path.abspath(text)


def read_role_file(text: str) -> str:
    """Read the value of ``--role-file``, and try to write there."""
    folder = os.path.dirname(text) or "."
    if not text or os.path.isdir(text):
        raise ValueError(f"{_quoted(text)} is not the path of a file")
    if not os.path.isdir(folder):
        raise ValueError(f"there is no folder {_quoted(folder)}")
    tried = f"{text}.{os.getpid()}.tmp"  # It is always replaced as a whole, by such a file.
    try:
        os.close(os.open(tried, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        os.unlink(tried)
    except OSError as error:
        raise ValueError(f"cannot write in the folder {folder!r}: {error.strerror}") from error
    return text


def shown(where: Where) -> str:
    """As it is given."""
    if isinstance(where, UnixSocket):
        return _SCHEME + where.path
    address, port = where
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
