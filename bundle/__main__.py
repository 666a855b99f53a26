"""Makes the bundle: a folder with coordsidecar and a Python of its own, for images without one.

    python3 -m bundle build/coordsidecar

The folder runs in any Linux image of this machine's architecture, whatever libc it has, if any, and
wherever it is put. It holds

    coordsidecar        the program to start: inside/launcher.c, linked statically
    bin/python          the interpreter
    lib/coordsidecar    its loader: the running program's name is that of this file
    lib/*.so*           its libc, and all else that it and its modules are linked to
    lib/start.pyc       the first that it runs
    lib/python3.X/      the standard library, less what nobody needs here, and coordsidecar
    cacert.pem          the public certificate authorities, for images that trust none
    licences/           the licences of all of these

all of it compiled once and for all, so that a start writes nothing, whoever starts it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bundle.interpreter import Interpreter, UnsuitableError, find_interpreter
from bundle.licences import copy_licences
from bundle.linked import copy_linked
from bundle.trimmed import copy_standard_library

_PROJECT = Path(__file__).resolve().parents[1]
_INSIDE = _PROJECT / "bundle" / "inside"
_BAD_USAGE, _FAILED = 2, 1
# What py-consul's own transports import. Ours stand in their place, so nobody imports these.
_NOT_IMPORTED = ("certifi", "charset_normalizer", "idna", "requests", "urllib3")


class NotMadeError(Exception):
    """Why there is no bundle, in a sentence that names the remedy."""


def main() -> int:
    options = _options()
    os.umask(0o022)  # Whoever makes it, any user may start it.
    try:
        if options.folder.exists():
            raise NotMadeError(
                f"{options.folder} is there already; remove it, or name another folder"
            )
        python = find_interpreter(options.python)
        folder = options.folder.resolve()
        with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
            made = Path(scratch) / "bundle"
            _make(made, python, options, compiler=_compiler(options.cc))
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made, folder)
        size_mb = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        _say(f"{options.folder}: {size_mb:.1f} MB, {_first_words(folder)}")
    except UnsuitableError as error:
        return _complain(_BAD_USAGE, str(error))
    except NotMadeError as error:
        return _complain(_FAILED, str(error))
    except OSError as error:
        return _complain(_FAILED, str(error))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m bundle",
        description="Make a folder with coordsidecar and a Python of its own, which runs in any "
        "Linux image of this machine's architecture. Needs pip and a C compiler.",
    )
    parser.add_argument("folder", type=Path, help="the folder to make; there must be none yet")
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="the Python to put into it: 3.11 or newer, linked to glibc 2.35 or newer "
        "(default: the one that runs this)",
    )
    parser.add_argument("--extras", help="coordsidecar's extras: grpc, for etcd+grpc:// (22 MB)")
    parser.add_argument(
        "--with",
        dest="requirement",
        action="append",
        default=[],
        help="another package to put into it, as pip takes it: a store of yours; may be repeated",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        help="a folder with the wheels of coordsidecar and of all that it needs; no others are "
        "taken then",
    )
    parser.add_argument(
        "--cc",
        help="the C compiler for the launcher (default: musl-gcc if there is one, for a smaller "
        "launcher; else cc)",
    )
    return parser.parse_args()


def _compiler(named: str | None) -> str:
    for compiler in [named] if named else ["musl-gcc", "cc", "gcc"]:
        if shutil.which(compiler):
            return compiler
    what = f"there is no program {named}" if named else "there is no C compiler"
    raise NotMadeError(f"{what}; on Debian: apt-get install gcc libc6-dev, or name one: --cc")


def _make(folder: Path, python: Interpreter, options: argparse.Namespace, *, compiler: str) -> None:
    library = folder / "lib" / python.library_name
    _say(f"copying Python {python.version} and what it is linked to")
    copy_standard_library(python, library)
    _say("installing coordsidecar and what it depends on, by pip")
    project = "coordsidecar" if options.wheels else str(_PROJECT)
    project += f"[{options.extras}]" if options.extras else ""
    _install(python, library, [project, *options.requirement], wheels=options.wheels)
    shutil.copy(_INSIDE / "start.py", folder / "lib")
    libraries = copy_linked(python, folder)
    missing = copy_licences(python, folder, libraries=libraries, compiler=compiler)
    if missing:
        _say(f"no licence text found of {', '.join(missing)}; before you pass it on, add them")
    # The authorities that requests trusts come with it; ours are beside the launcher.
    shutil.move(library / "certifi" / "cacert.pem", folder)
    if not options.requirement:  # Or else those may need some of it.
        for package in _NOT_IMPORTED:
            for part in library.glob(f"{package}*"):
                shutil.rmtree(part)
    _strip(folder)
    _say("compiling all modules")
    _compile(python, folder)
    _say(f"compiling the launcher, with {compiler}")
    launcher = str(folder / "coordsidecar")
    _run([compiler, "-static", "-Os", "-s", "-o", launcher, str(_INSIDE / "launcher.c")])


def _install(
    python: Interpreter, library: Path, requirements: list[str], *, wheels: Path | None
) -> None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        raise NotMadeError(
            f"{sys.executable} has no pip; run this with the Python of a venv, or on Debian: "
            "apt-get install python3-pip"
        )
    target = library.parent / "packages"
    pip = [sys.executable, "-m", "pip", "--python", str(python.program), "install", "--no-compile"]
    pip += ["--disable-pip-version-check", "--target", str(target)]
    pip += ["--no-index", "--find-links", str(wheels)] if wheels else []
    _run([*pip, *requirements])
    shutil.rmtree(target / "bin", ignore_errors=True)  # Scripts, whose Python is the one here.
    for tests in [*target.glob("*/tests"), *target.glob("*/test")]:
        shutil.rmtree(tests)
    for entry in target.iterdir():
        shutil.move(entry, library)
    target.rmdir()


def _strip(folder: Path) -> None:
    """Symbols that only a debugger reads are half of some Pythons. The loader needs its own."""
    if shutil.which("strip"):
        objects = [folder / "bin" / "python", *(folder / "lib").rglob("*.so*")]
        subprocess.run(["strip", "--strip-unneeded", *map(str, objects)], capture_output=True)


def _compile(python: Interpreter, folder: Path) -> None:
    """Each module to a .pyc in the place of its source: half the size, and nothing to compare."""
    compileall = [str(python.program), "-I", "-m", "compileall", "-q", "-b"]
    unchecked = ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/coordsidecar"]
    _run([*compileall, *unchecked, str(folder / "lib")])
    for source in (folder / "lib").rglob("*.py"):
        source.unlink()


def _first_words(folder: Path) -> str:
    """What it says of itself: no deployment shall have to find out that it does not start."""
    started = subprocess.run(
        [folder / "coordsidecar", "--version"], capture_output=True, text=True, env={}
    )
    if started.returncode != 0 or not started.stdout.startswith("coordsidecar "):
        raise NotMadeError(f"{folder} does not start: {started.stderr.strip()}")
    return started.stdout.strip()


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        told = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise NotMadeError(f"{argv[0]} failed with exit code {done.returncode}:\n{told}")


def _say(what: str) -> None:
    print(f"bundle: {what}", file=sys.stderr)


def _complain(code: int, sentence: str) -> int:
    _say(f"FAILED: {sentence}")
    return code


if __name__ == "__main__":
    sys.exit(main())
