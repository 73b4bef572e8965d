"""Results of `aullava evaluate`: a section of the card for people, the Hub's `model-index`, and leaderboard entries.

Figures come from the report alone, and only from a report on exactly these weights.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, eval_result_entries_to_yaml
from huggingface_hub.utils import yaml_dump

from aullava.action_units import FEAFA_UNITS, unit
from aullava.checkpoint.identity import settings_hash, weights_id
from aullava.common.files import printable
from aullava.dataset_builder.corpora.registry import reader_class

MEAN = "mean"
SECTION = "## Results"
NOT_BY_GROUP = "**Results per group of people: not measured.**"  # as the card's template says it
_FORMAT = (
    "checkpoint",
    "corpus",
    "split",
    "rows",
    "people",
    "protocol",
    "mode",
    "scores",
    "groups",
    "thresholds",
    "command",
)
_METRICS = {  # score -> name, what it is
    "f1_undetermined_wrong": ("F1", "F1 of the positive class, an undetermined answer being a wrong one"),
    "icc_3_1": ("ICC(3,1)", "intraclass correlation, two-way mixed, consistency, one rater"),
    "mae": ("MAE", "mean absolute error on the protocol's scale"),
}
_TITLES = {
    "present": "Present or not",
    "level": "Levels, as answered",
    "value": "Continuous values, as answered",
    "expected": "Expected values of the distributions",
}


def read_report(path: Path, checkpoint: Path) -> dict[str, Any]:
    """The report of an evaluation of a checkpoint.

    Args:
        path: JSON that `aullava evaluate` wrote. checkpoint: folder that is released.

    Raises:
        ValueError: not a report, or a report on other weights or settings.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in _FORMAT if key not in record]
        missing += [f"checkpoint.{key}" for key in ("id", "settings") if key not in record["checkpoint"]]
        found = {key: set(record["checkpoint"].get(key, {}).values()) for key in ("id", "settings")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"--evaluation {path}: expected the JSON file that aullava evaluate wrote ({error!r})"
        ) from error
    if missing:
        raise ValueError(
            f"--evaluation {path} lacks {', '.join(missing)}: expected the JSON file that aullava evaluate wrote; one of an older "
            "version has to be made again"
        )
    expected = {"id": weights_id(checkpoint), "settings": settings_hash(checkpoint)}
    for key, told in found.items():
        if told != {expected[key]}:
            raise ValueError(
                f"--evaluation {path} is about other {'weights' if key == 'id' else 'settings'}: "
                f"{', '.join(sorted(told)) or 'none'}, but {checkpoint} has {expected[key]}. Evaluate this checkpoint"
            )
    return record


def card_with(text: str, records: Sequence[Mapping[str, Any]], name: str) -> str:
    """A card with its results replaced by those of evaluations.

    Args:
        text: the card. records: as `read_report` gives them. name: of the model.
    """
    card = ModelCard(text, ignore_metadata_errors=True)
    card.data.model_name = name
    card.data.eval_results = [entry for record in records for entry in entries(record)]
    before, _, after = card.text.partition(f"{SECTION}\n")
    _, heading, rest = after.partition("\n## ")
    if not after and "\n## Limits" in before:
        before, heading, rest = before.partition("\n## Limits")
    body = f"{SECTION}\n\n" + "\n\n".join(section(record) for record in records)
    card.text = f"{before.rstrip()}\n\n{body}\n{heading}{rest}"
    return str(card)


def entries(record: Mapping[str, Any]) -> list[EvalResult]:
    """The means of the headline scores as entries of the Hub's `model-index`, without undefined ones."""
    return [
        EvalResult(
            task_type="image-text-to-text",
            task_name="facial action units",
            dataset_type=record["corpus"],
            dataset_name=reader_class(record["corpus"]).title,
            dataset_config=f"{record['protocol']['name']}, mode {record['mode']}",  # the Hub merges what has the same
            dataset_split=record["split"],
            metric_type=score,
            metric_name=f"{_METRICS[score][0]}, mean over units ({_TITLES[view].lower()})",
            metric_value=found[MEAN]["value"],
        )
        for view, score, found in _headlines(record)
        if found[MEAN]["value"] is not None
    ]


def leaderboard_file(records: Sequence[Mapping[str, Any]], asked: Sequence[Sequence[str]]) -> str:
    """The text of `.eval_results/*.yaml`, by which the Hub ranks models on the page of a benchmark dataset.

    An entry belongs to a dataset on the Hub whose eval.yaml names the task (huggingface.co/docs/hub/eval-results). Reports do
    not know of any, so the user names it.

    Args:
        records: as `read_report` gives them.
        asked: dataset ("ORG/NAME", or "ORG/NAME@COMMIT"), task, and figure ("VIEW.SCORE" as in the report).

    Raises:
        ValueError: no dataset's id, or a figure that is not in one report, or not defined.
    """
    found = [_leaderboard_entry(records, *each) for each in asked]
    return yaml_dump(eval_result_entries_to_yaml(found), sort_keys=False)


