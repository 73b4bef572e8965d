"""What every reader keeps, on a small tree of each corpus; what is a corpus's own stands in its own file.

A test here changes the tree as a copy on a user's disk may differ from the corpus, and compares what is read before and after.
"""

import codecs
import pickle
import re
import shutil
from contextlib import suppress

import pytest

from aullava.action_units import SCALES
from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.corpora.registry import open_corpus, options_of, reader_class
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError, UnsafePathError

from trees.every import CORPORA, make

ON_DISK = [name for name in CORPORA if reader_class(name).on_disk]
WORKBOOKS = ("casme2", "samm")  # what their cells may hold is in test_workbook.py
TEXTS = [name for name in ON_DISK if name not in WORKBOOKS]
ONE_TABLE = ("table", "casme2", "samm", "raf_au", "emotionet")  # all labels in one file, which is read at once
A_FILE_EACH = [name for name in ON_DISK if name not in ONE_TABLE]


@pytest.fixture
def corpus(tmp_path):
    """Name -> data_dir and options of its tree, which lies in a folder of its own."""
    return lambda name: make(name, tmp_path / "trees")


def read(name: str, folder, options: dict, **more) -> dict:
    """Subject, sequence and frame -> record of everything."""
    reader = open_corpus(name, folder, **options, **more)
    return {(r.subject, r.sequence, r.camera, r.frame): r for s in reader.subjects() for r in reader.read(s)}


def shown(records: dict) -> dict:
    """Of each record what does not depend on where the tree lies; NaN as text, so that it equals itself."""
    return {key: (str(r.values), r.sides, dict(r.groups), r.image is not None) for key, r in records.items()}


def pictures_of(records: dict) -> list:
    return list(dict.fromkeys(record.image.path for record in records.values() if record.image))


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_the_module_of_its_name(name):
    reader = reader_class(name)
    assert issubclass(reader, CorpusReader) and reader.name == name
    assert reader.title and reader.request and not set(reader.shares_subjects_with.values()) - set(CORPORA)
    assert reader.on_disk == bool(reader.anchors) == (not reader.side_option)
    assert not reader.side_option or reader.side_option in options_of(name)


@pytest.mark.parametrize("name", CORPORA)
def test_records_are_in_order_unique_and_of_the_units_on_their_scales(corpus, name):
    folder, options = corpus(name)
    reader = open_corpus(name, folder, **options)
    if name != "table":  # in order of appearance
        groups = [[s for s in reader.subjects() if s[:2] == start] for start in {s[:2] for s in reader.subjects()}]
        assert all(group == sorted(group, key=natural_key) for group in groups)
    for subject in reader.subjects():
        records = list(reader.read(subject))
        assert records and {record.subject for record in records} == {subject}
        places = [(record.sequence, record.camera, record.frame) for record in records]
        assert len(set(places)) == len(places)
        for recording in {place[:2] for place in places}:
            frames = [number for number, place in enumerate(places) if place[:2] == recording]
            assert frames == list(range(frames[0], frames[-1] + 1)), "a recording comes in one piece"
            assert [places[n][2] for n in frames] == sorted(places[n][2] for n in frames)
        for record in records:
            assert set(record.groups) <= set(reader.groups) and record.values
            for scale, values in record.values.items():
                assert set(values) <= set(reader.units[scale])
                assert all(not value < 0 and not value > SCALES[scale].highest for value in values.values())


@pytest.mark.parametrize("name", CORPORA)
def test_a_record_can_be_sent_to_another_process(corpus, name):
    folder, options = corpus(name)
    reader = open_corpus(name, folder, **options)
    record = next(reader.read(reader.subjects()[0]))
    again = pickle.loads(pickle.dumps(record))
    assert (again.subject, again.frame, str(again.values)) == (record.subject, record.frame, str(record.values))
    if reader.on_disk:
        assert again.image == record.image
    else:
        assert again.image.draw().tobytes() == record.image.draw().tobytes()


@pytest.mark.parametrize("name", CORPORA)
def test_somebody_who_is_not_in_it_is_refused_by_name(corpus, name):
    folder, options = corpus(name)
    with pytest.raises(CorpusError, match="no-such-person"):
        list(open_corpus(name, folder, **options).read("no-such-person"))


@pytest.mark.parametrize("name", ON_DISK)
def test_a_wrong_folder_is_refused_and_the_right_one_named(corpus, tmp_path, name):
    folder, options = corpus(name)
    with pytest.raises(LayoutError, match="no such folder|nowhere"):
        open_corpus(name, tmp_path / "nowhere", **options).subjects()
    (tmp_path / "bare").mkdir()
    with pytest.raises(LayoutError, match="bare.*nothing"):
        open_corpus(name, tmp_path / "bare", **options).subjects()
    if name != "table":  # any folder may hold one
        (folder / "below").mkdir()
        right, asked = re.escape(str(folder)), re.escape(reader_class(name).request)
        with pytest.raises(LayoutError, match=f"{right} has it: give that folder.*{asked}"):
            open_corpus(name, folder / "below", **options)


