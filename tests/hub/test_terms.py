"""Weights whose data their owners give out by request, or of which nothing is known, go public only with a statement."""

import json
from pathlib import Path

import pytest

from aullava.hub.terms import check_terms
from aullava.release import embedded_checkpoint

RIGHT = "our agreement of 2026-01-31 allows public weights"
NOT_STATED = "---\nlicense: other\nlicense_name: not-stated\n---\n"


def record(folder: Path, *corpora: str, base: str | None = None, card: str = NOT_STATED) -> Path:
    told = {"data": {"corpora": [{"corpus": name} for name in corpora]}, "settings": {"checkpoint": base}}
    (folder / "training.json").write_text(json.dumps(told))
    (folder / "README.md").write_text(card)
    return folder


def test_weights_of_a_licensed_corpus_go_public_only_with_a_statement(tmp_path):
    folder = record(tmp_path, "procedural", "disfa", card="---\nlicense: mit\n---\n")
    check_terms(folder, public=False, right="")
    for right in ("", "yes", "." * 40):
        with pytest.raises(ValueError, match="learnt from DISFA.*--i-hold-the-right"):
            check_terms(folder, public=True, right=right)
    check_terms(folder, public=True, right=RIGHT)


def test_drawn_faces_may_be_seen_by_all(tmp_path):
    check_terms(record(tmp_path, "procedural"), public=True, right="")


def test_an_unknown_corpus_is_refused_even_in_private(tmp_path):
    with pytest.raises(ValueError, match="names mystery, whose licence is not known"):
        check_terms(record(tmp_path, "procedural", "mystery"), public=False, right=RIGHT)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"data": {"corpora": 3}, "settings": {}}'])
def test_a_record_that_cannot_be_read_is_refused(text, tmp_path):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(ValueError, match="does not say what the weights learnt from"):
        check_terms(tmp_path, public=False, right="")


def test_weights_of_which_nothing_is_known_need_a_statement(tmp_path):
    check_terms(embedded_checkpoint(), public=True, right="")  # no record, but a card with a licence
    with pytest.raises(ValueError, match="no training.json and no card that states a licence"):
        check_terms(tmp_path, public=True, right="")
    with pytest.raises(ValueError, match="began as model, and the card states no licence"):
        check_terms(record(tmp_path, "procedural", base="model"), public=True, right="")
    check_terms(record(tmp_path, "procedural", base="model", card="---\nlicense: mit\n---\n"), public=True, right="")
