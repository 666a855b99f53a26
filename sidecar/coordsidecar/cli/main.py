"""The command line: what the user types and, if it cannot be done, the one sentence they read.

`words` splits them; what they mean stands in `options` and `settings`. Everything is imported
late: whoever is to take over waits for this start-up, and an interrupt must find no half-imported
program that answers with a traceback.
"""

from __future__ import annotations

import os
import signal
import sys

from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.refusals import refusal

if TYPE_CHECKING:
    from coordsidecar.settings.options import Option

__all__ = ["main"]

_USAGE = 2
_NO = 1
_OWN_FAILURE = 125
_PYTHONS_LOCALES = ("C.UTF-8", "C.utf8", "UTF-8")


def main(argv: list[str] | None = None) -> None:
    """Run the command line ``argv``, by default the process's own. Always ends in `SystemExit`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until the guard takes the signals over, an interrupt ends us as it ends any program.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    words = sys.argv[1:] if argv is None else argv
    try:
        _fill_closed_descriptors()
        _forget_pythons_locale()
        status = _answer(words)
    except Exception as error:  # noqa: BLE001  The last resort: a sentence, and never a traceback.
        status = _complain(_OWN_FAILURE, refusal(error) or _own_failure(error))
    sys.exit(status)


def _answer(words: list[str]) -> int:
    match words:
        case [word, *rest] if word in _QUESTIONS:
            return _QUESTIONS[word](rest)
        case [word, *rest] if word in _OPERATORS:
            return _operate(word, rest)
        case _:
            return _run(words)


def _fill_closed_descriptors() -> None:
    """Who started us with stdin, stdout or stderr closed must not find a lock file in its place.

    What we open next gets the lowest number that is free. The job finds them closed again: what
    Python opens does not survive an exec.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            if os.open(os.devnull, os.O_RDWR) > 2:
                raise  # Not closed, then: something is very odd about it.


def _forget_pythons_locale() -> None:
    """The job gets the LC_CTYPE that we were given, if any.

    Where the locale is C, as in most images, the interpreter sets it for itself and all that it
    starts (PEP 538); and the job's libc may know no such locale.
    """
    if os.environ.get("LC_CTYPE") not in _PYTHONS_LOCALES:
        return
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read().split(b"\0")
    except OSError:
        return  # Who has no /proc gets no further.
    values = [entry[9:] for entry in given if entry.startswith(b"LC_CTYPE=")]
    if values:
        os.environb[b"LC_CTYPE"] = values[0]
    else:
        del os.environ["LC_CTYPE"]


def _hold_signals() -> set[int]:
    """As process 1: the kernel drops what nobody handles yet, so that a stop would be lost.

    Returns the signals that we were given blocked.
    """
    given = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # Who blocks all of them is the bundle's launcher, for the same reason.
    held = given >= signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    return set() if held else set(given)


def _run(words: list[str]) -> int:
    blocked = _hold_signals() if os.getpid() == 1 else None
    from coordsidecar.cli.words import split
    from coordsidecar.settings.options import OPTIONS
    from coordsidecar.settings.settings import build_settings
    from coordsidecar.settings.sources import UsageError

    page, build = "run", build_settings
    options: tuple[Option, ...] = OPTIONS
    if words[:1] == ["attach"]:
        from coordsidecar.settings.attach import ATTACH_OPTIONS, attach_settings

        page, options, build = "attach", ATTACH_OPTIONS, attach_settings
    words = words[words[:1] in (["run"], ["attach"]) :]
    try:
        flags, command = split(words, options, interspersed=False)
        if "help" in flags or "version" in flags:
            return _show(page if "help" in flags else "version")
        settings = build(flags=flags, command=command, environ=os.environ)
    except UsageError as error:
        return _complain(_USAGE, str(error))
    from coordsidecar.cli.launch import run
    from coordsidecar.guard.prefork import NotStartedError

    try:
        return run(settings, blocked=blocked)
    except NotStartedError as error:
        return _complain(error.exit_code, str(error))


def _operate(question: str, words: list[str]) -> int:
    from coordsidecar.cli.operators import ask
    from coordsidecar.settings.sources import UsageError
    from coordsidecar.store.protocol import StoreError

    try:
        said = ask(question, words, show=_show_line)
    except UsageError as error:
        return _complain(_USAGE, str(error))
    except StoreError as error:
        return _complain(_OWN_FAILURE, f"the store cannot be asked: {error}")
    return _show(said) if isinstance(said, str) else _write(1, said.text) or said.exit_code


def _show_line(line: str) -> bool:
    """Whether somebody may read on."""
    try:
        os.write(1, line.encode("utf-8", "backslashreplace"))
    except OSError:
        return False
    return True


