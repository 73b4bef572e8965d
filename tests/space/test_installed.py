"""The folder of a Space as a Space takes it: its requirements in an empty environment, its program started there and asked.

Tests use no network, so this one wants every wheel in a folder. In a folder that `aullava space` wrote:
    python -m pip download --dest WHEELS -r requirements.txt
    AULLAVA_WHEELHOUSE=WHEELS python -m pytest -m slow CLONE/tests/space/test_installed.py
"""

import importlib
import os
import subprocess
import sys

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from aullava.cli import main
from aullava.dataset_builder.synthetic.drawn import sample_face

from checkout import ROOT

WHEELHOUSE = os.path.abspath(named) if (named := os.environ.get("AULLAVA_WHEELHOUSE")) else ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not WHEELHOUSE, reason="AULLAVA_WHEELHOUSE names no folder of wheels, and tests use no network"
    ),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of the environment, and the folder of the Space."""
    folder = tmp_path_factory.mktemp("here")
    assert main(["space", str(folder / "space")]) == 0
    space = (folder / "space").rename(tmp_path_factory.mktemp("else where") / "space")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "empty")], check=True)
    python = folder / "empty" / "bin" / "python"
    options = ["--quiet", "--no-compile", "--no-index", "--find-links", WHEELHOUSE, "-r", "requirements.txt"]
    done = subprocess.run([python, "-m", "pip", "install", *options], cwd=space, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return python, space


def test_it_starts_and_answers_with_its_requirements_alone(installed, tmp_path, monkeypatch):
    python, space = installed
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    server = importlib.import_module("parts.space_server")
    face = sample_face("test", 7, size=96)
    Image.fromarray(face.image_HWC).save(tmp_path / "face.png")
    with server.Server(tmp_path, (str(python), "app.py"), cwd=space) as page:
        client = Client(page.address, verbose=False)
        answer = client.predict(picture=handle_file(str(tmp_path / "face.png")), faces="none", api_name="/read_face")
        drawn = client.predict(actions="AU12L=1 AU12R=1", api_name="/draw_face")
    assert [face["status"] for face in answer["faces"]] == ["ok"]
    assert drawn["drawn"]["AU12"] == 5 and drawn["read"]["values"]["AU12"] >= 4
    assert server.TRACE not in page.said()


def test_it_runs_the_wheel_and_nothing_of_this_checkout(installed):
    python, space = installed
    where = "import aullava.space.app as app, torch; print(app.__file__)"
    done = subprocess.run([python, "-c", where], cwd=space, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(python.parents[1]))
