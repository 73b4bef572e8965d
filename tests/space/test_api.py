"""The named endpoints, called over HTTP as a program calls them."""

import csv
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import cv2
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.cli import main
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.dataset_builder.synthetic.drawn.film import write_film
from aullava.space.tab_batch import MOST_FILES

ENDPOINTS = {"/read_face", "/read_batch", "/read_video", "/draw_face", "/protocols"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three drawn faces as files; the second one is two faces."""
    folder = tmp_path_factory.mktemp("pictures")
    faces = [sample_face("test", index, size=200).image_HWC for index in range(4)]
    images = (faces[0], np.hstack([faces[1], faces[2]]), faces[3])
    for number, image_HWC in enumerate(images):
        Image.fromarray(image_HWC).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def read(client, path, **options):
    return client.predict(picture=handle_file(str(path)), api_name="/read_face", **options)


def cli_csv(pictures, out, *options):
    assert main(["recognize", *map(str, pictures), "--out", str(out), *options]) == 0
    return out.read_text()


def test_the_endpoints_are_those_and_tell_what_they_take(client):
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(described) == ENDPOINTS
    for name in ENDPOINTS:
        assert described[name]["description"]
    assert [p["parameter_name"] for p in described["/read_face"]["parameters"]] == [
        "picture",
        "units",
        "scale",
        "mode",
        "faces",
    ]
    for name in ("/read_face", "/read_video"):
        assert all(p["parameter_has_default"] for p in described[name]["parameters"][1:])


def test_assistants_find_the_same_endpoints(page):
    """By the Model Context Protocol, where its package is there."""
    pytest.importorskip("mcp")
    tools = {tool["name"]: tool for tool in httpx.get(f"{page}gradio_api/mcp/schema").json()}
    assert set(tools) == {name.strip("/") for name in ENDPOINTS}
    takes = tools["read_video"]["inputSchema"]
    assert set(takes["properties"]) == {"video", "units", "scale", "mode", "faces", "fps"}
    assert "first 300 frames" in takes["properties"]["video"]["description"]
    assert takes["properties"]["fps"]["type"] == "number"


@pytest.mark.parametrize("mode", ["joint", "parallel"])
@pytest.mark.parametrize("units", ["disfa", "feafa"])
def test_the_same_numbers_as_the_command_line(client, pictures, tmp_path, units, mode):
    text = cli_csv(pictures[1:2], tmp_path / "cli.csv", "--protocol", units, "--mode", mode)
    rows = list(csv.DictReader(io.StringIO(text)))
    faces = read(client, pictures[1], units=units, mode=mode)["faces"]
    assert len(faces) == len(rows) == 2
    protocol = PROTOCOLS[units]
    for face, row in zip(faces, rows, strict=True):
        assert face["box"] == [int(row[f"box_{name}"]) for name in "xywh"]
        assert face["values"] == {code: float(row[protocol.column(code)]) for code in protocol.units}
        if units == "disfa":
            found = [face["probabilities"][code] for code in protocol.units]
            assert found == pytest.approx(
                [float(row[protocol.column(code, "p")]) for code in protocol.units], abs=2e-4
            )


def test_a_batch_gives_the_table_of_the_command_line(client, pictures, tmp_path):
    text = cli_csv(pictures, tmp_path / "cli.csv", "--batch-size", "1")
    answer = client.predict(pictures=[handle_file(str(p)) for p in pictures], api_name="/read_batch")
    assert answer["failures"] == []
    ours, theirs = (list(csv.DictReader(io.StringIO(t))) for t in (answer["csv"], text))
    assert [row["input"] for row in ours] == ["0.png", "1.png", "1.png", "2.png"]
    for mine, row in zip(ours, theirs, strict=True):
        assert mine.keys() == row.keys()
        assert {k: v for k, v in mine.items() if k[-2:] == "_r" or "box" in k} == {
            k: v for k, v in row.items() if k[-2:] == "_r" or "box" in k
        }


def test_a_video_gives_the_table_of_the_command_line_plots_and_a_film(client, tmp_path):
    film, _ = write_film(tmp_path / "film", seconds=1, rate=4, people=1, size=(320, 240))
    text = cli_csv([film], tmp_path / "cli.csv", "--fps", "2", "--batch-size", "32", "--mode", "parallel")
    told, table, plots, overlay = client.predict(
        video=handle_file(str(film)), mode="parallel", fps=2, api_name="/read_video"
    )
    ours, theirs = (list(csv.DictReader(io.StringIO(t))) for t in (Path(table).read_text(), text))
    assert [row["frame"] for row in ours] == ["0", "2"]
    assert [row | {"input": str(film)} for row in ours] == theirs
    assert {key: told[key] for key in ("frames", "faces", "complete", "fault")} == {
        "frames": 2, "faces": 1, "complete": True, "fault": "",
    }  # fmt: skip
    assert list(told["units"]) == list(PROTOCOLS["disfa"].units)
    assert [Image.open(path).width > 600 for path in plots] == [True]
    left = Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*.html")  # nobody was given one, so that none would be deleted
    assert list(left) == []
    assert cv2.VideoCapture(overlay).get(cv2.CAP_PROP_FRAME_WIDTH) > 320  # bars beside it


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"", {}, "film.mp4"),
        (b"\0" * 2000, {}, "film.mp4"),
        (b"film", {"fps": None}, "fps None"),
        (b"film", {"fps": 0}, "frames a second"),
    ],
)
def test_what_is_no_video_is_named_without_a_trace(client, tmp_path, content, options, expected):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(AppError, match=expected) as told:
        client.predict(video=handle_file(str(tmp_path / "film.mp4")), api_name="/read_video", **options)
    assert "Traceback" not in str(told.value)
    assert str(tmp_path.parent.parent) not in str(told.value)


def test_a_drawn_face_is_drawn_as_asked_and_read_as_drawn(client):
    answer = client.predict(actions="AU12L=1 AU12R=1", person=3, api_name="/draw_face")
    rest = client.predict(actions="", person=3, api_name="/draw_face")
    with urlopen(answer["image"]) as image:
        assert Image.open(image).size == (96, 96)
    assert answer["drawn"]["AU12"] == 5
    assert sum(answer["drawn"].values()) == 5
    assert answer["read"]["values"]["AU12"] >= 4
    assert rest["read"]["values"]["AU12"] == 0


def test_a_list_of_units_on_any_scale(client, pictures):
    answer = read(client, pictures[0], units="au1, AU12", scale="continuous", faces="none")
    [face] = answer["faces"]
    assert list(face["values"]) == ["AU1", "AU12"]
    assert face["text"].startswith("AU1=")
    assert answer["scale"] == "continuous"
    assert face["box"] == [0, 0, 200, 200]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"I am no picture", "cannot be decoded"), (b"", "empty"), (b"<svg onload='alert(1)'/>", "cannot be decoded")],
)
def test_what_is_no_picture_is_named_without_a_trace(client, tmp_path, content, expected):
    (tmp_path / "face.png").write_bytes(content)
    with pytest.raises(AppError, match=expected) as told:
        read(client, tmp_path / "face.png")
    assert "face.png" in str(told.value)
    assert "Traceback" not in str(told.value)
    assert str(tmp_path.parent.parent) not in str(told.value)  # no path of the server


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"units": "<script>alert(1)</script>"}, "unknown protocol"),
        ({"units": ""}, "unknown protocol"),
        ({"units": "AU12,AU12"}, "AU12"),
        ({"units": "AU1," * 500}, "unknown protocol|AU1"),
        ({"scale": "loud"}, "scale"),
        ({"mode": "generate"}, "mode"),
        ({"faces": "yunet:somebody/weights"}, "faces"),
    ],
)
def test_wrong_choices_are_told_as_text(client, pictures, options, expected):
    with pytest.raises(AppError, match=expected) as told:
        read(client, pictures[0], **options)
    assert "<script" not in str(told.value)


@pytest.mark.parametrize(
    ("actions", "person", "expected"),
    [
        ("AU99=1", 0, "unknown action"),
        ("AU25=7", 0, "from 0 to 1"),
        ("AU25=much", 0, "could not convert"),
        ("AU25", 0, "AU12L=0.8"),
        ("<b>=1", 0, "unknown action"),
        ("", 1000, "person"),
        ("", 10**400, "person"),
    ],
)
def test_what_cannot_be_drawn_is_told(client, actions, person, expected):
    with pytest.raises(AppError, match=expected):
        client.predict(actions=actions, person=person, api_name="/draw_face")


def test_units_that_are_not_drawn_are_refused(client):
    with pytest.raises(AppError, match="cannot show AU11"):
        client.predict(actions="", units="AU11", api_name="/draw_face")


def test_no_face_and_many_faces(client, tmp_path, pictures):
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "wall.png")
    assert read(client, tmp_path / "wall.png")["faces"] == []
    tile_HWC = np.asarray(Image.open(pictures[0]).resize((120, 120)))
    Image.fromarray(np.tile(tile_HWC, (4, 5, 1))).save(tmp_path / "crowd.png")
    assert len(read(client, tmp_path / "crowd.png", mode="parallel")["faces"]) == 20


def test_bad_files_end_no_batch_and_too_many_are_refused(client, pictures, tmp_path):
    (tmp_path / "bad.jpg").write_text("no")
    files = [handle_file(str(path)) for path in (pictures[0], tmp_path / "bad.jpg", pictures[2])]
    answer = client.predict(pictures=files, api_name="/read_batch")
    assert len(answer["failures"]) == 1
    assert answer["failures"][0].startswith("bad.jpg:")
    assert answer["csv"].count("\n") == 3
    with pytest.raises(AppError, match=f"1 to {MOST_FILES}"):
        client.predict(pictures=[], api_name="/read_batch")


def test_twenty_clients_at_once_all_get_an_answer(page, pictures):
    def visit(_):
        return len(read(Client(page, verbose=False), pictures[0], mode="parallel")["faces"])

    with ThreadPoolExecutor(20) as visitors:
        assert list(visitors.map(visit, range(20))) == [1] * 20


def test_a_crowd_is_told_that_the_page_is_busy(client):
    jobs = [client.submit(actions="", mode="joint", api_name="/draw_face") for _ in range(70)]
    failures = [str(job.exception()) for job in jobs if job.exception()]
    assert len(failures) < 30
    assert all("queue is full" in failure.lower() for failure in failures)


def test_a_file_of_the_server_cannot_be_asked_for(page, tmp_path):
    """By hand, since the client would upload the file."""
    Image.fromarray(sample_face("test", 0).image_HWC).save(tmp_path / "secret.png")
    file = {"path": str(tmp_path / "secret.png"), "meta": {"_type": "gradio.FileData"}}
    call = f"{page}gradio_api/call/read_face"
    event = httpx.post(call, json={"data": [file, "disfa", "as published", "joint", "none"]}).json()["event_id"]
    answer = httpx.get(f"{call}/{event}", timeout=60).text
    assert answer.startswith("event: error")
    assert "values" not in answer


@pytest.mark.parametrize(
    ("endpoint", "sent", "expected"),
    [
        ("/read_face", "face.png", "picture: expected a file"),
        ("/read_batch", "face.png", "pictures: expected a list"),
        ("/read_video", 5, "video: expected a file"),
    ],
)
def test_what_is_sent_in_the_place_of_a_file_is_told_and_not_logged(client, endpoint, sent, expected, capfd):
    with pytest.raises(AppError, match=expected):
        client.predict(sent, api_name=endpoint)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_nothing_is_logged_of_what_was_read(client, tmp_path, capfd):
    (tmp_path / "somebody.png").write_text("no picture")
    with pytest.raises(AppError):
        read(client, tmp_path / "somebody.png")
    out, err = capfd.readouterr()
    assert "somebody" not in out + err
    assert "Traceback" not in out + err
