"""The card of the embedded checkpoint: what a card must say, and that its figures are those of an evaluation that was kept."""

import re

import pytest
from huggingface_hub import ModelCard

from aullava.action_units import PROTOCOLS
from aullava.release import PLACE, embedded_checkpoint

from checkout import ROOT

SECTIONS = ["Use", "How it was made", "How well it reads drawn faces", "Limits", "Intended use, and not", "Licence"]
HEADLINES = {  # how a row of the card begins -> the figures of `make evaluate` in its columns
    "occurrence (`bp4d`), macro F1": ("f1_bp4d12", "f1_bp4d12_all_present", "f1_bp4d12_shuffled"),
    "intensity (`disfa`), macro F1": ("f1_disfa8", "f1_disfa8_all_present", "f1_disfa8_shuffled"),
    "intensity (`disfa`), mean ICC": ("icc_disfa12", None, "icc_disfa12_shuffled"),
    "intensity (`disfa`), mean absolute error": ("mae_disfa12", "mae_disfa12_zero"),
    "continuous (`feafa`), mean absolute error": ("mae_feafa24", "mae_feafa24_zero"),
    "side found": ("min_side_correct",),
    "calibration error": ("ece",),
    "decisions on which": ("format_agreement",),
}


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return ModelCard.load(embedded_checkpoint() / "README.md")


def tables(text: str) -> list[list[str]]:
    """The rows of every table, cell by cell, without emphasis."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("*") for cell in row] for row in rows]


def test_it_says_what_a_card_must_say(card):
    assert re.findall(r"^## (.+)$", card.text, re.MULTILINE) == SECTIONS
    about = card.data.to_dict()
    assert (about["license"], about["library_name"]) == ("apache-2.0", "transformers")
    assert {"facial-action-units", "facs", "llava"} <= set(card.data.tags)
    assert "its readings of photographs\nmean nothing" in card.text
    use = card.text.partition("## Use\n")[2].partition("\n## ")[0]
    place = PLACE.decode()
    assert f'AutoModel.from_pretrained("{place}", trust_remote_code=True)' in use
    assert f'pipeline("decision", model="{place}")' in use


def test_every_scale_stands_in_the_table_of_answers(card):
    told = {
        (row[0].partition(",")[0], row[1].partition("`,")[0].strip("`"))
        for row in tables(card.text.partition("## Use")[0])
    }
    assert {(PROTOCOLS[name].scale, name) for name in ("bp4d", "disfa", "feafa")} <= told


def differences(rows: list[list[str]], found: dict[str, float]) -> list[str]:
    """Headline figures of a card that an evaluation says otherwise."""
    wrong = []
    for begin, keys in HEADLINES.items():
        [row] = [row for row in rows if row[0].startswith(begin)]
        for key, cell in zip(keys, row[1:], strict=False):
            if key and abs(float(cell) - found[key]) > 5.5e-4:
                wrong.append(f"{key}: the card has {cell}, the evaluation {found[key]}")
    return wrong


def test_its_figures_are_those_of_an_evaluation_that_was_kept(card):
    compared = []
    for path in sorted((ROOT / "benchmarks" / "results").glob("*-evaluate_embedded.md")):
        numbers = [row for row in tables(path.read_text()) if len(row) > 1 and re.fullmatch(r"-?[\d.]+", row[1])]
        compared.append(differences(tables(card.text), {row[0]: float(row[1]) for row in reversed(numbers)}))
    assert compared and not min(compared, key=len), min(compared, key=len)
