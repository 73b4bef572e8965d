"""The sdist of this checkout, and the wheel built from it, elsewhere: all the code, the embedded checkpoint, nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest
from gradio_client import handle_file

from checkout import PACKAGE, ROOT, files, modules
from loopback_hub import LoopbackHub
from quick_start import READING, REPO, SHORTER, STRANGER, run, served
from trees import disfa

CHECKPOINT = "checkpoints/au-llava-tiny/"
FROZEN = "dataset_builder/rows/frozen/"  # folds and published counts
PUBLISHED = "evaluation/published.json"  # figures of papers
STYLE = "space/style.css"
TEMPLATES = ("checkpoint/templates/", "dataset_builder/publish/templates/")  # of cards
# Run in a process where neither the checkout nor an editable install can supply a module.
ISOLATED = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
sys.path[:] = [entry for entry in sys.path if "__editable__" not in entry]
sys.path.insert(0, sys.argv.pop(1))
"""
PIP = [sys.executable, "-m", "pip"]
NOTHING_ELSE = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    # In a copy, because setuptools leaves build folders behind, and would pick up stale ones in a checkout.
    source = tmp_path_factory.mktemp("source")
    for name in files():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    out = tmp_path_factory.mktemp("sdist")
    run([sys.executable, "-c", f"from setuptools.build_meta import build_sdist; build_sdist({str(out)!r})"], source)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run([*PIP, "wheel", *NOTHING_ELSE, "--wheel-dir", out, sdist], out)
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
        if name.startswith((CHECKPOINT, FROZEN, PUBLISHED, STYLE, *TEMPLATES)) and not name.endswith(".py")
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
from aullava.dataset_builder.synthetic.drawn import sample_face
Image.fromarray(sample_face("test", 0).image_HWC).save("face.png")
sys.exit(main(["recognize", "face.png", "--faces", "none", "--out", "readings.csv"]))
"""
    done = run_isolated(site, code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    header, row = (tmp_path / "readings.csv").read_text().splitlines()
    assert row.startswith("face.png,") and len(row.split(",")) == len(header.split(","))


def test_the_python_of_the_readme_runs_on_the_wheel(site, tmp_path):
    """Its blocks in their order, on a shorter film and a DISFA of a few frames. The quick start is followed by the slow test."""
    python = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(python) == 4 and "hf_hub_download" in python[0]
    disfa.make(tmp_path / "DISFA")
    film = 'from aullava.cli import main\nassert main(["faces", "film/", "--film", "--seconds", "1"]) == 0\n'
    from_wheel = "assert sys.modules['aullava.cli'].__file__.startswith(sys.path[0])\n"
    done = run_isolated(site, film + "exec(sys.argv[1])\n" + from_wheel, "\n".join(python[1:]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "drawn: {" in done.stdout and "12 rows of 12 labelled frames" in done.stdout


def install(archive: Path, folder: Path) -> Path:
    """The Python of a new environment that holds the archive; of the libraries here it only knows where they lie."""
    run([sys.executable, "-m", "venv", "--without-pip", folder], folder.parent)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    Path(run([python, "-c", where], folder).strip(), "libraries.pth").write_text(sysconfig.get_path("purelib"))
    run([*PIP, "--python", python, "install", *NOTHING_ELSE, "--ignore-installed", archive], folder)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_installed_alone_it_trains_releases_and_serves_what_a_stranger_reads(kind, wheel, sdist, tmp_path):
    python = install({"wheel": wheel, "sdist": sdist}[kind], tmp_path / "venv")
    where = "from aullava.checkpoint.layout import embedded_checkpoint; print(embedded_checkpoint())"
    embedded = Path(run([python, "-c", where], tmp_path).strip())
    assert embedded.is_relative_to(tmp_path / "venv")
    (tmp_path / "checkpoints").symlink_to(embedded.parent)
    home = tmp_path / "stranger"
    home.mkdir()
    (home / "user.py").write_text(STRANGER + READING + "print(json.dumps([face, vars(reading)]))")
    train = [python, "-m", "aullava.train_sft", "--config", ROOT / "configs" / "quick_start.yaml", *SHORTER]
    adapters = "outputs/quick_start/adapters"
    release = [python.with_name("aullava"), "release", "my-release", "--checkpoint", adapters, "--push", REPO]
    with LoopbackHub() as hub:
        mine = hub.environment("hf_me", tmp_path / "cache")
        run(train, tmp_path)
        run(release, tmp_path, mine)
        told = run([sys.executable, "-I", "user.py"], home, hub.environment("hf_me", home / "cache"))
        face, reading = json.loads(told.splitlines()[-1])
        with served([python, "-m", "aullava.space.app"], tmp_path, mine | {"AULLAVA_CHECKPOINT": REPO}) as page:
            answer = page.predict(handle_file(face), units="disfa", faces="none", api_name="/read_face")
    [seen] = answer["faces"]
    assert reading["status"] == "ok"
    assert all(seen[part] == reading[part] for part in ("values", "text", "status"))
