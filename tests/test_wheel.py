"""The wheel, built from this checkout and unpacked elsewhere: all the code, the embedded checkpoint, nothing else."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

from checkout import PACKAGE, ROOT, files, modules

CHECKPOINT = "checkpoints/au-llava-tiny/"
FROZEN = "dataset_builder/frozen/"  # folds and published counts
PUBLISHED = "evaluation/published.json"  # figures of papers
STYLE = "space/style.css"
# Run in a process where neither the checkout nor an editable install can supply a module.
ISOLATED = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
sys.path[:] = [entry for entry in sys.path if "__editable__" not in entry]
sys.path.insert(0, sys.argv.pop(1))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    # A copy, because setuptools leaves build folders behind, and would pick up stale ones in a checkout.
    source = tmp_path_factory.mktemp("source")
    for name in files():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    out = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def run_isolated(site: Path, code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-P", "-c", ISOLATED + code, str(site), *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ, capture_output=True, text=True)


def test_it_holds_every_module_and_the_embedded_checkpoint_and_nothing_else(wheel):
    expected = {str(path.relative_to(ROOT)) for path in modules().values()} | {"LICENSE"}
    expected |= {
        name
        for name in files()
        if name.startswith((CHECKPOINT, FROZEN, PUBLISHED, STYLE)) and not name.endswith(".py")
    }
    inside = {PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()}
    packed = {str(path.relative_to(PACKAGE)) for path in inside if path.parts[0] == PACKAGE}
    assert sorted(packed) == sorted(expected)
    assert {path.parts[0] for path in inside} == {PACKAGE, f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}


def test_it_declares_the_command_and_the_licence(site):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [info] = site.glob("*.dist-info")
    metadata = Parser().parsestr((info / "METADATA").read_text())
    assert (metadata["Name"], metadata["Version"]) == (project["name"], project["version"])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "aullava = aullava.cli:main" in (info / "entry_points.txt").read_text()


def test_every_module_imports_without_the_checkout(site, tmp_path):
    code = """
import importlib
for name in sys.argv[1:]:
    module = importlib.import_module(f"aullava.{name}")
    assert module.__file__.startswith(sys.path[0]), module.__file__
"""
    done = run_isolated(site, code, *modules(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_installed_command_reads_a_face(site, tmp_path):
    code = """
from PIL import Image
from aullava.cli import main
from aullava.dataset_builder.corpora.procedural import sample_face
Image.fromarray(sample_face("test", 0).image_HWC).save("face.png")
sys.exit(main(["recognize", "face.png", "--faces", "none", "--out", "readings.csv"]))
"""
    done = run_isolated(site, code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    header, row = (tmp_path / "readings.csv").read_text().splitlines()
    assert row.startswith("face.png,") and len(row.split(",")) == len(header.split(","))
