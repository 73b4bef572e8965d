"""A real `transformers serve` with the released embedded checkpoint, as docs/serving.md starts it: our client, and what that page
tells other clients."""

import base64
import io
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from openai import OpenAI, UnprocessableEntityError
from PIL import Image

from aullava.action_units import OCCURRENCE, PROTOCOLS, Protocol, resolve_protocol
from aullava.checkpoint.layout import assemble, embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.cli import main
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.recognition.served import ServedModel

from checkout import ROOT

PAGE = (ROOT / "docs" / "serving.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
[SERVE, _, PRINT_REGEX] = [text for language, text in BLOCKS if language == "bash"]
[CHAT, PROBABILITIES, HELD_TO_A_REGEX] = [text for language, text in BLOCKS if language == "python"]

ASKED = [PROTOCOLS["disfa"], resolve_protocol("AU1,AU12")]
ONE = resolve_protocol("AU12")
NAME = "my-release/"  # the folder, as the server was told it
FACES = [Image.fromarray(sample_face("test", index).image_HWC) for index in range(3)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder in which the server was started."""
    folder = tmp_path_factory.mktemp("home")
    assemble(embedded_checkpoint(), folder / NAME)
    FACES[0].resize((240, 240)).save(folder / "photo.png")
    return folder


@pytest.fixture(scope="module")
def server(home):
    """Address of the API. The checkpoint is served as stock LLaVA: no code of ours runs there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    [line] = [line for line in SERVE.splitlines() if line.startswith("transformers ")]
    command = [Path(sys.executable).with_name("transformers"), *line.replace("8000", port).split()[1:]]
    log = home / "serve.log"
    with open(log, "w") as file:
        running = subprocess.Popen([str(word) for word in command], cwd=home, stdout=file, stderr=file, env=os.environ)
    try:
        latest = time.monotonic() + 600  # seconds; a machine may be busy
        while not is_up(port):
            assert running.poll() is None and time.monotonic() < latest, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait(20)


def is_up(port: str) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def loaded(home):
    return load_checkpoint(home / NAME, "cpu")


def decide(server: str, image: Image.Image, protocol: Protocol) -> dict:
    """What /v1/systemone answers, as a reading's probabilities."""
    file = io.BytesIO()
    image.save(file, "PNG")
    face = {"type": "image", "format": "png", "data_base64": base64.b64encode(file.getvalue()).decode()}
    kind = {"type": "noul"} if protocol.scale == OCCURRENCE else {"type": "score", "criteria": list("012345")}
    asked = {
        "model": NAME,
        "state": "face",
        "assets": {"face": face},
        "questions": dict.fromkeys(protocol.units, kind),
    }
    answers = OpenAI(base_url=server, api_key="none").post("/systemone", body=asked, cast_to=object)["answers"]
    return {code: a["noul"] if "noul" in a else list(a["probabilities"].values()) for code, a in answers.items()}


@pytest.mark.parametrize("protocol", [PROTOCOLS["bp4d"], PROTOCOLS["disfa"], ONE], ids=lambda protocol: protocol.name)
def test_the_server_decides_with_the_probabilities_of_mode_parallel(server, loaded, protocol):
    model, processor = loaded
    for face in FACES[:2]:
        [reading] = model.recognize(face, processor=processor, protocol=protocol, mode="parallel")
        found = decide(server, face, protocol)
        assert list(found) == list(reading.probabilities)
        for code, probability in reading.probabilities.items():
            assert found[code] == pytest.approx(probability, abs=1e-4), code


def test_one_unit_and_the_first_of_several_are_decided_as_mode_joint_reads_them(server, loaded):
    model, processor = loaded
    for protocol in (ONE, PROTOCOLS["disfa"]):
        [joint] = model.recognize(FACES[0], processor=processor, protocol=protocol, mode="joint")
        found, first = decide(server, FACES[0], protocol), protocol.units[0]
        assert found[first] == pytest.approx(joint.probabilities[first], abs=1e-4)
    last = protocol.units[-1]  # else joint and parallel would be one and the same here
    assert found[last] != pytest.approx(joint.probabilities[last], abs=1e-3)


def test_a_served_checkpoint_reads_what_generate_reads(server, loaded):
    """Behind the tests of probabilities: what the server adds to the tokenizer for them changes nothing."""
    found = ServedModel(server, NAME).recognize_many(FACES, None, ASKED, "generate")
    model, processor = loaded
    expected = model.recognize_many(FACES, processor, ASKED, "generate")
    assert found == expected
    assert {reading.status for readings in found for reading in readings.values()} <= {"ok", "repaired"}
    assert len({readings["disfa"].text for readings in found}) == 3  # or a mix-up of faces would not show


def test_what_a_server_cannot_do_is_said(server, tmp_path):
    with pytest.raises(ValueError, match="expected generate"):
        ServedModel(server, NAME).recognize_many(FACES[:1], None, ASKED, "joint")
    with pytest.raises(ValueError, match="no config.json"):
        ServedModel(server, tmp_path)
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="no server answers"):
            ServedModel(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", NAME)
    nameless = ServedModel(server, NAME)
    nameless.name = "nobody/nothing"
    with pytest.raises(ConnectionError, match="did not answer about model nobody/nothing"):
        nameless.recognize_many(FACES[:1], None, ASKED, "generate")


def test_a_run_that_was_stopped_goes_on_with_the_same_checkpoint_only(server, home, capsys):
    """Stopped by the server, which knows the model by another name."""
    (home / "other").symlink_to(NAME)
    command = ["recognize", "photo.png", "--faces", "none", "--server", server, "--out", "readings.csv"]
    assert main([*command, "--checkpoint", "other"]) == 1
    assert "did not answer about model other" in capsys.readouterr().err
    assert main([*command, "--checkpoint", NAME, "--resume"]) == 2
    said = capsys.readouterr().err
    assert "was another one: checkpoint was 'other at" in said and f"is '{NAME} at" in said
    assert main([*command, "--checkpoint", "other", "--resume"]) == 1
    assert "another one" not in capsys.readouterr().err


def test_the_page_on_serving_runs(server, loaded, capsys):
    """Its three blocks of Python one after the other; the last is for vLLM, and here shows what the page says of this server."""
    names = {}
    exec(CHAT.replace("http://localhost:8000/v1", server), names)
    reading, protocol = names["reading"], names["protocol"]
    assert capsys.readouterr().out == f"ok {reading.values}\n"
    exec(PROBABILITIES, names)
    printed = capsys.readouterr().out
    model, processor = loaded
    crop = names["detector"].crop(names["picture"], names["largest"])
    [expected] = model.recognize(crop, processor=processor, protocol=protocol, mode="parallel")
    for code, answer in names["answers"].items():
        assert list(answer["probabilities"].values()) == pytest.approx(expected.probabilities[code], abs=1e-4)
        assert answer["score"] == pytest.approx(expected.expected[code], abs=1e-3) and f"'{code}': [" in printed
    with pytest.raises(UnprocessableEntityError) as refused:
        exec(HELD_TO_A_REGEX, names)
    assert "structured_outputs" in refused.value.response.text
    assert names["answer_regex"](protocol).count("([0-5])") == 12


def test_the_page_prints_the_regex_it_shows():
    _, *words = shlex.split(PRINT_REGEX)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    assert f"`{done.stdout.strip()}`" in PAGE
