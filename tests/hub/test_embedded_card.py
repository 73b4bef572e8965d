"""The card of the embedded checkpoint: what a card must say, and that its figures are those of an evaluation that was kept."""

import re

import pytest
from huggingface_hub import ModelCard

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.layout import PLACE, embedded_checkpoint
from aullava.checkpoint.model_card import TEMPLATE, describe_input, plain_card

from checkout import ROOT

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


def sections(text: str) -> dict[str, str]:
    """Title of each section and what it says."""
    _, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_it_has_the_sections_of_every_card_and_none_is_empty(card):
    told = sections(card.text)
    plain = sections(plain_card(embedded_checkpoint(), "x"))
    assert list(told) == list(plain) == re.findall(r"^## (.+)$", TEMPLATE.read_text(), re.MULTILINE)
    assert [title for title, text in told.items() if len(text.split()) < 15] == []
    assert told["Citation"].strip() == plain["Citation"].strip()
    assert "0.07" not in told["Input"] and "7% of" in told["Input"]  # as the plain card says it
    for said in ("96 x 96", "bicubic", "0.5", "0.25", "7% of"):
        assert said in told["Input"] and said in describe_input(embedded_checkpoint())


def test_it_says_what_a_card_must_say(card):
    about = card.data.to_dict()
    assert (about["license"], about["library_name"]) == ("apache-2.0", "transformers")
    assert {"facial-action-units", "facs", "llava"} <= set(card.data.tags)
    assert "its readings of photographs\nmean nothing" in card.text
    use, place = sections(card.text)["Use"], PLACE.decode()
    for said in (
        f'AutoModel.from_pretrained("{place}", trust_remote_code=True)',
        f'AutoModelForImageTextToText.from_pretrained("{place}")',
        f'pipeline("facial-action-units", model="{place}", trust_remote_code=True)',
        f'pipeline("decision", model="{place}")',
        f"aullava recognize pictures/ --checkpoint {place}",
        f"transformers serve {place}",
        'revision="..."',
        "vLLM was not",
    ):
        assert said in use
    assert "On a GPU: not measured" in card.text


def test_every_scale_stands_in_the_table_of_answers(card):
    told = {
        (row[0].partition(",")[0], row[1].partition("`,")[0].strip("`"))
        for row in tables(sections(card.text)["Outputs"])
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


def test_the_peers_it_names_are_those_of_a_benchmark_that_was_kept(card):
    rows = tables(card.text)
    first = next(number for number, row in enumerate(rows) if row[0] == "figure" and row[1:2] == ["this checkpoint"])
    asked = ("f1_bp4d12", "f1_disfa8", "icc_disfa12", "mae_feafa24")
    stated = [[float(cell) for cell in row[2:]] for row in rows[first + 2 : first + 2 + len(asked)]]
    kept = []
    for path in (ROOT / "benchmarks" / "results").glob("*-baseline_classifier.md"):
        found = dict(row[:2] for row in tables(path.read_text()) if len(row) > 1)
        peers = ("tower", "cnn") if "cnn_f1_bp4d12" in found else ("tower",)
        kept.append([[round(float(found[f"{peer}_{name}"]), 3) for peer in peers] for name in asked])
    assert stated in kept


def test_its_speed_is_that_of_a_benchmark_that_was_kept(card):
    results = ROOT / "benchmarks" / "results"
    told = {row[0].strip("`"): row[1:] for row in tables(sections(card.text)["Speed"])}
    [protocols] = [row for mode, row in told.items() if mode == "mode"]
    measured = [
        {(row[2], row[3]): row[4] for row in reversed(tables(path.read_text())) if row[:2] == ["tiny", "1"]}
        for path in results.glob("*-readout.md")
    ]
    asked = [(name.strip("`"), mode) for mode in ("parallel", "joint", "generate") for name in protocols]
    stated = [cell for mode in ("parallel", "joint", "generate") for cell in told[mode]]
    assert [float(cell) for cell in stated] in [[float(found[key]) for key in asked] for found in measured]
    rate = int(re.search(r"(\d+) faces a second", card.text)[1])
    films = [dict(row[:2] for row in tables(path.read_text()) if len(row) > 1) for path in results.glob("*-video.md")]
    assert rate in [round(float(film["end_to_end_faces_per_s"])) for film in films]
