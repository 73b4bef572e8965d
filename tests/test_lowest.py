"""What `make test-lowest` installs is the beginning of every range in pyproject.toml."""

import re
import tomllib

import pytest

from checkout import ROOT
from lowest import lowest

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def project(*requirements: str, **extras: list[str]) -> dict:
    return {"name": "mine", "dependencies": list(requirements), "optional-dependencies": extras}


def test_every_direct_dependency_has_one():
    found = dict(line.split("==") for line in lowest(PROJECT))
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    named = {re.match(r"[\w.-]+", requirement).group() for group in groups for requirement in group}
    assert found.keys() == named - {"au-llava"}
    assert f"transformers>={found['transformers']},<6" in PROJECT["dependencies"]


def test_ranges_with_extras_and_without_an_end():
    given = project(
        "torch>=2.13,<3", train=["mine[space]", "pyyaml>=6.0.1,<7"], space=["gradio[mcp]>=6.31", "torch>=2.13,<3"]
    )
    assert lowest(given) == ["gradio==6.31", "pyyaml==6.0.1", "torch==2.13"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (project("torch"), "'torch' has no lowest version"),
        (project("torch<3"), "'torch<3' has no lowest version"),
        (project("torch>=2,<3", train=["torch>=2.1,<3"]), "torch begins at 2 in one place and at 2.1 in another"),
    ],
)
def test_refuses_ranges_that_do_not_say(given, reason):
    with pytest.raises(ValueError, match=reason):
        lowest(given)
