"""Too large, cut off, hostile, too many, too old: what the page refuses, what it leaves on the disk, and that its memory stays."""

import importlib
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
import httpx
import pytest
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.dataset_builder.synthetic.drawn.film import write_film
from aullava.space.app import SESSIONS, build_demo, launch_options
from aullava.space.asking import told_to_visitor
from aullava.space.results import folder_of_results
from aullava.space.tab_read import examples

from checkout import ROOT

MEGABYTE = 2**20
HOSTILE = (
    "../../evil.png",
    "..\\..\\evil.png",
    "a\nb.png",
    "\0.png",
    "<script>alert(1)</script>.png",
    "ü" * 300 + ".png",
)


def part(name):
    """A module of benchmarks/, whose scripts import one another by their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def served(recognizer, tmp_path_factory):
    """A page of its own, its address, and the folder of its uploads."""
    uploads = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        demo = build_demo(recognizer)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
        yield demo, url, uploads
        demo.close()


@pytest.fixture
def page(served):
    return served[1]


@pytest.fixture
def uploads(served):
    return served[2]


@pytest.fixture(scope="module")
def client(served):
    return Client(served[1], verbose=False)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(sample_face("test", 7, size=200).image_HWC).save(path)
    return path


def files_in(folder):
    return {path for path in Path(folder).rglob("*") if path.is_file()}


def test_a_file_of_100_megabytes_is_refused_and_leaves_nothing(page, uploads, client, tmp_path):
    large = tmp_path / "large.png"
    with open(large, "wb") as file:
        file.truncate(100 * MEGABYTE)
    before = files_in(uploads)
    with pytest.raises(ValueError, match="exceeds the maximum file size"):
        client.predict(picture=handle_file(str(large)), api_name="/read_face")
    with open(large, "rb") as file:  # by hand, since the client does not even send it
        sent = httpx.post(f"{page}gradio_api/upload", files={"files": ("face.png", file)}, timeout=120)
    assert sent.status_code == 413
    assert sent.text == f"File size exceeded maximum allowed size of {50 * MEGABYTE} bytes."
    assert files_in(uploads) == before


def test_hostile_names_stay_among_the_uploads_and_are_read(page, uploads, client, picture):
    for name in HOSTILE:
        sent = httpx.post(f"{page}gradio_api/upload", files={"files": (name, picture.read_bytes())}, timeout=60)
        [path] = map(Path, sent.raise_for_status().json())
        assert path.resolve().is_relative_to(uploads.resolve()), name
        file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        assert client.predict(picture=file, faces="none", mode="parallel", api_name="/read_face")["faces"], name


def test_the_sweep_deletes_what_was_uploaded_made_or_broken_off(served, client, picture, tmp_path):
    """`delete_cache` calls this function with its age every few minutes; here nothing is too young."""
    demo, page, uploads = served
    film, _ = write_film(tmp_path / "film", seconds=0.4, rate=5, people=1)
    picture, film = handle_file(str(picture)), handle_file(str(film))
    client.predict(picture=picture, mode="parallel", api_name="/read_face")
    client.predict(pictures=[picture, picture], mode="parallel", api_name="/read_batch")
    client.predict(video=film, mode="parallel", api_name="/read_video")
    (folder_of_results() / "half.csv").touch()
    break_off_an_upload(page, uploads)
    assert len(files_in(uploads)) >= 5
    delete_files_created_by_app(demo, 0)
    assert {path.name for path in files_in(uploads)} <= {Path(path).name for path in examples()}


def break_off_an_upload(page, uploads):
    """Announce ten megabytes, send one, and go."""
    place, before = urlsplit(page), files_in(uploads)
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {10 * MEGABYTE}\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="face.png"\r\n\r\n'
    )
    with socket.create_connection((place.hostname, place.port)) as visitor:
        visitor.sendall(head.encode() + bytes(MEGABYTE))
        ends = time.monotonic() + 60
        while files_in(uploads) == before and time.monotonic() < ends:
            time.sleep(0.05)
    assert files_in(uploads) > before


@pytest.mark.parametrize("given", ["abc", "inf", [1], {"a": 1}])
def test_what_is_no_number_is_told(client, given, capfd):
    with pytest.raises(AppError, match=r"person .*: expected a number"):
        client.predict(actions="", person=given, api_name="/draw_face")
    assert "Traceback" not in capfd.readouterr().err


def test_faults_of_the_system_do_not_tell_where_its_files_lie(tmp_path):
    film = str(tmp_path / "a.mp4")
    for error in (OSError(28, "No space left on device", film), FileNotFoundError(f"{film}: no such file")):
        with pytest.raises(gr.Error) as told, told_to_visitor():
            raise error
        assert "cannot be read or written" in told.value.message and "a.mp4" not in told.value.message


def test_long_lists_are_read_whole_or_refused_in_few_words(client):
    every = ",".join(PROTOCOLS["feafa"].units)
    assert len(client.predict(actions="", units=every, api_name="/draw_face")["drawn"]) == len(
        PROTOCOLS["feafa"].units
    )
    for units in ("A" * 10_000, "A" * 1500):
        with pytest.raises(AppError, match="expected") as told:
            client.predict(actions="", units=units, api_name="/draw_face")
        assert len(str(told.value)) < 600


def test_of_many_visitors_few_are_remembered(served):
    """Each takes a third of a megabyte, and who asks through the API never says goodbye."""
    demo, url, _ = served
    for visitor in range(SESSIONS + 5):
        asked = {"data": [], "session_hash": f"visitor{visitor}"}
        httpx.post(f"{url}gradio_api/run/protocols", json=asked).raise_for_status()
    assert len(demo.state_holder.session_data) == SESSIONS


@pytest.mark.slow
def test_memory_stays_over_500_requests(tmp_path):
    space = part("space")
    pictures = space.draw_pictures(tmp_path)
    with part("parts.space_server").Server(tmp_path) as server:
        space.memory_growth(server, pictures, 250)  # until the memory pools of all threads are filled
        assert space.memory_growth(server, pictures, 500) <= 1.05
        assert "Traceback" not in server.said()
