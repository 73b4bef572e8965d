"""What README's quick start says, and how tests follow it: in processes of their own, with a Hub on loopback."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradio_client import Client

from checkout import ROOT

README = ROOT / "README.md"
REPO, SPACE = "me/au-llava", "me/au-llava-space"
_SECTION = README.read_text().split("\n## Quick start\n")[1].split("\n## ")[0].replace("ORG/NAME", REPO)
_BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", _SECTION, re.MULTILINE | re.DOTALL)
_LINES = [line for language, text in _BLOCKS if language == "bash" for line in text.splitlines()]
COMMANDS = [words for line in _LINES if (words := shlex.split(line, comments=True))]
[READING] = [text for language, text in _BLOCKS if language == "python"]  # of the picture `face`
# What makes the training of COMMANDS two steps.
SHORTER = ["--faces", "4", "--per_device_train_batch_size", "2", "--validation_faces", "2"]
SHORTER += ["--eval_on_start", "false", "--eval_strategy", "no"]

# What makes its calibration and its evaluation seconds; they come last, so they win.
FEWER = {"calibrate": ["--limit", "24"], "evaluate": ["--limit", "24", "--checks", "2", "--draws", "20"]}

HF = "import sys; from huggingface_hub.cli.hf import main; sys.argv[0] = 'hf'; main()"
# Before READING, in a stranger's process: the package cannot be imported, and nobody answers questions.
STRANGER = """
import builtins, json, sys

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aullava":
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, NoPackage())
def asked(*text):
    raise AssertionError(f"prompted: {text}")
builtins.input = asked
"""


def run(command: list, folder: Path, environment: dict[str, str] | None = None) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def download(hub, token: str | None, folder: Path, *words: str) -> Path:
    """What `hf download` fetches with a cache of its own."""
    command = [sys.executable, "-I", "-c", HF, "download", *words, "--local-dir", "files"]
    run(command, folder, hub.environment(token, folder / "cache"))
    return folder / "files"


@contextmanager
def served(command: list, folder: Path, environment: dict[str, str]) -> Iterator[Client]:
    """A client of the web page that a command serves, until the end of `with`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    with subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | environment | place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as app:
        try:
            for _ in range(300):
                assert app.poll() is None, app.stdout.read().decode()[-4000:]
                with socket.socket() as knock:
                    if knock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(1)
            yield Client(f"http://127.0.0.1:{port}/", verbose=False)
        finally:
            app.terminate()
