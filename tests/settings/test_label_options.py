"""Labels: how they are written, and what is refused."""

from __future__ import annotations

import pytest

from coordsidecar.settings.label_options import read_labels
from coordsidecar.settings.settings import build_settings
from coordsidecar.settings.sources import UsageError


def test_labels_are_pairs_and_the_last_of_a_name_counts() -> None:
    assert read_labels("zone=a, rack=3,zone=b") == (("zone", "b"), ("rack", "3"))
    assert read_labels("example.com/tier=") == (("example.com/tier", ""),)
    assert read_labels("q=a=b") == (("q", "a=b"),)


@pytest.mark.parametrize(
    "text", ["", "zone", "=a", "zone=a,", "-a=b", "a b=c", "a=\x1b[31m", "a=" + "x" * 64, "é=a"]
)
def test_what_is_no_label_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="--label") as refused:
        build_settings(flags={"label": text}, command=("true",), environ={})

    assert "\n" not in str(refused.value)


def test_sixteen_are_kept_and_no_more() -> None:
    sixteen = ",".join(f"k{n}=v" for n in range(16))

    assert len(read_labels(sixteen)) == 16
    with pytest.raises(ValueError, match="17 labels"):
        read_labels(sixteen + ",k16=v")


def test_they_are_found_in_the_environment_too() -> None:
    found = build_settings(
        flags={"store": "local:/tmp"}, command=("true",), environ={"COORDSIDECAR_LABEL": "zone=a"}
    )

    assert found.label == (("zone", "a"),)