@pytest.mark.parametrize("name", ON_DISK)
def test_the_fingerprint_covers_all_that_is_read(corpus, name):
    folder, options = corpus(name)
    reader = open_corpus(name, folder, **options)
    subjects, seen = reader.subjects(), []
    for subject in subjects:
        labels, places = list(reader.label_files(subject)), list(reader.image_places(subject))
        assert labels and all(path.is_file() for path in labels)
        assert all(path.exists() for path in places)
        for record in reader.read(subject):
            assert record.image is None or {record.image.path, *record.image.path.parents} & {*places}
        seen += labels if name in A_FILE_EACH else []
    assert len(seen) == len(set(seen)), "a subject's files are its own, so that a change concerns it alone"
    for subject in subjects:
        for path in reader.label_files(subject) if name in A_FILE_EACH or subject == subjects[0] else ():
            path.unlink()
        left = []
        with suppress(CorpusError):
            left += open_corpus(name, folder, **options).read(subject)
        assert not left, "nothing of a subject comes from other files"
    with pytest.raises(LayoutError, match="expected"):  # no label file is left
        open_corpus(name, folder, **options).subjects()


@pytest.mark.parametrize("name", ON_DISK)
@pytest.mark.parametrize("of", ["labels", "pictures"])
def test_a_link_out_of_the_corpus_is_refused_unless_allowed(corpus, tmp_path, name, of):
    folder, options = corpus(name)
    before = read(name, folder, options)
    reader = open_corpus(name, folder, **options)
    path = next(reader.label_files(reader.subjects()[0])) if of == "labels" else pictures_of(before)[0]
    outside = tmp_path / "outside" / path.name
    outside.parent.mkdir()
    shutil.move(path, outside)
    path.symlink_to(outside)
    with pytest.raises(UnsafePathError):
        read(name, folder, options)
    assert shown(read(name, folder, options, follow_links=True)) == shown(before)


@pytest.mark.parametrize("name", ON_DISK)
def test_a_label_without_its_picture_keeps_its_record(corpus, name):
    folder, options = corpus(name)
    before = read(name, folder, options)
    gone = pictures_of(before)[0]
    gone.unlink()
    after, reader = read(name, folder, options), open_corpus(name, folder, **options)
    assert list(after) == list(before)
    if name != "table":  # its rows name their images, whether they are there or not
        assert all(path.exists() for subject in reader.subjects() for path in reader.image_places(subject))
    for key, record in after.items():
        was = before[key].image
        assert (record.image is None) == (was is None or was.path == gone), "no neighbour's image is taken"
        assert str(record.values) == str(before[key].values)


@pytest.mark.parametrize("name", TEXTS)
def test_byte_order_mark_line_ends_and_blank_lines_change_nothing(corpus, name):
    folder, options = corpus(name)
    before = read(name, folder, options)
    reader = open_corpus(name, folder, **options)
    for path in {path for subject in reader.subjects() for path in reader.label_files(subject)}:
        lines = path.read_text("utf-8-sig").splitlines()
        path.write_bytes(codecs.BOM_UTF8 + "\r\n".join([*lines, " ", "", ""]).encode())
    assert shown(read(name, folder, options)) == shown(before)


@pytest.mark.parametrize("name", TEXTS)
def test_a_broken_label_is_refused_by_file_and_line(corpus, name):
    folder, options = corpus(name)
    reader = open_corpus(name, folder, **options)
    path = next(reader.label_files(reader.subjects()[0]))
    lines = path.read_text("utf-8-sig").splitlines()
    path.write_text("\n".join([*lines, "?!;?! ?!,?!"]), "utf-8")
    with pytest.raises(LabelError, match=rf"{re.escape(path.name)}, line {len(lines) + 1}: found .*; expected "):
        read(name, folder, options)


@pytest.mark.parametrize("name", A_FILE_EACH)
def test_a_broken_label_of_one_subject_leaves_the_others_readable(corpus, name):
    folder, options = corpus(name)
    reader = open_corpus(name, folder, **options)
    first, second = reader.subjects()[:2]
    next(reader.label_files(first)).write_text("?!;?! ?!,?!\n?!")
    assert list(open_corpus(name, folder, **options).read(second))


# EmotioNet's table and one's own name their images letter by letter.
@pytest.mark.parametrize("name", [name for name in ON_DISK if name not in ("emotionet", "table")])
def test_names_in_any_letter_case_are_found(corpus, name):
    folder, options = corpus(name)
    before = read(name, folder, options)
    for path in sorted(folder.rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.swapcase()))
    after = read(name, folder, options)
    assert [[str(part).lower() for part in key] for key in after] == [[str(p).lower() for p in key] for key in before]
    assert [r.image is None for r in after.values()] == [r.image is None for r in before.values()]
    assert [str(r.values) for r in after.values()] == [str(r.values) for r in before.values()]
