"""What a module of the cores names in `__all__` is what it defines, neither more nor less.

The phases, events, effects and messages are the words of the project: a reader finds all of them in
one place, and each of them.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import coordsidecar.core
from coordsidecar.core.election.moves import Aims
from coordsidecar.core.election.phases import Elector
from coordsidecar.core.guard.moves import Plan
from coordsidecar.core.timing import Timing

CORE = Path(coordsidecar.core.__file__).parent
MODULES = [path for path in sorted(CORE.rglob("*.py")) if "__all__" in path.read_text()]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_a_module_names_all_that_it_offers(path: Path) -> None:
    named: list[str] = []
    offered: set[str] = set()
    for statement in ast.parse(path.read_text()).body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                offered.add(name)
            case ast.Assign(targets=[ast.Name("__all__")], value=value):
                named = ast.literal_eval(value)
            case ast.Assign(targets=[ast.Name(name)]):
                offered.add(name)
            case _:
                pass

    offered.discard("Step")  # A shorthand, of each module for itself.
    assert set(named) == {name for name in offered if not name.startswith("_")}
    assert len(named) == len(set(named))


@pytest.mark.parametrize("kind", [Aims, Elector, Plan, Timing])
def test_what_has_many_fields_takes_none_by_its_place(kind: type) -> None:
    """Two times in the wrong order are a fault that no type tells."""
    values = [1.0] * len(kind.__annotations__)

    with pytest.raises(TypeError, match="positional"):
        kind(*values)
