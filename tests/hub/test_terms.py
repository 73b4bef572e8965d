"""Weights whose data their owners give out by request, or of which nothing is known, go public only with a statement."""

import json
from pathlib import Path

import pytest

from aullava.checkpoint.layout import embedded_checkpoint
from aullava.hub.terms import check_terms

RIGHT = "our agreement of 2026-01-31 allows public weights"
NOT_STATED = "---\nlicense: other\nlicense_name: not-stated\n---\n"
MIT = "---\nlicense: mit\n---\n"


def record(folder: Path, *corpora: str, base: str | None = None, tower: str | None = None, card=NOT_STATED) -> Path:
    settings = {"checkpoint": base, "tower": tower}
    told = {"data": {"corpora": [{"corpus": name} for name in corpora]}, "settings": settings}
    (folder / "training.json").write_text(json.dumps(told))
    (folder / "README.md").write_text(card)
    return folder


def test_weights_of_a_licensed_corpus_go_public_only_with_a_statement(tmp_path):
    folder = record(tmp_path, "procedural", "disfa", card=MIT)
    check_terms(folder, public=False, right="")
    for right in ("", "  \n"):
        with pytest.raises(ValueError, match="learnt from DISFA.*--i-hold-the-right"):
            check_terms(folder, public=True, right=right)
    check_terms(folder, public=True, right=RIGHT)


def test_drawn_faces_may_be_seen_by_all(tmp_path):
    check_terms(record(tmp_path, "procedural"), public=True, right="")


def test_a_tower_from_elsewhere_needs_a_statement(tmp_path):
    with pytest.raises(ValueError, match="vision tower came from warm/tower"):
        check_terms(record(tmp_path, "procedural", tower="warm/tower"), public=True, right="")
    check_terms(tmp_path, public=True, right=RIGHT)


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


def stage(place: Path, *corpora: str, base: Path | str | None = None, card: str = MIT) -> Path:
    place.mkdir()
    return record(place, *corpora, base=base and str(base), card=card)


def test_what_those_learnt_from_counts_that_weights_began_as(tmp_path, monkeypatch):
    first = stage(tmp_path / "first", "disfa")
    stage(tmp_path / "second", "procedural", base=first)
    third = stage(tmp_path / "third", "procedural", base="second")  # relative, as train_sft.py writes it
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="began as second, and of those: .* began as .*first, and of those: .* DISFA"):
        check_terms(third, public=True, right="")
    check_terms(third, public=False, right="")
    check_terms(third, public=True, right=RIGHT)
    record(first, "procedural", card=MIT)
    check_terms(third, public=True, right="")
    record(first, "procedural", "mystery")
    with pytest.raises(ValueError, match="names mystery, whose licence is not known"):
        check_terms(third, public=False, right="")
    (first / "training.json").unlink()
    with pytest.raises(ValueError, match="first has no training.json and no card that states a licence"):
        check_terms(third, public=True, right="")


def test_a_base_that_is_not_here_needs_a_statement_unless_the_card_names_it_on_the_hub(tmp_path, monkeypatch):
    for place, base in enumerate(("model", "outputs/model", "org/model")):
        folder = stage(tmp_path / str(place), "procedural", base=base)
        with pytest.raises(ValueError, match=f"began as {base}, which is no folder here"):
            check_terms(folder, public=True, right="")
        check_terms(folder, public=True, right=RIGHT)
    on_hub = MIT.replace("mit", "mit\nbase_model: org/model")
    check_terms(record(folder, "procedural", base="org/model", card=on_hub), public=True, right="")
    monkeypatch.chdir(tmp_path)
    itself = stage(tmp_path / "model", "procedural", base="model")  # a name that leads back to the checkpoint
    with pytest.raises(ValueError, match="which is no folder here"):
        check_terms(itself, public=True, right="")


def test_adapters_are_followed_to_where_they_say(tmp_path):
    base = stage(tmp_path / "base", "bp4d")
    adapters = stage(tmp_path / "adapters", "procedural", base="base")
    (adapters / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    with pytest.raises(ValueError, match="began as .*base, and of those: the weights learnt from BP4D"):
        check_terms(adapters, public=True, right="")
    moved = base.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="began as base, which is no folder here"):
        check_terms(adapters, public=True, right="")
    with pytest.raises(ValueError, match="of those: the weights learnt from BP4D"):
        check_terms(adapters, public=True, right="", base=str(moved))
