"""The layout is the architecture: each folder imports what its first lines say, and no more."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.sidecars import sidecars, wait_for

ROOT = Path(__file__).parents[1]
PACKAGES = {"coordsidecar": ROOT / "sidecar", "coordsidecar_adapters": ROOT / "adapters"}
FOLDERS = sorted(
    path.parent
    for package, top in PACKAGES.items()
    for path in (top / package).rglob("__init__.py")
    if path.parent != top / package
)
SHARED = {"linux", "log", "duration", "utc", "value", "hints", "refusals", "signs", "wire"}
SHARED |= {"__init__", "__main__"}
PURE = {"time", "random", "socket", "os", "select", "logging", "threading", "subprocess"}
NETWORK = {"ssl", "_ssl", "http", "urllib", "socketserver", "asyncio", "email"}
NETWORK |= {"grpc", "requests", "urllib3", "consul", "etcd3", "coordsidecar_adapters"}


def imports(path: Path) -> set[str]:
    """All modules that a file imports, early or late, but for hints."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def allowed(folder: Path) -> set[str]:
    """What the folder's first lines say, as names below its package."""
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    *_, may = docstring.split("May import: ")
    return set(re.findall(r"`([\w.]+)`", may))


def room(path: Path) -> str:
    """The first folder of a module below its package; "" for what all share."""
    below = path.relative_to(next(t for t in PACKAGES.values() if path.is_relative_to(t))).parts[1:]
    return below[0] if len(below) > 1 else ""


def room_of(module: str) -> str | None:
    """The same for a module's name; None if it is not one of ours."""
    package, *below = module.split(".")
    if package not in PACKAGES:
        return None
    is_folder = below and (PACKAGES[package] / package / below[0]).is_dir()
    return below[0] if is_folder else ""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_says_where_it_runs_and_what_it_must_never_do(folder: Path) -> None:
    text = (folder / "__init__.py").read_text()
    (only,) = ast.parse(text).body

    assert isinstance(only, ast.Expr), "an __init__ has no code: it costs every start"
    assert re.search(r"\b[Rr]uns?\b", text)
    assert re.search(r"[Nn]ever|[Nn]either|nothing", text)
    assert "\nMay import: " in text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_only_what_it_says(folder: Path) -> None:
    may = allowed(folder)
    own = room(folder / "__init__.py")

    for path in folder.glob("*.py"):
        for module in imports(path):
            there = room_of(module)
            if there in (None, "", own):
                continue
            assert there in may or f"{module.split('.')[0]}.{there}" in may, f"{path}: {module}"


def test_the_two_cores_know_nothing_of_each_other() -> None:
    for path, other in (("election", "guard"), ("guard", "election")):
        for file in (ROOT / "sidecar/coordsidecar/core" / path).glob("*.py"):
            assert not [m for m in imports(file) if m.startswith(f"coordsidecar.core.{other}")]


def test_the_cores_import_no_module_that_has_a_clock_dice_or_sockets() -> None:
    for file in (ROOT / "sidecar/coordsidecar/core").rglob("*.py"):
        assert not {module.split(".")[0] for module in imports(file)} & PURE, file


def test_what_all_share_imports_no_room_but_what_the_two_processes_say_to_each_other() -> None:
    top = ROOT / "sidecar/coordsidecar"

    assert {path.stem for path in top.glob("*.py")} == SHARED
    for path in top.glob("*.py"):
        rooms = {room_of(module) for module in imports(path)} - {None, ""}
        assert rooms <= {"wire": {"core"}, "__main__": {"cli"}}.get(path.stem, set()), path


def test_nothing_but_the_registry_names_an_adapter() -> None:
    for path in (ROOT / "sidecar").rglob("*.py"):
        assert not [m for m in imports(path) if m.startswith("coordsidecar_adapters")], path


def test_no_two_folders_or_files_of_a_folder_differ_in_a_letter() -> None:
    for package, top in PACKAGES.items():
        for folder in (top / package, *(f for f in FOLDERS if f.is_relative_to(top))):
            modules = {path.stem for path in folder.glob("*.py")}
            names = modules | {path.parent.name for path in folder.glob("*/__init__.py")}
            for one in names:
                assert one + "s" not in names, f"{folder}: {one} and {one}s"


def test_a_module_has_less_than_300_lines() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    lines = {path: path.read_bytes().count(b"\n") for path in paths if path.is_file()}

    assert lines
    too_long = {str(path.relative_to(ROOT)): n for path, n in lines.items() if n >= 300}
    assert not too_long, f"split by idea: {too_long}"


def test_no_module_of_the_guards_process_imports_the_network() -> None:
    rooms = ("guard", "children", "trees", "core.guard")
    files = [
        path
        for name in rooms
        for path in (ROOT / "sidecar/coordsidecar" / name.replace(".", "/")).glob("*.py")
    ]
    modules = [".".join(path.relative_to(ROOT / "sidecar").with_suffix("").parts) for path in files]
    program = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"

    process = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )

    assert not {name.split(".")[0] for name in process.stdout.split()} & NETWORK
    late = {module.split(".")[0] for path in files for module in imports(path)}
    assert not late & NETWORK


def test_a_guard_that_runs_has_no_network_library_in_memory_and_its_elector_has(
    tmp_path: Path,
) -> None:
    def has_ssl(pid: int) -> bool:
        return "_ssl" in Path(f"/proc/{pid}/maps").read_text()

    with sidecars(tmp_path) as start:
        sidecar = start("--store", "etcds://127.0.0.1:1", "--", "sleep", "60")
        wait_for(lambda: has_ssl(sidecar.elector().pid), "the elector to import TLS")

        assert not has_ssl(sidecar.pid)
