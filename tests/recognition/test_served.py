"""A real `transformers serve` with the released embedded checkpoint, asked by our client: the answers of mode generate."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS, resolve_protocol
from aullava.dataset_builder.corpora.procedural import sample_face
from aullava.recognition.load import load_checkpoint
from aullava.recognition.served import ServedModel
from aullava.release import assemble, embedded_checkpoint

ASKED = [PROTOCOLS["disfa"], resolve_protocol("AU1,AU12")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return assemble(embedded_checkpoint(), tmp_path_factory.mktemp("release") / "au-llava-tiny")


@pytest.fixture(scope="module")
def server(folder):
    """Address of the API. The checkpoint is served as stock LLaVA: no code of ours runs there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--host", "127.0.0.1", "--port", port]
    command += ["--device", "cpu", "--dtype", "float32"]
    log = folder.parent / "serve.log"
    with open(log, "w") as file:
        running = subprocess.Popen([str(word) for word in command], stdout=file, stderr=file, env=os.environ)
    try:
        for _ in range(600):
            if running.poll() is not None:
                raise AssertionError(log.read_text())
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait(20)


def test_a_served_checkpoint_reads_what_generate_reads(server, folder):
    faces = [Image.fromarray(sample_face("test", index).image_HWC) for index in range(3)]
    found = ServedModel(server, folder).recognize_many(faces, None, ASKED, "generate")
    model, processor = load_checkpoint(folder, "cpu")
    expected = model.recognize_many(faces, processor, ASKED, "generate")
    assert found == expected
    assert {reading.status for readings in found for reading in readings.values()} <= {"ok", "repaired"}
    assert len({readings["disfa"].text for readings in found}) == 3  # or a mix-up of faces would not show


def test_what_a_server_cannot_do_is_said(server, folder, tmp_path):
    face = [Image.fromarray(sample_face("test", 0).image_HWC)]
    with pytest.raises(ValueError, match="expected generate"):
        ServedModel(server, folder).recognize_many(face, None, ASKED, "joint")
    with pytest.raises(ValueError, match="no config.json"):
        ServedModel(server, tmp_path)
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="no server answers"):
            ServedModel(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", folder)
    nameless = ServedModel(server, folder)
    nameless.name = "nobody/nothing"
    with pytest.raises(ConnectionError, match="did not answer about model nobody/nothing"):
        nameless.recognize_many(face, None, ASKED, "generate")
