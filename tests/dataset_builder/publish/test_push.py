"""Uploads: who is refused before and after asking the Hub, and rows that go up in one commit or not at all."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from aullava.cli import main
from aullava.common.upload import PushError, PushRefused
from aullava.dataset_builder.publish.push import check_right, push

from loopback_hub import LoopbackHub, Repo
from trees.bp4d import make

LICENSED = SimpleNamespace(licensed=True, title="BP4D", request="a web page")
DRAWN = SimpleNamespace(licensed=False, title="Drawn faces", request="(nobody)")
OWN = SimpleNamespace(licensed=True, title="A table of your own", request="(your own data)")
ROWS = "me/rows"
RIGHT = "our agreement of 2026-01-31 allows a private copy"
READER = """
import json, sys
from datasets import load_dataset
from huggingface_hub.errors import RepositoryNotFoundError

report = []
for revision in ("main", sys.argv[1]):
    rows = load_dataset("me/rows", revision=revision)
    pictures = [row["image"].size for part in rows.values() for row in part]
    report.append([{type(part.features["image"]).__name__ for part in rows.values()}.pop(), pictures])
try:
    load_dataset("me/rows", token=False, cache_dir="empty")
except RepositoryNotFoundError as error:
    report.append(str(error))
print(json.dumps(report))
"""


@pytest.mark.parametrize("right", ["", "  \n"])
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
def hub(monkeypatch):
    with LoopbackHub() as hub:
        hub.connect(monkeypatch)
        yield hub


def give(hub: LoopbackHub, private: bool) -> dict[str, bytes]:
    """A repo that holds somebody's dataset."""
    files = {".gitattributes": b"", "README.md": b"theirs", "data/theirs.parquet": b"theirs"}
    hub.repos["datasets", ROWS] = Repo(private)
    hub.repos["datasets", ROWS].commit("main", files)
    return files


def write_out(folder: Path, content: str, *shards: str) -> SimpleNamespace:
    """What `push` needs of a folder that was built."""
    (folder / "data").mkdir(exist_ok=True)
    for name in ("README.md", "manifest.json", *(f"data/{shard}.parquet" for shard in shards)):
        (folder / name).write_text(f"---\n---\n{content} {name}")
    return SimpleNamespace(path=folder)


def on_hub(hub: LoopbackHub) -> dict[str, str]:
    files = hub.repos["datasets", ROWS].files
    return {name: data.decode() for name, data in files.items() if name != ".gitattributes"}


def test_a_permitted_upload_goes_to_a_private_repo_and_not_to_a_public_one(hub, tmp_path, capsys):
    tree, out = make(tmp_path / "BP4D"), tmp_path / "rows"
    built = ["build", "--corpus", "bp4d", "--data-dir", str(tree), "--out", str(out), "--i-hold-the-right", RIGHT]
    assert main([*built, "--push", ROWS]) == 0
    assert hub.repos["datasets", ROWS].private
    assert {"README.md", "manifest.json"} < hub.repos["datasets", ROWS].files.keys()
    assert RIGHT in (out / "README.md").read_text()
    assert json.loads((out / "manifest.json").read_text())["right"] == RIGHT
    before = give(hub, private=False)
    assert main([*built, "--push", ROWS]) == 1
    said = capsys.readouterr().err
    assert "built, but not uploaded" in said and "the repo is there and public" in said
    assert hub.repos["datasets", ROWS].files == before


def test_a_repo_that_holds_another_dataset_is_not_replaced(hub, tmp_path):
    """Even drawn faces, which may be public, would remove its data/*.parquet and its card."""
    before = give(hub, private=True)
    with pytest.raises(PushRefused, match=r"holds another dataset \(data/theirs.parquet\)"):
        push(write_out(tmp_path, "ours", "F001"), DRAWN, ROWS, ["F001"])
    assert hub.repos["datasets", ROWS].files == before


def test_a_second_build_takes_the_place_of_the_first_and_of_nothing_else(hub, tmp_path):
    push(write_out(tmp_path, "first", "F001", "F002"), DRAWN, ROWS, ["F001", "F002"])
    repo = hub.repos["datasets", ROWS]
    repo.commit("main", repo.files | {"notes.md": b"mine"})
    push(write_out(tmp_path, "second", "F002", "M001"), DRAWN, ROWS, ["F002", "M001"])
    names = {"README.md", "manifest.json", "data/F002.parquet", "data/M001.parquet"}
    assert on_hub(hub) == {name: f"---\n---\nsecond {name}" for name in names} | {"notes.md": "mine"}
    assert len(repo.commits) == 4  # the Hub's own, the first, the note, the second


@pytest.mark.parametrize(("method", "path"), [("PUT", "/lfs/"), ("POST", "/commit/"), ("POST", "/preupload/")])
def test_an_upload_that_breaks_leaves_the_rows_as_they_were_and_goes_through_again(method, path, hub, tmp_path):
    push(write_out(tmp_path, "first", "F001"), DRAWN, ROWS, ["F001"])
    before = on_hub(hub)
    out = write_out(tmp_path, "second", "F002", "F003")
    hub.refuse(method, path, 403)
    with pytest.raises(PushError, match=f"{ROWS}: .*refused for this test"):
        push(out, DRAWN, ROWS, ["F002", "F003"])
    assert on_hub(hub) == before
    push(out, DRAWN, ROWS, ["F002", "F003"])
    assert on_hub(hub).keys() == {"README.md", "manifest.json", "data/F002.parquet", "data/F003.parquet"}


def test_built_rows_are_loaded_by_their_name_elsewhere_with_the_token_and_by_revision(hub, tmp_path, capsys):
    commits = []
    for count in (4, 3):
        options = ["--option", f"count={count}", "--option", "draw_size=32", "--out", str(tmp_path / f"rows{count}")]
        assert main(["build", "--corpus", "procedural", *options, "--push", ROWS]) == 0
        commits += re.findall('revision="(.*)"', capsys.readouterr().err)
    hub.repos["datasets", ROWS].private = True
    done = subprocess.run(
        [sys.executable, "-I", "-c", READER, commits[0]],
        cwd=tmp_path,
        env=os.environ | hub.environment("hf_me", tmp_path / "cache"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    latest, pinned, without_token = json.loads(done.stdout.splitlines()[-1])
    assert latest == ["Image", [[32, 32]] * 3] and pinned == ["Image", [[32, 32]] * 4]
    assert without_token.startswith("401")
