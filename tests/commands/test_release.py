"""`aullava release` as a whole: what is refused before anything is written, what is written, what an upload answers."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from aullava.checkpoint.layout import INDEX, RESULTS, WEIGHTS, embedded_checkpoint, is_release_file
from aullava.checkpoint.load import load_checkpoint
from aullava.commands.errors import UsageError
from aullava.commands.release import ReleaseRequest, release
from aullava.hub import shards

from loopback_hub import LoopbackHub
from tiny import make_tiny_checkpoint

RIGHT = "our agreement of 2026-01-31 allows public weights"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("whole") / "tiny")


@pytest.fixture
def checkpoint(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "training" / "tiny")


@pytest.fixture
def hub(monkeypatch):
    with LoopbackHub() as hub:
        hub.connect(monkeypatch)
        yield hub


def told(corpus: str) -> str:
    return json.dumps({"data": {"corpora": [{"corpus": corpus}]}, "settings": {}})


def test_a_release_is_written_and_what_is_left_is_told(checkpoint, tmp_path, capsys):
    (checkpoint / "training_args.bin").write_bytes(b"a pickle")
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0
    printed = capsys.readouterr().out
    assert "modeling_aullava.py" in printed and f"left behind in {checkpoint}: training_args.bin" in printed
    assert all(is_release_file(path.name) for path in (tmp_path / "hub").iterdir())


def test_the_picture_that_the_card_reads_is_there_and_can_be_read(tmp_path):
    assert release(ReleaseRequest(tmp_path / "hub", embedded_checkpoint())) == 0
    assert 'recognize("face.png"' in (tmp_path / "hub" / "README.md").read_text()
    model, processor = load_checkpoint(tmp_path / "hub", "cpu")
    [reading] = model.recognize(tmp_path / "hub" / "face.png", processor=processor, protocol="disfa")
    assert reading.values["AU1"] >= 2 and reading.values["AU12"] >= 1 and reading.values["AU26"] == 0


def test_a_release_in_small_files_is_replaced_by_one_in_a_single_file_here_and_there(hub, checkpoint, tmp_path):
    for size, name, gone in (("50KB", INDEX, WEIGHTS), ("5GB", WEIGHTS, INDEX)):
        assert release(ReleaseRequest(tmp_path / "hub", checkpoint, max_shard_size=size, push="me/au-llava")) == 0
        assert (tmp_path / "hub" / name).is_file() and not (tmp_path / "hub" / gone).exists()
        repo = hub.repos["models", "me/au-llava"]
        there = {path: data for path, data in repo.files.items() if path != ".gitattributes"}
        assert there == {
            path.name: path.read_bytes() for path in (tmp_path / "hub").iterdir()
        }  # no shard stays behind
    assert len(repo.commits) == 3  # the first is the Hub's own


@pytest.mark.parametrize("earlier", [False, True])
def test_a_disk_that_is_full_leaves_what_was_there(earlier, checkpoint, tmp_path, monkeypatch):
    if earlier:
        assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    written = []

    def full(tensors, path, metadata):
        if len(written) == 2:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        written.append(path)
        save_file(tensors, path, metadata=metadata)

    monkeypatch.setattr(shards, "save_file", full)
    with pytest.raises(UsageError, match="No space left on device"):
        release(ReleaseRequest(tmp_path / "hub", checkpoint, max_shard_size="50KB"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_changelog_of_the_weights_goes_along(checkpoint, tmp_path, capsys):
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0
    assert "no CHANGELOG.md: the checkpoint has none" in capsys.readouterr().out
    (checkpoint / "CHANGELOG.md").write_text("# Changelog\n\n## 2\n- Reads AU26 better.\n")
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0
    assert (tmp_path / "hub" / "CHANGELOG.md").read_bytes() == (checkpoint / "CHANGELOG.md").read_bytes()
    assert "CHANGELOG" not in capsys.readouterr().out.replace("CHANGELOG.md, LICENSE", "")


@pytest.mark.parametrize("name", ["notes/secret.txt", f"{RESULTS}.bak", ".eval_results/more/results.yaml"])
def test_a_release_with_something_else_in_a_folder_is_not_replaced(name, checkpoint, tmp_path):
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0
    (tmp_path / "hub" / name).parent.mkdir(parents=True)
    (tmp_path / "hub" / name).write_text("mine")
    with pytest.raises(UsageError, match=f"holds {'/'.join(name.split('/')[:2]) if '.eval' in name else 'notes'}"):
        release(ReleaseRequest(tmp_path / "hub", checkpoint))
    assert (tmp_path / "hub" / name).read_text() == "mine"


def test_folders_of_a_checkpoint_stay_behind(checkpoint, tmp_path, capsys):
    for name in ("checkpoint-2/model.safetensors", ".eval_results/other.yaml", ".eval_results/deep/training_args.bin"):
        (checkpoint / name).parent.mkdir(exist_ok=True)
        (checkpoint / name).write_bytes(b"a pickle")
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0
    assert all(path.is_file() and is_release_file(path.name) for path in (tmp_path / "hub").iterdir())
    assert "left behind in" in (said := capsys.readouterr().out)
    assert ": .eval_results/deep, .eval_results/other.yaml, checkpoint-2\n" in said


def test_links_of_the_hubs_cache_are_followed_and_others_are_not(checkpoint, tmp_path):
    cached = tmp_path / "models--me--tiny"
    shutil.copytree(checkpoint, cached / "blobs")
    (cached / "snapshots" / "a1").mkdir(parents=True)
    for path in (cached / "blobs").iterdir():
        (cached / "snapshots" / "a1" / path.name).symlink_to(f"../../blobs/{path.name}")
    assert release(ReleaseRequest(tmp_path / "hub", cached / "snapshots" / "a1")) == 0
    assert not any(path.is_symlink() for path in (tmp_path / "hub").iterdir())
    (tmp_path / "private.yaml").write_text("mine: true")
    for target, said in (
        (tmp_path / "private.yaml", "config.yaml is a link that leads out of the checkpoint"),
        (tmp_path / "gone", "config.yaml is a folder, or a link that leads nowhere"),
        (tmp_path / "hub", "config.yaml is a folder, or a link that leads nowhere"),
    ):
        (checkpoint / "config.yaml").unlink(missing_ok=True)
        (checkpoint / "config.yaml").symlink_to(target)
        with pytest.raises(UsageError, match=said):
            release(ReleaseRequest(tmp_path / "out", checkpoint))
    assert not (tmp_path / "out").exists()


def nan(checkpoint: Path) -> None:
    held = load_file(checkpoint / WEIGHTS)
    held["lm_head.weight"][0, 0] = torch.nan
    save_file(held, checkpoint / WEIGHTS, metadata={"format": "pt"})


def unwhole(checkpoint: Path) -> None:
    held = load_file(checkpoint / WEIGHTS)
    del held["lm_head.weight"]
    save_file(held, checkpoint / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (nan, "NaN or infinite"),
        (unwhole, "no weights for lm_head.weight"),
        (lambda folder: (folder / "README.md").write_text("hf_" + "x" * 30), "looks like a secret"),
        (lambda folder: (folder / "config.yaml").write_text("data: /" + "home/ann/disfa"), "an absolute path"),
        (lambda folder: (folder / "CHANGELOG.md").write_text("read from /" + "mnt/ann"), "CHANGELOG.md, line 1"),
        (lambda folder: (folder / "training.json").write_text(told("mystery")), "licence is not known"),
        (
            lambda folder: (folder / WEIGHTS).write_bytes(b"\x04" + bytes(7) + b"[{}]"),
            "model.safetensors is cut off or damaged",
        ),
        (lambda folder: (folder / WEIGHTS).rename(folder / "pytorch_model.bin"), "lacks model.safetensors"),
    ],
)
def test_what_must_not_go_out_is_refused_and_nothing_is_written(harm, said, checkpoint, tmp_path):
    harm(checkpoint)
    with pytest.raises(UsageError, match=said):
        release(ReleaseRequest(tmp_path / "hub", checkpoint))
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "README.md", "../model-00001-of-00001.safetensors"])
def test_an_index_that_names_something_else_than_shards_is_refused(name, checkpoint, tmp_path):
    (checkpoint / WEIGHTS).rename(checkpoint / name)
    (checkpoint / INDEX).write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))
    with pytest.raises(UsageError, match=f"names {name}: expected files such as"):
        release(ReleaseRequest(tmp_path / "hub", checkpoint))


def test_adapters_that_are_not_ours_are_refused(tmp_path):
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="has no model_config.json: expected a folder of adapters that train_sft.py"):
        release(ReleaseRequest(tmp_path / "hub", tmp_path / "adapters"))
    (tmp_path / "private.md").write_text("mine")
    (tmp_path / "adapters" / "CHANGELOG.md").symlink_to(tmp_path / "private.md")
    with pytest.raises(UsageError, match="CHANGELOG.md is a link that leads out of the checkpoint"):
        release(ReleaseRequest(tmp_path / "hub", tmp_path / "adapters"))
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"public": True}, "--public only applies to an upload"),
        ({"revision": "v2"}, "--revision only applies to an upload"),
        ({"right": RIGHT}, "--i-hold-the-right only applies to an upload"),
        ({"push": "au-llava"}, "expected ORG/NAME"),
        ({"push": ""}, "--push is empty"),
        ({"push": "me/au-llava", "revision": ""}, "--revision is empty"),
        ({"max_shard_size": "5"}, "--max-shard-size 5"),
        ({"base": "llava"}, "--base llava: .* holds no adapters"),
        ({"benchmark": (("me/faces", "task", "level.mae"),)}, "--benchmark says .* add --evaluation"),
    ],
)
def test_contradictions_are_refused(arguments, said, checkpoint, tmp_path):
    with pytest.raises(UsageError, match=said):
        release(ReleaseRequest(tmp_path / "hub", checkpoint, **arguments))
    assert not (tmp_path / "hub").exists()


def test_an_upload_is_told_with_the_commit_to_pin_and_the_card_names_the_repo(hub, checkpoint, tmp_path, capsys):
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint, push="me/au-llava")) == 0
    repo = hub.repos["models", "me/au-llava"]
    assert f'(private); load exactly this with revision="{repo.branches["main"]}"' in capsys.readouterr().out
    assert repo.files["README.md"] == (tmp_path / "hub" / "README.md").read_bytes()
    assert b'AutoModel.from_pretrained("me/au-llava"' in repo.files["README.md"]
    # the same folder may be released again under another name: its card is still the one we write
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint, push="me/other")) == 0
    assert b'"me/other"' in hub.repos["models", "me/other"].files["README.md"]
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint)) == 0


def test_licensed_weights_go_public_with_a_statement_that_the_commit_keeps(hub, checkpoint, tmp_path):
    (checkpoint / "training.json").write_text(told("disfa"))
    request = ReleaseRequest(tmp_path / "hub", checkpoint, push="me/au-llava", public=True)
    with pytest.raises(UsageError, match="--i-hold-the-right is missing"):
        release(request)
    assert not hub.repos and not (tmp_path / "hub").exists()
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint, push="me/au-llava", public=True, right=RIGHT)) == 0
    repo = hub.repos["models", "me/au-llava"]
    assert not repo.private and repo.messages[repo.branches["main"]] == {
        "summary": "aullava release",
        "description": RIGHT,
    }


def test_a_hub_that_fails_is_told_in_one_line_and_the_folder_is_there(hub, checkpoint, tmp_path, capsys):
    hub.refuse("POST", "/commit/", 403)
    assert release(ReleaseRequest(tmp_path / "hub", checkpoint, push="me/au-llava")) == 1
    said = capsys.readouterr().err
    assert "written, but not uploaded: me/au-llava: " in said and "Traceback" not in said
    assert (tmp_path / "hub" / WEIGHTS).is_file()
    assert set(hub.repos["models", "me/au-llava"].files) == {".gitattributes"}


def test_the_embedded_checkpoint_may_be_seen_by_all(hub, tmp_path):
    assert release(ReleaseRequest(tmp_path / "hub", embedded_checkpoint(), push="me/tiny", public=True)) == 0
    assert not hub.repos["models", "me/tiny"].private