def _check(words: list[str]) -> int:
    from coordsidecar.cli.check import why_not_current
    from coordsidecar.cli.words import split
    from coordsidecar.settings.options import CHECK_OPTIONS
    from coordsidecar.settings.sources import UsageError
    from coordsidecar.store.protocol import StoreError

    try:
        flags, arguments = split(words, CHECK_OPTIONS, interspersed=True)
        if "help" in flags or "version" in flags:
            return _show("check" if "help" in flags else "version")
        if len(arguments) != 1:
            raise UsageError('check takes one TOKEN: coordsidecar check "$COORDSIDECAR_TOKEN"')
        reason = why_not_current(arguments[0], flags=flags, environ=os.environ)
    except UsageError as error:
        return _complain(_USAGE, str(error))
    except StoreError as error:
        return _complain(_OWN_FAILURE, f"the store cannot be asked: {error}")
    return _complain(_NO, reason) if reason else 0


def _health(words: list[str]) -> int:
    from coordsidecar.cli.health import NoAnswerError, why_not_healthy
    from coordsidecar.cli.words import split
    from coordsidecar.settings.options import HEALTH_OPTIONS
    from coordsidecar.settings.sources import UsageError

    try:
        flags, arguments = split(words, HEALTH_OPTIONS, interspersed=True)
        if "help" in flags or "version" in flags:
            return _show("health" if "help" in flags else "version")
        if arguments:
            raise UsageError("health takes no argument: coordsidecar health --http 8080")
        reason = why_not_healthy(flags=flags, environ=os.environ)
    except UsageError as error:
        return _complain(_USAGE, str(error))
    except NoAnswerError as error:
        return _complain(_OWN_FAILURE, str(error))
    return _complain(_NO, reason) if reason else 0


def _doctor(words: list[str]) -> int:
    from coordsidecar.cli.doctor import DOCTOR_OPTIONS, examined
    from coordsidecar.cli.words import split
    from coordsidecar.settings.sources import UsageError

    json = "--json" in words
    try:
        rest = [word for word in words if word != "--json"]
        flags, arguments = split(rest, DOCTOR_OPTIONS, interspersed=True)
        if "help" in flags or "version" in flags:
            return _show("doctor" if "help" in flags else "version")
        if arguments:
            raise UsageError(
                "doctor takes no argument: coordsidecar doctor --store URL --name NAME"
            )
        text, is_well = examined(flags=flags, json=json, environ=os.environ)
    except UsageError as error:
        return _complain(_USAGE, str(error))
    return _write(1, text) or (0 if is_well else _NO)


def _completion(words: list[str]) -> int:
    from coordsidecar.cli.completion import SHELLS, script
    from coordsidecar.cli.words import split
    from coordsidecar.settings.sources import UsageError

    try:
        flags, arguments = split(words, (), interspersed=True)
        if "help" in flags or "version" in flags:
            return _show("completion" if "help" in flags else "version")
        if len(arguments) != 1 or arguments[0] not in SHELLS:
            raise UsageError(f"completion takes a shell, one of {', '.join(SHELLS)}")
    except UsageError as error:
        return _complain(_USAGE, str(error))
    return _write(1, script(arguments[0]))


def _complain(status: int, sentence: str) -> int:
    try:
        from coordsidecar.log import one_line
        from coordsidecar.store.registry import redact
    except (ImportError, OSError, MemoryError):
        pass  # If not even these can be read, that is what the sentence is about: no password.
    else:
        sentence = one_line(redact(sentence))
    _write(2, f"coordsidecar: {sentence}\n")
    return status


def _own_failure(error: Exception) -> str:
    place = ""
    traceback = error.__traceback__
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename.split(os.sep)[-2:]
        place = f" ({os.sep.join(path)}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return f"internal error: {type(error).__name__}: {error}{place}; please report it"


def _show(page: str) -> int:
    from coordsidecar.cli import help_text, operators_help

    pages = {
        "run": help_text.run_help,
        "attach": help_text.attach_help,
        "check": help_text.check_help,
        "health": help_text.health_help,
        "doctor": help_text.doctor_help,
        "completion": help_text.completion_help,
    }
    if page in _OPERATORS:
        return _write(1, operators_help.page(page))
    return _write(1, pages.get(page, help_text.version)())


def _write(fd: int, text: str) -> int:
    """0, or the exit code of whoever cannot say what it was asked for."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(fd, data) :]
    except BrokenPipeError:
        pass  # Whoever was to read it has read enough (`coordsidecar --help | head`).
    except OSError as error:
        if fd == 1:
            return _complain(_OWN_FAILURE, f"cannot write to standard output: {error.strerror}")
    return 0


_OPERATORS = {
    *("list", "status", "wait", "watch", "history"),
    *("step-down", "transfer", "pause", "resume", "cordon", "uncordon"),
}
_QUESTIONS = {
    "check": _check,
    "completion": _completion,
    "doctor": _doctor,
    "health": _health,
}
