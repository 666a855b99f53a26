"""A look at a tree is many questions, and no two of them are asked at one time.

So at each one somebody ends, or leaves a child and ends: whoever then says that nobody is left, or
runs, has to be right.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.trees.torn import LOOKS


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_overlooked_because_somebody_ended_as_we_looked(
    look: str, tmp_path: Path
) -> None:
    """Two jobs at once, else: nothing leads to who was overlooked any more."""
    said = tmp_path / "said"  # Not a pipe: who is overlooked would hold it open.

    with said.open("wb") as out:
        words = [sys.executable, "-m", "tests.trees.torn", look]
        done = subprocess.run(words, stdout=out, stderr=out, timeout=170, check=False)

    lines = said.read_text().splitlines()
    assert done.returncode == 0, lines
    assert lines[:-1] == []
    assert int(lines[-1].removeprefix("played ")) > 100
