"""The model card of a run: README.md beside the weights, made of what training.json says and of nothing else.

It takes the place of TRL's automatic card, which names another pipeline and base model. Its words stand in
checkpoint/templates/model_card.md.jinja.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from huggingface_hub import ModelCardData
from transformers import TrainerState

from aullava.action_units import PROTOCOLS, render, value_of, value_strings
from aullava.checkpoint.model_card import fill_card
from aullava.common.files import replace_file
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.training.run.provenance import write_provenance

_RANGES = {"occurrence": "0 or 1", "intensity": "0 to 5", "continuous": "0.00 to 1.00"}
_MEANINGS = (  # what a figure's name ends in -> what it says; training/run/validation.py has the conventions
    ("macro_f1", "F1 of the positive class, mean over units; of intensities a level of 2 or more is positive"),
    ("icc", "ICC(3,1) of intensities, mean over units"),
    ("mae_intensity", "mean absolute error in levels 0 to 5, mean over units"),
    ("mae_continuous", "mean absolute error on 0 to 1, mean over units"),
    ("undefined_scores", "scores of units that are not defined on these rows and left out of the means"),
    ("undetermined_values", "values that the readings left open"),
    ("loss", "cross-entropy per token on the labels that training learns"),
    ("accuracy", "share of those labels that are the likeliest token"),
    ("entropy", "mean entropy of the predicted tokens, in nats"),
)


def describe_run(
    folder: str | Path,
    state: TrainerState,
    parts: Sequence[object],
    manifest: Mapping[str, object],
    distributed: str = "NO",
    license: str | None = None,
) -> None:
    """Write training.json, config.yaml and the card beside the weights. Arguments as in `write_provenance` and `write_card`."""
    write_card(folder, write_provenance(folder, parts, state, manifest, distributed), license)


def write_card(folder: str | Path, record: Mapping, license: str | None = None, name: str | None = None) -> Path:
    """Write README.md; it appears whole.

    Args:
        folder: where the weights lie, a whole model or adapters.
        record: what `write_provenance` gives.
        license: the Hub's name of the weights' licence; None: not stated.
        name: of the model; default: the run's folder.

    Returns:
        The card's path.
    """
    folder = Path(folder)
    adapters = (folder / "adapter_config.json").is_file()
    name = name or (folder.parent if folder.name in ("model", "adapters") else folder).resolve().name
    card = make_card(record, license, name, adapters, (folder / "config.json").is_file(), folder)
    path = folder / "README.md"
    replace_file(path, lambda place: place.write_text(card, encoding="utf-8"))
    return path


def make_card(
    record: Mapping, license: str | None, name: str, adapters: bool, whole: bool = True, folder: Path | None = None
) -> str:
    """The text of README.md.

    Args:
        record, license, name: as in `write_card`. adapters, whole: which weights lie beside it, if any.
        folder: where processor and configuration are; None: nowhere yet.
    """
    settings = record["settings"]
    base = settings.get("checkpoint")
    on_hub = base is not None and re.fullmatch(r"[\w.-]+/[\w.-]+", base) is not None and not Path(base).exists()
    data = ModelCardData(
        license=license or "other",
        license_name=None if license else "not-stated",
        library_name="peft" if adapters else "transformers",
        pipeline_tag="image-text-to-text",
        base_model=base if on_hub else None,
        base_model_relation=("adapter" if adapters else "finetune") if on_hub else None,
        tags=["facial-action-units", "facs", "llava"],
    )
    evaluation = {key: value for key, value in record["evaluation"].items() if not key.endswith("num_tokens")}
    readings = any(
        key.endswith(("macro_f1", "icc", "mae_continuous")) for key, value in evaluation.items() if value is not None
    )
    return fill_card(
        data,
        name,
        folder,
        record,
        kind="adapters" if adapters else "model" if whole else "run",
        licence=license,
        corpora=_corpora(record["data"]),
        protocols=_protocols(record),
        figures=[(key, value, _meaning(key)) for key, value in evaluation.items() if value is not None],
        undefined=[key for key, value in evaluation.items() if value is None],
        read_rows=settings.get("read_rows") if readings else None,
    )


def _corpora(manifest: Mapping) -> list[dict]:
    """The entries of the data manifest, each with its corpus's reader and, as text, the options that were given."""
    found = []
    for entry in manifest["corpora"]:
        given = {key: value for key, value in entry.get("options", {}).items() if value is not None}
        text = ", ".join(f"{key} {value}" for key, value in given.items())
        found.append({**entry, "reader": reader_class(entry["corpus"]), "given": text})
    return found


def _protocols(record: Mapping) -> list[dict]:
    """Protocols that training asked and that have a name, each with the beginning of an answer."""
    corpora = [entry["corpus"] for entry in record["data"]["corpora"]]
    names = record["settings"].get("protocols", []) if corpora == ["procedural"] else corpora
    asked = []
    for protocol in (PROTOCOLS[name] for name in names if name in PROTOCOLS):
        strings = value_strings(protocol.scale)
        values = [value_of(strings[place], protocol.scale) for place in (0, len(strings) // 2)]
        begun = replace(protocol, units=protocol.units[:2])
        asked.append(
            {
                "name": protocol.name,
                "scale": protocol.scale,
                "range": _RANGES[protocol.scale],
                "count": len(protocol.units),
                "answer": render(dict(zip(begun.units, values, strict=True)), begun),
            }
        )
    return asked


def _meaning(figure: str) -> str:
    return next((meaning for ending, meaning in _MEANINGS if re.search(rf"(?:^|_){ending}$", figure)), "as logged")
