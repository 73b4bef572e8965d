"""Uploads: exactly the folder, in one commit or none, and never over something else."""

from pathlib import Path

import pytest

from aullava.checkpoint.layout import is_release_file
from aullava.common import upload as module
from aullava.common.upload import PushError, PushRefused, check_name
from aullava.hub.push import push

from loopback_hub import LoopbackHub

REPO = "me/au-llava"
CARD = "---\nlicense: apache-2.0\n---\n# card\n"
MODEL = {"README.md": CARD, "config.json": "{}", "model.safetensors": "first weights"}
RELEASE = MODEL | {"modeling_aullava.py": ""}


@pytest.fixture
def hub(monkeypatch):
    with LoopbackHub() as hub:
        hub.connect(monkeypatch)
        yield hub


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, text in RELEASE.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def on_hub(hub: LoopbackHub, revision: str = "main") -> dict[str, bytes]:
    repo = hub.repos["models", REPO]
    files = repo.commits[repo.resolve(revision)]
    return {path: data for path, data in files.items() if path != ".gitattributes"}


def commits(hub: LoopbackHub) -> int:
    return sum(method == "POST" and "/commit/" in path for method, path in hub.asked)


def test_the_repo_holds_the_folder_after_one_commit_and_is_private(hub, folder):
    done = push(folder, REPO, is_release_file)
    assert on_hub(hub) == contents(folder) and commits(hub) == 1
    assert hub.repos["models", REPO].private and done.private
    assert done.url == f"{hub.address}/{REPO}"
    assert on_hub(hub, done.commit) == contents(folder)


def test_a_second_push_replaces_all_and_sends_only_what_changed(hub, folder):
    first = push(folder, REPO, is_release_file)
    (folder / "config.json").unlink()
    (folder / "generation_config.json").write_text("{}")
    hub.asked.clear()
    second = push(folder, REPO, is_release_file)
    assert on_hub(hub) == contents(folder)
    assert not [path for method, path in hub.asked if method == "PUT"]  # the weights are there
    assert "config.json" in on_hub(hub, first.commit) and first.commit != second.commit


def test_a_public_repo_needs_the_word(hub, folder):
    assert not push(folder, REPO, is_release_file, public=True).private
    before = on_hub(hub)
    (folder / "model.safetensors").write_text("other weights")
    with pytest.raises(PushRefused, match="is there and public: add --public"):
        push(folder, REPO, is_release_file)
    assert on_hub(hub) == before
    push(folder, REPO, is_release_file, public=True)
    assert on_hub(hub) == contents(folder)


def test_a_private_repo_stays_private(hub, folder):
    push(folder, REPO, is_release_file)
    assert push(folder, REPO, is_release_file, public=True).private


def test_a_repo_of_something_else_is_left_alone(hub, folder):
    push(folder, REPO, is_release_file)
    repo = hub.repos["models", REPO]
    repo.commit("main", repo.files | {"pytorch_model.bin": b"theirs"})
    with pytest.raises(PushRefused, match=r"not of a release \(pytorch_model.bin\)"):
        push(folder, REPO, is_release_file)
    assert repo.files["pytorch_model.bin"] == b"theirs"


def test_a_model_of_other_code_is_left_alone_and_a_new_page_is_not(hub, folder):
    push(folder, REPO, is_release_file)
    repo = hub.repos["models", REPO]
    repo.commit("main", {name: text.encode() for name, text in MODEL.items()})
    with pytest.raises(PushRefused, match=r"not a release of AU-LLaVA \(README.md, config.json, model.safetensors\)"):
        push(folder, REPO, is_release_file)
    assert "modeling_aullava.py" not in repo.files
    repo.commit("main", {"README.md": b"made on the Hub's page"})
    push(folder, REPO, is_release_file)
    assert on_hub(hub) == contents(folder)


def test_what_others_measured_and_a_changelog_written_there_stay(hub, folder):
    push(folder, REPO, is_release_file)
    repo = hub.repos["models", REPO]
    theirs = {".eval_results/lab.yaml": b"theirs", "CHANGELOG.md": b"by hand"}
    repo.commit("main", repo.files | theirs | {".eval_results/aullava.yaml": b"of earlier weights"})
    push(folder, REPO, is_release_file)
    assert on_hub(hub) == contents(folder) | theirs
    (folder / "CHANGELOG.md").write_text("of the checkpoint")
    push(folder, REPO, is_release_file)
    assert on_hub(hub)["CHANGELOG.md"] == b"of the checkpoint"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/lfs/"), ("POST", "/commit/"), ("POST", "/preupload/")])
def test_an_upload_that_breaks_leaves_the_repo_as_it_was_and_goes_through_again(method, path, hub, folder):
    push(folder, REPO, is_release_file)
    before = on_hub(hub)
    (folder / "model.safetensors").write_text("second weights")
    (folder / "config.json").write_text('{"second": 1}')
    hub.refuse(method, path, 403)
    with pytest.raises(PushError, match=f"{REPO}: .*refused for this test"):
        push(folder, REPO, is_release_file)
    assert on_hub(hub) == before
    push(folder, REPO, is_release_file)
    assert on_hub(hub) == contents(folder)


def test_a_storage_that_fails_for_a_moment_is_asked_again(hub, folder):
    hub.refuse("PUT", "/lfs/", 500)
    push(folder, REPO, is_release_file)
    assert on_hub(hub) == contents(folder)


def test_what_somebody_else_uploads_meanwhile_is_not_replaced(hub, folder, monkeypatch):
    push(folder, REPO, is_release_file)
    repo, add = hub.repos["models", REPO], module.CommitOperationAdd

    def meanwhile(*arguments):
        repo.commit("main", repo.files | {"config.json": b"theirs"})
        return add(*arguments)

    monkeypatch.setattr(module, "CommitOperationAdd", meanwhile)
    (folder / "config.json").write_text("ours")
    with pytest.raises(PushError, match="412"):
        push(folder, REPO, is_release_file)
    assert repo.files["config.json"] == b"theirs"


def test_a_branch_is_made_and_main_stays(hub, folder):
    push(folder, REPO, is_release_file)
    before = on_hub(hub)
    (folder / "model.safetensors").write_text("second weights")
    for _ in range(2):
        push(folder, REPO, is_release_file, revision="v2")
    assert on_hub(hub) == before and on_hub(hub, "v2") == contents(folder)


def test_a_stranger_is_refused(hub, folder, monkeypatch):
    push(folder, REPO, is_release_file, public=True)
    before = on_hub(hub)
    hub.connect(monkeypatch, "hf_stranger")
    (folder / "model.safetensors").write_text("second weights")
    with pytest.raises(PushError):
        push(folder, REPO, is_release_file, public=True)
    assert on_hub(hub) == before


@pytest.mark.parametrize("repo", ["au-llava", "a/b/c", "me/../b", "me/au llava", "/b", "me/"])
def test_a_name_that_is_none_is_refused(repo):
    with pytest.raises(PushRefused, match="expected ORG/NAME"):
        check_name(repo)
