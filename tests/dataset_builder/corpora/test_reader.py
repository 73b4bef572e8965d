"""A wrong folder: the error names what is missing, the nearest folder that is right, and where the corpus is to be had."""

import pytest

from aullava.dataset_builder.corpora.reader import CorpusReader, facs
from aullava.dataset_builder.errors import LayoutError


class Reader(CorpusReader):
    """The smallest corpus there can be."""

    name, title, request = "smallest", "the smallest corpus", "its owners"
    anchors = ("Labels/AU", "AU")
    units = {"occurrence": facs(1)}

    def subjects(self):
        return ("S1",)

    def read(self, subject):
        return iter(())

    def label_files(self, subject):
        return iter(())


def test_the_right_folder_opens_in_any_letter_case(tmp_path):
    (tmp_path / "labels" / "au").mkdir(parents=True)
    assert Reader(tmp_path).subjects() == ("S1",)
    assert Reader(str(tmp_path)).root.folder == tmp_path.resolve()


@pytest.mark.parametrize("given", [".", "download", "download/Corpus/Labels"])
def test_a_wrong_folder_names_the_nearest_right_one(tmp_path, given):
    (tmp_path / "download" / "Corpus" / "Labels" / "AU").mkdir(parents=True)
    (tmp_path / "download" / "Corpus" / "Images").mkdir()
    if given.endswith("Labels"):  # a step too deep: there is an AU in it, which is an anchor of its own
        (tmp_path / "download" / "Corpus" / "Labels" / "AU").rename(tmp_path / "download" / "Corpus" / "AU")
    with pytest.raises(LayoutError) as caught:
        Reader(tmp_path / given)
    assert f"{tmp_path / 'download' / 'Corpus'} has it" in str(caught.value)
    assert "Ask for the smallest corpus at: its owners." in str(caught.value)


def test_a_folder_without_the_corpus_anywhere_near_says_what_it_holds(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "holiday.jpg").touch()
    with pytest.raises(LayoutError, match=r"no Labels/AU or AU in it, but er, holiday\.jpg; expected .* Ask for"):
        Reader(tmp_path / "deep")


def test_no_folder_and_a_file(tmp_path):
    with pytest.raises(LayoutError, match="no such folder"):
        Reader(tmp_path / "gone")
    (tmp_path / "file.zip").touch()
    with pytest.raises(LayoutError, match="a file; expected the folder"):
        Reader(tmp_path / "file.zip")
    with pytest.raises(LayoutError, match="data_dir is empty"):
        Reader("")


def test_facs_codes():
    assert facs(1, 30, 43) == ("AU1", "AD30", "AU43")
