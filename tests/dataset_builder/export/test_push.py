"""Uploads: who is refused before and after asking the Hub, and what a Hub that listens on this machine is asked."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from aullava.dataset_builder.export.push import PushRefused, check_right

from trees.bp4d import make

LICENSED = SimpleNamespace(licensed=True, title="BP4D", request="a web page")
DRAWN = SimpleNamespace(licensed=False, title="Drawn faces", request="(nobody)")
OWN = SimpleNamespace(licensed=True, title="A table of your own", request="(your own data)")
RIGHT = "our agreement of 2026-01-31 allows a private copy"


@pytest.mark.parametrize("right", ["", "   ", "yes", "I do." + " " * 40, "." * 40, "1234567890 1234567890"])
def test_a_licensed_corpus_needs_a_statement(right):
    with pytest.raises(PushRefused, match="must not be passed on"):
        check_right(LICENSED, "lab/rows", right)
    with pytest.raises(PushRefused, match="known to you alone.*--i-hold-the-right"):
        check_right(OWN, "lab/rows", right)


def test_a_statement_or_a_corpus_of_nobody_is_enough():
    check_right(LICENSED, "lab/rows", RIGHT)
    check_right(DRAWN, "lab/rows", "")


@pytest.mark.parametrize("repo", ["rows", "a/b/c", "lab/../rows", "lab/rows row", "/rows", "lab/"])
def test_a_name_that_is_none_is_refused(repo):
    with pytest.raises(PushRefused, match="expected ORG/NAME"):
        check_right(DRAWN, repo, "")


@pytest.fixture
def hub():
    """A Hub on this machine that has the repo already, public, and writes down what it is asked."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.path, json.loads(body)))
            self.answer({"url": "http://127.0.0.1/datasets/lab/rows", "name": "lab/rows", "id": "1"})

        def do_GET(self):
            asked.append((self.path, None))
            siblings = [{"rfilename": name} for name in (".gitattributes", "README.md", "data/theirs.parquet")]
            self.answer({"id": "lab/rows", "private": False, "tags": [], "siblings": siblings, "sha": "0" * 40})

        def answer(self, content):
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_a_permitted_upload_asks_for_a_private_repo_and_stops_at_a_public_one(hub, tmp_path):
    address, asked = hub
    tree, out = make(tmp_path / "BP4D"), tmp_path / "rows"
    command = [sys.executable, "-m", "aullava.cli", "build", "--corpus", "bp4d", "--data-dir", tree, "--out", out]
    done = subprocess.run(
        [*command, "--push", "lab/rows", "--i-hold-the-right", RIGHT],
        env=os.environ | {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_none"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "built, but not uploaded" in done.stderr and "the repo is there and public" in done.stderr
    path, body = asked[0]
    assert path == "/api/repos/create" and body["visibility"] == "private" and body["type"] == "dataset"
    assert [body for path, body in asked[1:] if body is not None] == []  # nothing was sent
    assert (
        RIGHT in (out / "README.md").read_text() and json.loads((out / "manifest.json").read_text())["right"] == RIGHT
    )


def test_a_repo_that_holds_another_dataset_is_not_replaced(hub, tmp_path):
    """Even drawn faces, which may be public, would remove its data/*.parquet and its card."""
    address, asked = hub
    command = [sys.executable, "-m", "aullava.cli", "build", "--corpus", "procedural", "--out", tmp_path / "rows"]
    done = subprocess.run(
        [*command, "--option", "count=2", "--option", "draw_size=32", "--push", "lab/rows"],
        env=os.environ | {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_none"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "holds another dataset (data/theirs.parquet)" in done.stderr
    assert [path for path, body in asked if body is not None] == ["/api/repos/create"]
