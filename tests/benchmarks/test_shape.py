"""The shape of a tree is counted as its conventions say."""

import importlib.util
import json
import subprocess
import sys

import pytest

from checkout import ROOT

SCRIPT = ROOT / "benchmarks" / "shape.py"


@pytest.fixture(scope="module")
def shape():
    spec = importlib.util.spec_from_file_location("shape", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path):
    """Four modules in a chain, one of them with helpers; tests and benchmarks, which do not count."""
    files = {
        "a.py": "from aullava.room.b import used\n\n\nclass A:\n    pass\n",
        "room/__init__.py": "",
        "room/b.py": "from aullava.room import c\n\n\ndef used():\n    return _once() + _twice() + _twice()  # why\n\n\n"
        "def _once():\n    return c.ONE\n\n\ndef _twice():\n    return 2\n",
        "room/c.py": "import aullava.d\n\nONE = aullava.d.ONE\n",
        "d.py": "ONE = 1\n",
        "tests/test_a.py": "def test_it():\n    pass\n",
        "benchmarks/a.py": "def main():\n    pass\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_counted(shape, tree):
    figures, behind = shape.measure(tree)
    assert figures["files"] == 5 and figures["functions"] == 3
    assert figures["names_per_1000_lines"] == pytest.approx(
        1000 * 4 / figures["lines"], abs=0.05
    )  # a class, three functions
    assert figures["single_use_share"] == pytest.approx(1 / 3, abs=5e-4)  # _once
    assert behind["chain"] == ["aullava.a", "aullava.room.b", "aullava.room.c", "aullava.d"]
    assert figures["longest_import_chain"] == 4 and figures["import_cycles"] == 0
    assert figures["comments_per_100_lines"] == pytest.approx(100 / 6, abs=0.05)


def test_a_cycle_and_a_basename_in_many_folders(shape, tree):
    (tree / "d.py").write_text("import aullava.a\n\nONE = 1\n")
    for folder in ("one", "two", "three"):
        (tree / folder).mkdir()
        (tree / folder / "card.py").write_text("")
    figures, behind = shape.measure(tree)
    assert behind["cycles"] == [["aullava.a", "aullava.d", "aullava.room.b", "aullava.room.c"]]
    assert figures["most_of_a_basename"] == 3 and behind["repeated"] == ["card.py 3"]


def test_this_tree_has_no_cycle_and_the_last_line_is_json():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["import_cycles"] == 0 and figures["files"] > 200
