"""`aullava space`, and the option of `aullava release` that it replaces."""

import pytest

from aullava.cli import main


def test_the_verb_and_the_old_option_write_the_same_folder_and_only_the_option_warns(tmp_path, capsys):
    assert main(["space", str(tmp_path / "new"), "--repo", "me/faces"]) == 0
    printed = capsys.readouterr()
    assert "requirements.txt" in printed.out and not printed.err
    assert main(["release", "--space", str(tmp_path / "old"), "--space-repo", "me/faces"]) == 0
    said = capsys.readouterr().err
    assert (
        f"warning: aullava release --space will be removed in the next version: use aullava space {tmp_path}" in said
    )
    names = [sorted(path.name for path in (tmp_path / folder).iterdir()) for folder in ("new", "old")]
    assert names[0] == names[1] and {"app.py", "README.md", "requirements.txt"} < set(names[0])
    requirements = [(tmp_path / folder / "requirements.txt").read_text() for folder in ("new", "old")]
    assert requirements[0] == requirements[1] and "/spaces/me/faces/" in requirements[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["space", "full"], "aullava space: error: full holds mine.txt"),
        (["space", "new", "--repo", "nope"], "--repo nope: expected ORG/NAME"),
        (
            ["release", "--space", "new", "--public"],
            "aullava release: error: --space writes a Space and no checkpoint",
        ),
        (["release", "--space-repo", "me/faces"], "run aullava space FOLDER --repo ORG/NAME"),
        (["release"], "aullava space FOLDER"),
    ],
)
def test_bad_usage_writes_nothing(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine.txt"]
