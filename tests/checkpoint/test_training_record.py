"""training.json is found where a checkpoint lies, and its absence is told from damage."""

import pytest

from aullava.checkpoint.training_record import training_record


def test_of_a_folder(tmp_path):
    assert training_record(tmp_path) is None
    (tmp_path / "training.json").write_text('{"data": {"corpora": []}}')
    assert training_record(tmp_path) == training_record(str(tmp_path)) == {"data": {"corpora": []}}


@pytest.mark.parametrize("text, said", [("{", "is damaged"), ("[]", "holds a list")])
def test_a_damaged_file_is_refused(text, said, tmp_path):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(ValueError, match=f"training.json of .* {said}"):
        training_record(tmp_path)


@pytest.mark.parametrize("name", ["me/never-downloaded", "no/such/folder"])
def test_offline_and_absent_is_none(name):
    assert training_record(name) is None
