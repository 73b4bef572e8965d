"""Which corpora there are, and readers that are defined elsewhere."""

import pytest

from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.corpora.registry import READERS, reader_class, register
from aullava.dataset_builder.errors import CorpusError

from checkout import ROOT


@pytest.fixture
def mine(monkeypatch):
    monkeypatch.setattr("aullava.dataset_builder.corpora.registry.READERS", dict(READERS))

    class Mine(CorpusReader):
        name, title, request, anchors = "mine", "My faces", "me", ("labels.csv",)
        subjects = read = label_files = None

    return Mine


def test_every_module_of_the_folder_is_a_corpus_whose_reader_has_its_name():
    places = [path for path in (ROOT / "dataset_builder" / "corpora").iterdir() if path.name[0] not in "_."]
    assert set(READERS) == {path.stem for path in places} - {"formats", "reader", "registry"}
    assert {"disfa", "table", "procedural"} <= set(READERS)
    for name in READERS:
        assert reader_class(name).name == name and issubclass(reader_class(name), CorpusReader)


def test_a_reader_from_elsewhere_is_known_once_it_is_registered(mine):
    with pytest.raises(CorpusError, match="unknown corpus 'mine'"):
        reader_class("mine")
    assert register(mine) is mine is register(mine) is reader_class("mine")


@pytest.mark.parametrize("name", ["disfa", "mine"])
def test_a_name_that_is_taken_is_refused(name, mine):
    register(mine)
    other = type("Other", (mine,), {"name": name})
    with pytest.raises(CorpusError, match=f"there is a corpus '{name}' already: give Other another name"):
        register(other)
    assert reader_class(name) is not other
