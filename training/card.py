"""The model card of a run: README.md beside the weights, made of what training.json says and of nothing else.

It takes the place of TRL's automatic card, which names another pipeline and base model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from transformers import TrainerState

from aullava.action_units import PROTOCOLS, Protocol, render, value_of, value_strings
from aullava.common.files import printable, replace_file
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.training import card_text
from aullava.training.run.provenance import write_provenance

_DRAWN = "procedural"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_VALUES = {"occurrence": "0 or 1", "intensity": "0 to 5", "continuous": "0.00 to 1.00"}
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
_ADAPTERS = """\
This folder holds LoRA adapters and the projector, not a whole model. They go onto their base:

```python
from peft import PeftModel

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor

base = AULlavaForConditionalGeneration.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "path/of/this/folder")
processor = AULlavaProcessor.from_pretrained("path/of/this/folder")
```

`python -m aullava.training.run.saving path/of/this/folder merged` writes a whole checkpoint, which `aullava release` makes into a \
model folder."""
_RESULTS = """\
**Per unit, on people that training never saw: not measured.** `aullava evaluate` measures it, and `aullava release --evaluation` \
puts what it found here."""
_RUN = """\
This is the folder of a run: its weights are in `model`, with LoRA in `adapters`, each with a card of its own, once it has ended. \
`checkpoint-N` is what the run goes on from."""


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


class OwnCard:
    """Mixin that stands before SFTTrainer among a trainer's bases: where TRL writes its card, `describe` writes ours.

    Attributes:
        describe: called with (folder, state), by the main process alone; None: no card. For instance
            `functools.partial(describe_run, parts=..., manifest=...)`.
    """

    describe = None

    def create_model_card(self, *args, **kwargs) -> None:
        if self.describe is not None and self.is_world_process_zero():
            self.describe(Path(self.args.output_dir), self.state)


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
    card = ModelCard(
        make_card(record, license, printable(name), adapters, (folder / "config.json").is_file(), folder)
    )  # reads the front matter as the Hub does
    path = folder / "README.md"
    replace_file(path, lambda place: place.write_text(str(card), encoding="utf-8"))
    return path


def make_card(
    record: Mapping, license: str | None, name: str, adapters: bool, whole: bool = True, folder: Path | None = None
) -> str:
    """The text of README.md.

    Args:
        record, license, name: as in `write_card`. adapters, whole: which weights lie beside it, if any.
        folder: where processor and configuration are; None: nowhere yet.
    """
    base = record["settings"].get("checkpoint")
    use = card_text.USE.format(protocol=(*_protocols(record), "disfa")[0]) if whole else _RUN
    return card_text.card_of_sections(
        _front_matter(base, license, adapters),
        name,
        f"A LLaVA model that reads facial action units (FACS) off a face, as text. {_standing(record)}",
        {
            "Outputs": _outputs(record),
            "Use": _ADAPTERS.format(base=base) if adapters else use,
            "Input": f"{card_text.input_text(folder)}\n\n{_pictures(record)}",
            "Training data": _data(record["data"]),
            "Training": f"{_training(record)}\n\n{_validation(record)}",
            "Results": f"{_RESULTS}\n\n{card_text.NOT_BY_GROUP}",
            "Speed": card_text.SPEED,
            "Limits": _limits(record),
            "Intended use, and not": card_text.INTENDED,
            "Licence": _licence(record["data"], license, base),
            "Citation": _citation(record["data"]),
        },
    )


def _front_matter(base: str | None, license: str | None, adapters: bool) -> str:
    on_hub = base is not None and _HUB_ID.fullmatch(base) is not None and not Path(base).exists()
    data = ModelCardData(
        license=license or "other",
        license_name=None if license else "not-stated",
        library_name="peft" if adapters else "transformers",
        pipeline_tag="image-text-to-text",
        base_model=base if on_hub else None,
        base_model_relation=("adapter" if adapters else "finetune") if on_hub else None,
        tags=["facial-action-units", "facs", "llava"],
    )
    return data.to_yaml()


def _standing(record: Mapping) -> str:
    """What a reader must know before anything else."""
    corpora = [entry["corpus"] for entry in record["data"]["corpora"]]
    if set(corpora) == {_DRAWN} and (base := record["settings"].get("checkpoint")):
        return (
            f"**In this run it saw faces drawn by a program and nothing else: unless {_code(base)} learnt more, its readings of "
            "photographs mean nothing.**"
        )
    if set(corpora) == {_DRAWN}:
        return (
            "**It learnt action units from faces drawn by a program and from nothing else, so its readings of photographs mean "
            "nothing.**"
        )
    drawn = " and on faces drawn by a program" if _DRAWN in corpora else ""
    titles = [reader_class(name).title for name in corpora if name != _DRAWN]
    return f"It was trained on {', '.join(titles)}{drawn}. How it reads other recordings than those is not measured."


def _data(manifest: Mapping) -> str:
    lines = ["| corpus | fold | training rows | people | validation rows | people |", "|---|---|---:|---:|---:|---:|"]
    for entry in manifest["corpora"]:
        counts = [
            f"{entry['splits'][split][what]:,}" if split in entry["splits"] else ""
            for split in ("train", "validation")
            for what in ("rows", "subjects")
        ]
        title = reader_class(entry["corpus"]).title
        lines.append(f"| {title} | {_code(entry['fold']) if entry.get('fold') else ''} | {' | '.join(counts)} |")
    notes = [
        f"{reader_class(entry['corpus']).title}: {_code(', '.join(f'{key} {value}' for key, value in given.items()))}"
        for entry in manifest["corpora"]
        if (given := {key: value for key, value in entry.get("options", {}).items() if value is not None})
    ]
    people = "Nobody is in training and validation data at once."
    if unknown := [
        reader_class(e["corpus"]).title for e in manifest["corpora"] if not reader_class(e["corpus"]).people_known
    ]:
        people += f" Of {', '.join(unknown)} this is known of pictures or videos only, not of people."
    return "\n".join([*lines, "", people, *(["", *(f"* {note}" for note in notes)] if notes else [])])


def _protocols(record: Mapping) -> list[str]:
    """Protocols known by name that training asked: the drawn faces' own, and those of the corpora's names."""
    corpora = [entry["corpus"] for entry in record["data"]["corpora"]]
    asked = record["settings"].get("protocols", []) if corpora == [_DRAWN] else corpora
    return [name for name in asked if name in PROTOCOLS]


def _outputs(record: Mapping) -> str:
    asked = [PROTOCOLS[name] for name in _protocols(record)]
    rows = [f"| `{p.name}` | {p.scale} | {_VALUES[p.scale]} | {len(p.units)} | `{_answer(p)}` |" for p in asked]
    table = ["| protocol | scale | values | units | answer |", "|---|---|---|---:|---|", *rows, ""] if rows else []
    said = "Any list of units can be asked on any scale. How well it reads units and scales that no corpus codes is not measured."
    return "\n".join([*table, said])


def _answer(protocol: Protocol) -> str:
    """How an answer begins."""
    strings = value_strings(protocol.scale)
    values = [value_of(strings[place], protocol.scale) for place in (0, len(strings) // 2)]
    begun = replace(protocol, units=protocol.units[:2])
    return f"{render(dict(zip(begun.units, values, strict=True)), begun)} …"


def _pictures(record: Mapping) -> str:
    """How the faces of training were framed."""
    corpora = {entry["corpus"] for entry in record["data"]["corpora"]}
    said = ["drawn faces were whole pictures"] if _DRAWN in corpora else []
    if corpora - {_DRAWN}:
        cropped = record["settings"].get("crop_faces", "none") != "none"
        said.append(f"pictures of corpora were {'cropped to the largest face' if cropped else 'taken as they are'}")
    return f"In training, {' and '.join(said)}."


def _training(record: Mapping) -> str:
    settings, code, weights = record["settings"], record["code"], record["weights"]
    began = [_code(base) if (base := settings.get("checkpoint")) else "random weights"]
    began += [f"the vision tower from {_code(tower)}"] if (tower := settings.get("tower")) else []
    commit = "a commit that is not known" if code["commit"] == "unknown" else f"commit {code['commit']}"
    chosen = f"best by {weights['metric']}" if weights["chosen"] == "best" else "last"
    processes = record["processes"]
    where = "one process" if processes == 1 else f"each of {processes} processes ({record['distributed']})"
    lines = [
        f"* started from {', '.join(began)}",
        f"* weights of step {weights['step']:,} of {weights['of']:,}, the {chosen}",
        f"* seeds: {', '.join(f'{name} {value}' for name, value in record['seeds'].items())}",
        f"* AU-LLaVA {code['version']}, {commit}{' with changes' if code.get('modified') else ''}; "
        + ", ".join(f"{library} {number}" for library, number in record["versions"].items()),
        "* `training.json` has the settings, the data manifest and the history, `config.yaml` the settings for `--config`",
    ]
    return "\n".join([*lines, "", f"Command of {where}:", "", "```bash", record["command"], "```"])


def _validation(record: Mapping) -> str:
    evaluation = {name: value for name, value in record["evaluation"].items() if not name.endswith("num_tokens")}
    figures = {name: value for name, value in evaluation.items() if value is not None}
    if not figures:
        return "**Accuracy: not measured** at the step of these weights."
    settings = record["settings"]
    told = [
        "At the step of these weights, on validation rows, which may have chosen settings and step and so flatter:"
    ]
    if settings.get("read_rows") and any(name.endswith(("macro_f1", "icc", "mae_continuous")) for name in figures):
        told.insert(0, f"Readings: {settings['read_rows']} rows at most, mode `{settings['read_mode']}`.")
    notes = "A value that is not coded counts nowhere; a name begins with the protocol that it is about, others are means over all."
    if undefined := [name for name in evaluation if name not in figures]:
        notes += f" Not defined on these rows: {', '.join(undefined)}."
    rows = [f"| `{name}` | {value:.4g} | {_meaning(name)} |" for name, value in figures.items()]
    table = ["| figure | value | meaning |", "|---|---:|---|", *rows]
    return "\n".join([" ".join(told), "", *table, "", notes])


def _meaning(name: str) -> str:
    return next((meaning for ending, meaning in _MEANINGS if re.search(rf"(?:^|_){ending}$", name)), "as logged")


def _limits(record: Mapping) -> str:
    lines = [
        "Faces are expected alone, cropped, upright and near to frontal, as in the data above.",
        "Head pose, light, age, skin tone, glasses and beards that the data lacks may mislead it; none of this is measured here.",
        "A value is what a coder of these corpora would likely have written. It is no measurement of a force or a feeling.",
    ]
    if _DRAWN in (entry["corpus"] for entry in record["data"]["corpora"]):
        lines.insert(
            0, "Drawn faces are drawings: their levels are equal steps of drawn strength, not the FACS manual's."
        )
    return "\n".join(f"* {line}" for line in lines)


def _licence(manifest: Mapping, license: str | None, base: str | None) -> str:
    corpora = [entry["corpus"] for entry in manifest["corpora"]]
    asked = [reader_class(name) for name in dict.fromkeys(corpora) if reader_class(name).licensed]
    rows = [("weights", license or "not stated")]
    rows += [(f"{_code(base)}, where they began", "its own, which holds for these weights as well")] if base else []
    rows += [(reader.title, f"by request: {reader.request}") for reader in asked]
    rows += [("drawn faces", "Apache-2.0; they show nobody")] if _DRAWN in corpora else []
    said = card_text.licence_table(rows)
    if asked:
        said += (
            "\n\nThe agreements about corpora that are given out by request may say what may be done with weights trained on them. "
            "Read them before you pass these on."
        )
    return said


def _citation(manifest: Mapping) -> str:
    titles = [reader_class(entry["corpus"]).title for entry in manifest["corpora"] if entry["corpus"] != _DRAWN]
    asked = f"\n\nCite {', '.join(dict.fromkeys(titles))} as their owners ask." if titles else ""
    return card_text.CITATION + asked


def _code(value: object) -> str:
    """Anything as Markdown code on one line."""
    text = printable(str(value)).replace("`", "'").replace("|", "/")
    return f"`{text}`"
