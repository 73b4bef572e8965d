"""What every reader keeps, on a small tree of each corpus; what is a corpus's own stands in its own file."""

import pytest

from aullava.dataset_builder.corpora.registry import open_corpus
from aullava.dataset_builder.errors import CorpusError, LayoutError

from trees.every import CORPORA, make

ON_DISK = [name for name in CORPORA if name not in ("procedural", "rendered")]


@pytest.mark.parametrize("name", ON_DISK)
def test_a_folder_that_is_not_there_is_refused(tmp_path, name):
    _, options = make(name, tmp_path)
    with pytest.raises(LayoutError, match="no such folder|nowhere"):
        open_corpus(name, tmp_path / "nowhere", **options).subjects()


@pytest.mark.parametrize("name", CORPORA)
def test_somebody_who_is_not_in_it_is_refused_by_name(tmp_path, name):
    folder, options = make(name, tmp_path)
    with pytest.raises(CorpusError, match="no-such-person"):
        list(open_corpus(name, folder, **options).read("no-such-person"))


@pytest.mark.parametrize("name", CORPORA)
def test_records_are_of_the_subject_and_each_frame_of_a_sequence_comes_once(tmp_path, name):
    folder, options = make(name, tmp_path)
    reader = open_corpus(name, folder, **options)
    for subject in reader.subjects()[:2]:
        records = list(reader.read(subject))
        assert records and {record.subject for record in records} == {subject}
        assert len({(record.sequence, record.frame) for record in records}) == len(records)


@pytest.mark.parametrize("name", ON_DISK)
def test_the_fingerprint_is_of_label_files_and_places_that_are_there(tmp_path, name):
    folder, options = make(name, tmp_path)
    reader = open_corpus(name, folder, **options)
    for subject in reader.subjects()[:2]:
        labels, places = list(reader.label_files(subject)), list(reader.picture_places(subject))
        assert labels and all(path.is_file() for path in labels)
        assert places and all(path.exists() for path in places)
