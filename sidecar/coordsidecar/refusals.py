"""What the kernel refused us, or Python did not find, in one sentence that names the remedy.

Whatever we ask the kernel for, it may refuse: there are limits of processes, open files and memory,
old kernels, and seccomp profiles. Where we can, we go on, or try again later. Where we cannot,
somebody must read what was refused and what to do about it, and no traceback. The same holds for
modules: another of the same name may hide them, or a venv may lack them.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from coordsidecar.linux import RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_NPROC, soft_limit

__all__ = ["ProgramChangedError", "asking_for", "import_remedy", "refusal"]

_NO_THREAD = "can't start new thread"
_NOT_KNOWN = "Linux 5.3 or newer is needed, and a seccomp profile that allows the call"
_FULL = "free some, or raise the quota (for inotify: fs.inotify.max_user_instances)"


class ProgramChangedError(ImportError):
    """Our files are not those that we were started from; the message says so to people."""


@contextmanager
def asking_for(what: str) -> Iterator[None]:
    """Name in an `OSError` what was asked for; by itself, it names files only."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, what) from error


def refusal(error: BaseException) -> str | None:
    """What was refused and what to do about it; None if the kernel had no part in ``error``."""
    match error:
        case OSError(errno=int(number)):
            what = "a system call" if error.filename is None else error.filename
            if isinstance(what, bytes):
                what = what.decode("utf-8", "backslashreplace")
            return f"the kernel refused {what}: {error.strerror}; {_remedy(number)}"
        case MemoryError():
            return f"memory has run out; {_remedy(errno.ENOMEM)}"
        case RuntimeError() if _NO_THREAD in str(error):
            # For want of memory for its stack the kernel refuses one by the same error.
            memory = _memory_limit()
            also = f"; or of memory{memory}" if memory else ""
            return f"the kernel refused a thread; {_remedy(errno.EAGAIN)}{also}"
        case ProgramChangedError():
            return str(error)
        case ImportError():
            remedy = import_remedy(error, os.environ, package="coordsidecar")
            return f"a part of the program cannot be read: {error}; {remedy}"
        case _:
            return None


def import_remedy(
    error: ImportError | AttributeError, environ: Mapping[str, str], *, package: str
) -> str:
    """What to do about a module that cannot be imported, or lacks what it should have.

    It names the file that was found, whoever put it there, or where one was looked for. To install
    ``package`` brings the right one.
    """
    from importlib.machinery import PathFinder  # Late: it is for this error only.

    named = error.name if isinstance(error, ImportError) else getattr(error.obj, "__name__", "")
    top = (named or "").partition(".")[0]
    found = PathFinder.find_spec(top) if top else None
    install = f"pip install {package}"
    if found is None and sys.flags.no_site:  # So only a bundle is started: docs/bundle.md.
        lacks = f"the bundle {sys.prefix} has no {top or 'such module'}"
        return f"{lacks}; make it anew: --extras grpc for etcd+grpc://, --with PACKAGE for others"
    if found is None:
        return f"neither {sys.prefix} nor PYTHONPATH has {top or 'what it takes'}; {install}"
    folder = next(iter(found.submodule_search_locations or ()), None)
    file = folder or found.origin or ""
    suspects = [*environ.get("PYTHONPATH", "").split(os.pathsep), ""]
    if os.path.dirname(file) in map(os.path.abspath, suspects):
        return f"{file} hides what is meant: rename it, or take its folder out of PYTHONPATH"
    return (
        f"what was found in PYTHONPATH and {sys.prefix} is {file}: is it the right one, and whole? "
        f"If not, {install}"
    )


def _remedy(number: int) -> str:
    match number:
        case errno.EAGAIN:
            return (
                f"raise the limit of processes (ulimit -u is {_limit(RLIMIT_NPROC)}; a container "
                "or service has pids.max, TasksMax)"
            )
        case errno.EMFILE:
            return f"raise the limit of open files (ulimit -n is {_limit(RLIMIT_NOFILE)})"
        case errno.ENFILE:
            return "too many files are open on this host; raise the sysctl fs.file-max"
        case errno.ENOMEM:
            return f"give it more memory{_memory_limit()}, or look what else uses it"
        case errno.ENOSYS | errno.EPERM | errno.EINVAL | errno.EOPNOTSUPP:
            return _NOT_KNOWN
        case errno.EACCES | errno.EROFS | errno.ENOENT | errno.ENOTDIR:
            return "it must be there, and this user must be allowed to use it"
        case errno.ENOSPC | errno.EDQUOT:
            return _FULL
        case _:
            return "the kernel's log may tell more (dmesg)"


def _memory_limit() -> str:
    """In parentheses, as a shell has it; empty if there is none."""
    limit = soft_limit(RLIMIT_AS)
    return "" if limit is None else f" (ulimit -v is {limit // 1024})"


def _limit(which: int) -> str:
    limit = soft_limit(which)
    return "unlimited" if limit is None else str(limit)
