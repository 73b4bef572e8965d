"""Rows and Spaces on the same Hub: `aullava build --push` makes a dataset that loads by its name, a Space comes back whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from aullava.cli import main

from loopback_hub import LoopbackHub

HF = "from huggingface_hub.cli.hf import main; main()"
READER = """
import json
from datasets import load_dataset

rows = load_dataset("me/rows")
seen = {split: [len(part), type(part.features["image"]).__name__, *part[0]["image"].size] for split, part in rows.items()}
print(json.dumps(seen))
"""


def stranger(hub: LoopbackHub, folder: Path, code: str, *arguments: str) -> str:
    """What a program prints in a process and with a cache of its own."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        cwd=folder,
        env=os.environ | hub.environment("hf_me", folder / "cache"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def hub(monkeypatch):
    with LoopbackHub() as hub:
        hub.connect(monkeypatch)
        yield hub


def test_built_rows_are_loaded_by_their_name_elsewhere(hub, tmp_path):
    options = [f"--option={option}" for option in ("count=4", "draw_size=32")]
    built = ["build", "--corpus", "procedural", "--out", str(tmp_path / "rows"), *options, "--push", "me/rows"]
    assert main(built) == 0
    files = hub.repos["datasets", "me/rows"].files
    assert {"README.md", "manifest.json"} < files.keys() and any(name.endswith(".parquet") for name in files)
    seen = json.loads(stranger(hub, tmp_path, READER).splitlines()[-1])
    assert sum(count for count, *_ in seen.values()) == 4
    assert {tuple(picture) for _, *picture in seen.values()} == {("Image", 32, 32)}


def test_a_space_is_made_and_downloaded_whole(hub, tmp_path):
    (tmp_path / "space").mkdir()
    card = "---\ntitle: Action units\nsdk: gradio\napp_file: app.py\n---\n"
    for name, text in (("README.md", card), ("app.py", "import gradio"), ("requirements.txt", "gradio")):
        (tmp_path / "space" / name).write_text(text)
    api = HfApi()
    api.create_repo("me/space", repo_type="space", space_sdk="gradio", private=True)
    api.upload_folder(repo_id="me/space", repo_type="space", folder_path=tmp_path / "space")
    stranger(hub, tmp_path, HF, "download", "me/space", "--repo-type", "space", "--local-dir", "files")
    for path in (tmp_path / "space").iterdir():
        assert (tmp_path / "files" / path.name).read_bytes() == path.read_bytes()
