"""A bundle runs wherever it is put, whoever starts it, and says what is wrong if it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.roots import JOB, Root
from tests.e2e.sidecars import Sidecar

ONCE = ("--store", "local:/writable", "--name", "x", "--", JOB, "report", "it ran")
PROGRAM = "/opt/coordsidecar/coordsidecar"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    """A bundle to break; its files are those of the other, so replace them, and write into none."""
    return shutil.copytree(bundle, tmp_path / "copied", copy_function=os.link)


@pytest.fixture
def bare_root(root: Root, copied: Path) -> Root:
    """A root whose bundle may be broken."""
    root.bundle = copied
    return root


def output(sidecar: Sidecar) -> str:
    told, _ = sidecar.process.communicate(timeout=60)
    assert sidecar.wait() == 0, sidecar.log()
    return str(told.decode())


def test_it_can_be_moved(root: Root) -> None:
    root.place = "/srv/two words/of it"

    sidecar = root.start(*ONCE, stdout=subprocess.PIPE)

    assert "argument it ran" in output(sidecar)


def test_a_link_to_the_launcher_is_enough(root: Root) -> None:
    (root.folder / "bin").mkdir()
    (root.folder / "bin" / "coordsidecar").symlink_to("../opt/coordsidecar/coordsidecar")

    sidecar = root.start(*ONCE, program="/bin/coordsidecar", stdout=subprocess.PIPE)

    assert "argument it ran" in output(sidecar)


@needs_root
def test_a_stranger_runs_it_on_a_read_only_root(root: Root) -> None:
    root.access, root.user = "ro", 4711

    sidecar = root.start(*ONCE, stdout=subprocess.PIPE)

    assert "argument it ran" in output(sidecar)
    assert {path.stat().st_uid for path in (root.folder / "writable").iterdir()} == {4711}


def test_it_can_be_process_one(root: Root) -> None:
    root.process_one = True

    done = root.run(PROGRAM, *ONCE)

    assert done.returncode == 0, done.stderr
    assert "argument it ran" in done.stdout


@pytest.mark.parametrize("program", [PROGRAM, PROGRAM.lstrip("/")], ids=["absolute", "relative"])
def test_it_finds_its_folder_without_proc(root: Root, program: str) -> None:
    (root.folder / "proc").rmdir()

    done = root.run(program, "--version")

    assert done.stdout.startswith("coordsidecar "), done.stderr


def test_it_brings_no_source_and_little_else(bundle: Path) -> None:
    files = [path for path in bundle.rglob("*") if path.is_file()]

    assert [path for path in files if path.suffix == ".py" or "__pycache__" in path.parts] == []
    assert sum(path.stat().st_size for path in files) < 40e6
    assert {path.stat().st_mode & 0o7577 for path in files} == {0o444, 0o555}


def test_the_launcher_alone_says_what_it_lacks(bare_root: Root) -> None:
    shutil.rmtree(bare_root.bundle / "lib")

    done = bare_root.run(PROGRAM, "--version")

    assert done.returncode == 125
    assert done.stderr.startswith(
        "coordsidecar: /opt/coordsidecar/lib/coordsidecar: it is not there; "
    )


def test_a_folder_that_the_loader_would_misread_is_refused(root: Root) -> None:
    root.place = "/opt/a:b"

    done = root.run("/opt/a:b/coordsidecar", "--version")

    assert done.returncode == 125
    assert done.stderr.startswith("coordsidecar: /opt/a:b: the folder's path must not contain ':'")


@needs_root
def test_it_copies_itself_for_another_container_and_again(root: Root) -> None:
    root.access, root.user = "ro", 4711

    first, second = (root.run(PROGRAM, "--copy-to", "/writable/here") for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    copied = root.folder / "writable" / "here"
    there = {path.relative_to(copied) for path in copied.rglob("*")}
    assert there == {path.relative_to(root.bundle) for path in root.bundle.rglob("*")}
    done = root.run("/writable/here/coordsidecar", "--version")
    assert done.stdout.startswith("coordsidecar ")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "takes one folder"),
        (("/a", "/b"), 2, "takes one folder"),
        (("/opt/coordsidecar/lib/x",), 2, "cannot be copied into itself"),
        (("/dev/null/x",), 125, "Not a directory"),
    ],
)
def test_what_it_cannot_copy_it_says(
    root: Root, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = root.run(PROGRAM, "--copy-to", *words)

    assert done.returncode == code
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["{there}"], 1, "is there already"),
        (["--python", "/nowhere/python", "{new}"], 2, "is no Python that can be run"),
        (["--python", "/bin/true", "{new}"], 2, "is no Python that can be run"),
        (["--cc", "no-such-compiler", "{new}"], 1, "there is no program no-such-compiler"),
        ([], 2, "the following arguments are required: folder"),
    ],
)
def test_what_it_cannot_be_made_of_is_said(
    run_make: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    words: list[str],
    code: int,
    sentence: str,
) -> None:
    places = {"there": tmp_path, "new": tmp_path / "new"}

    done = run_make(*(word.format(**places) for word in words))

    assert done.returncode == code
    assert sentence in done.stderr
    assert not places["new"].exists()


def test_the_licences_of_what_is_passed_on_go_with_it(bundle: Path) -> None:
    kept = {folder.name: any(folder.iterdir()) for folder in (bundle / "licences").iterdir()}

    for part in ("coordsidecar", "python", "click", "certifi", "libc", "libssl", "zlib"):
        assert any(name.startswith(part) and has for name, has in kept.items()), (part, kept)
