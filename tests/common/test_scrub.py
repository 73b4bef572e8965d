"""Secrets and paths of this machine leave texts and commands."""

import shlex

import pytest

from aullava.common.scrub import MASK, find_path, find_secret, portable, portable_command, shorten_paths

TOKEN = "hf_" + "aBcD" * 8


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/data/big disk/DISFA", "DISFA"),
        ("--data_dirs=/data/big disk/DISFA", "--data_dirs=DISFA"),
        ('{"disfa": {"labels": "/data/x/labels"}}', '{"disfa": {"labels": "labels"}}'),
        ("read /data/a/b.csv, then /c/d", "read b.csv, then d"),
        ("data/DISFA", "data/DISFA"),
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("https://me:word@example.org/a", f"https://{MASK}@example.org/a"),
        (f"x {TOKEN}", f"x {MASK}"),
        ("0/1", "0/1"),
        ("</s>", "</s>"),
        ("a / b", "a / b"),
    ],
)
def test_places_and_secrets_leave_a_text(text, shown):
    assert portable(text) == shown


def test_places_in_the_working_folder_are_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert portable(str(tmp_path / "configs" / "a.yaml")) == "configs/a.yaml"
    assert portable(f"in {tmp_path}/outputs/x now") == "in outputs/x now"
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    monkeypatch.chdir(tmp_path / "link")
    assert portable(str(tmp_path / "link" / "a")) == "a"


def test_the_command_is_what_a_shell_would_take():
    command = [
        "/somewhere/train_sft.py",
        "--config",
        "configs/a.yaml",
        "--output_dir",
        "/data/my runs/one",
        "--run_name",
        "a b",
    ]
    shown = portable_command(command)
    assert shlex.split(shown) == ["python", "train_sft.py", *command[1:4], "one", "--run_name", "a b"]
    secret = [
        "t.py",
        "--hub_token",
        "abc",
        "--api-key=def",
        "--eos_token",
        "</s>",
        "--seed",
        "1",
        "--push_to_hub_token=ghi",
    ]
    assert portable_command(secret) == (
        f"python t.py --hub_token {MASK} --api-key={MASK} --eos_token '</s>' --seed 1 --push_to_hub_token={MASK}"
    )


@pytest.mark.parametrize("secret", [TOKEN, "AKIA" + "B" * 16, "ghp_" + "c" * 20])
def test_a_token_is_found_and_masked(secret):
    assert find_secret(f"token {secret}, and more") == secret
    assert portable(f"token {secret}, and more") == f"token {MASK}, and more"


def test_what_stands_before_the_host_of_a_link_is_masked():
    assert find_secret("https://me:word@example.org/x") == "://me:word@"
    assert portable("https://me:word@example.org/x") == f"https://{MASK}@example.org/x"


def test_a_key_is_found_and_ordinary_words_are_not():
    assert find_secret("-----BEGIN RSA PRIVATE KEY-----")
    assert find_secret("hf_hub, sk-learn, https://example.org/a@b") is None


def test_places_are_shortened_and_links_and_fractions_are_not():
    place = "/" + "home/ann/disfa"  # joined here: no file of the project may hold such a place
    assert find_path(f"read from {place}, twice") == place
    assert shorten_paths(f"read from {place}, twice") == "read from disfa, twice"
    plain = "1/2, and/or, https://host/home/x, path/of/this"
    assert find_path(plain) is None and shorten_paths(plain) == plain