def _leaderboard_entry(records: Sequence[Mapping[str, Any]], place: str, task: str, figure: str) -> EvalResultEntry:
    dataset, _, commit = place.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset):
        raise ValueError(f"--benchmark {place}: expected the id of a dataset on the Hub, such as my-lab/faces")
    view, _, score = figure.partition(".")
    there = [record for record in records if figure in _figures(record)]
    if len(there) != 1:
        known = ", ".join(dict.fromkeys(name for record in records for name in _figures(record)))
        raise ValueError(
            f"--benchmark {place}: {figure} is in {len(there)} of the reports, expected one; they hold {known}"
        )
    [record] = there
    value = record["scores"][view]["intervals"][score][MEAN]["value"]
    if value is None:
        raise ValueError(f"--benchmark {place}: the mean of {figure} is not defined on these rows; leave it out")
    protocol = record["protocol"]
    notes = (
        f"{_METRICS[score][0]}, mean over {len(protocol['units'])} units of {protocol['name']}, mode {record['mode']}, "
        f"split {record['split']}, {record['rows']} rows of {record['people']} people"
    )
    return EvalResultEntry(dataset, task, value, dataset_revision=commit or None, notes=notes)


def _figures(record: Mapping[str, Any]) -> list[str]:
    return [f"{view}.{score}" for view, score, _ in _headlines(record)]


def section(record: Mapping[str, Any]) -> str:
    """The scores of every unit with their intervals, and the conventions behind them."""
    protocol = record["protocol"]
    present = f"a level of {protocol['occurrence_threshold']} or more"
    if protocol["scale"] == "occurrence":
        present = "P of 0.5 or more" + (", or above the threshold of its unit" if record["thresholds"] else "")
    parts = [
        f"### {reader_class(record['corpus']).title}, protocol `{protocol['name']}`, mode `{record['mode']}`",
        f"Checkpoint `{'`, `'.join(sorted({*record['checkpoint']['id'].values()}))}`. "
        f"Split {record['split']}: {record['rows']:,} rows of {record['people']:,} subjects. 95% intervals, bootstrap by subject. "
        f"Present: {present}. Labels that are not coded are left out; an undefined score is “-”, never 0, and the mean is over the "
        "others.",
    ]
    for view in record["scores"]:
        scores = {score: found for each, score, found in _headlines(record) if each == view}
        head = ["unit", *(f"{_METRICS[score][0]} (interval)" for score in scores)]
        names = [unit(code).key if code in FEAFA_UNITS else f"{code} {unit(code).name}" for code in protocol["units"]]
        rows = [
            [name, *(_cell(found[code]) for found in scores.values())]
            for code, name in zip([*protocol["units"], MEAN], [*names, MEAN], strict=True)
        ]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
        meant = "; ".join(f"{_METRICS[score][0]}: {_METRICS[score][1]}" for score in scores)
        parts.append(f"{_TITLES[view]}. {meant}.\n\n{table}")
    parts += [_groups(label, found) for label, found in record["groups"].items()] or [NOT_BY_GROUP]
    if record["command"]:
        parts.append(f"```bash\n{record['command']}\n```")
    return "\n\n".join(parts)


def _groups(label: str, found: Mapping[str, Any]) -> str:
    """The F1 of each group, the gap between groups, and the gap expected by chance."""
    chance = "-" if found["chance"] is None else f"{found['chance']:.3f}"
    said = (
        f"F1 of present or not by {_plain(label)}, mean over the units that every group shows. Highest less lowest: "
        f"{_cell(found | {'value': found['gap']})}; of random groups of these sizes: {chance}."
    )
    if found["left_out"]:
        said += f" Some group never shows {', '.join(found['left_out'])}."
    rows = [[_plain(label), "people", "frames", "F1"], ["---", "---:", "---:", "---:"]]
    for group in found["groups"]:
        score = "-" if group["macro_f1"] is None else f"{group['macro_f1']:.3f}"
        rows.append([_plain(group["name"]), f"{group['people']:,}", f"{group['faces']:,}", score])
    return said + "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(text: object) -> str:
    """A group's name in the corpus, as a table cell."""
    return printable(str(text)).replace("|", "/")


def _headlines(record: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """View, score, and the figure of each unit with its interval."""
    return [
        (view, score, found)
        for view, result in record["scores"].items()
        for score, found in result["intervals"].items()
    ]


def _cell(found: Mapping[str, float | None]) -> str:
    value, low, high = (found[key] for key in ("value", "low", "high"))
    if value is None:
        return "-"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
