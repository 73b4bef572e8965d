"""Secrets and places of a machine are found in texts, and ordinary words are not taken for them."""

import json

import pytest

from aullava.hub.secrets import check_texts

PLACE = "/" + "home/x"


@pytest.mark.parametrize(
    "text",
    [
        "token: hf_" + "a" * 30,
        "AKIA" + "A" * 16,
        "-----BEGIN RSA PRIVATE KEY-----",
        "https://me:secret@example.org/x",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text, tmp_path):
    (tmp_path / "config.json").write_text(f"{{\n{text}")
    with pytest.raises(ValueError, match="config.json, line 2: .* looks like a secret") as refused:
        check_texts(tmp_path, ["config.json"])
    assert text not in str(refused.value)


@pytest.mark.parametrize("place", ["home/ann/disfa", "root/x", "mnt/data/y", "scratch/a"])
def test_a_place_of_a_machine_is_refused_and_shown(place, tmp_path):
    place = f"/{place}"  # joined here: no file of the project may hold such a place
    (tmp_path / "README.md").write_text(f"# card\n\nread from `{place}`, as said")
    with pytest.raises(ValueError, match="README.md, line 3") as refused:
        check_texts(tmp_path, ["README.md"])
    assert place in str(refused.value)


def test_a_place_on_windows_is_refused(tmp_path):
    (tmp_path / "training.json").write_text(json.dumps({"data": "C:" + "\\Users\\ann"}))
    with pytest.raises(ValueError, match="training.json, line 1: C:.* is an absolute path"):
        check_texts(tmp_path, ["training.json"])


def test_ordinary_texts_and_vocabularies_pass(tmp_path):
    said = "</s> and/or 1/2, path/of/this/folder, https://host/home/x, /v1/systemone, ~/data/x, hf_hub, C: yes"
    (tmp_path / "README.md").write_text(said)
    (tmp_path / "tokenizer.json").write_text(json.dumps({PLACE: 1}))
    (tmp_path / "model.safetensors").write_bytes(b"\xff" + PLACE.encode())
    check_texts(tmp_path, ["README.md", "tokenizer.json", "model.safetensors"])


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "README.md").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match="README.md is not UTF-8 text"):
        check_texts(tmp_path, ["README.md"])
