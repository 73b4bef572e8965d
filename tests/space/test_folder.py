"""The folder of a Space, copied elsewhere: it starts from its own wheel."""

import os
import socket
import subprocess
import sys
import time
import zipfile

import pytest
from gradio_client import Client

from aullava.space.folder import write_space

from checkout import ROOT

# In a process where neither the checkout nor an editable install can supply a module.
ISOLATED = """
import runpy, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
sys.path[:] = [sys.argv[1]] + [entry for entry in sys.path if "__editable__" not in entry]
import aullava.action_units as found
assert found.__file__.startswith(sys.argv[1]), found.__file__
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "space"
    write_space(folder)
    return folder


def test_it_holds_what_a_space_needs(space):
    [wheel] = space.glob("*.whl")
    assert sorted(path.name for path in space.iterdir()) == sorted(
        ["README.md", "app.py", "requirements.txt", wheel.name]
    )
    assert (space / "requirements.txt").read_text() == f"./{wheel.name}[space]\n"
    assert (space / "app.py").read_bytes() == (ROOT / "space" / "app.py").read_bytes()
    names = zipfile.ZipFile(wheel).namelist()
    assert {"aullava/space/style.css", "aullava/space/tab_draw.py"} <= set(names)


def test_on_the_hub_the_wheel_has_an_address(tmp_path, space):
    write_space(tmp_path / "space", "somebody/reads-faces")
    [line] = (tmp_path / "space" / "requirements.txt").read_text().splitlines()
    [wheel] = space.glob("*.whl")
    assert line.startswith("au-llava[space] @ https://")
    assert line.endswith(f"/spaces/somebody/reads-faces/resolve/main/{wheel.name}")


def test_it_starts_where_it_was_copied_and_answers(space, tmp_path):
    [wheel] = space.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    command = [sys.executable, "-P", "-c", ISOLATED, str(tmp_path / "site")]
    with subprocess.Popen(
        command, cwd=space, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as app:
        try:
            answer = ask(f"http://127.0.0.1:{port}/", port, app)
        finally:
            app.terminate()
    assert answer["drawn"]["AU12"] == 5
    assert answer["read"]["status"] == "ok"


def ask(address, port, app, patience=180):
    """The answer of the page, as soon as it can be called."""
    for _ in range(patience):
        assert app.poll() is None, app.stdout.read().decode()
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(1)
    return Client(address, verbose=False).predict(actions="AU12L=1", api_name="/draw_face")


def test_a_full_folder_and_code_without_a_clone_are_refused(tmp_path):
    (tmp_path / "old.txt").touch()
    with pytest.raises(FileExistsError, match="old.txt"):
        write_space(tmp_path)
    with pytest.raises(ValueError, match="pyproject.toml"):
        write_space(tmp_path / "new", root=tmp_path)
