"""decision.json and decision_template.jinja, with which stock transformers reads what mode "parallel" reads.

    python -m aullava.checkpoint.decision FOLDER    writes both into a checkpoint, anew after its calibration has changed

transformers' decision API (`pipeline("decision")`, POST /v1/systemone of `transformers serve`) renders a request into a prompt
with marks and reads the probabilities of given labels before each mark, in one pass and without this project's code:

    {"state": "face", "assets": {"face": picture}, "questions": {"AU1": {"type": "noul"}, "AU12": {"type": "noul"}}}

    noul    occurrence: P(active).
    score   intensity: the probabilities of the levels 0 to 5. Its `criteria` are six descriptions of the levels, which are
            handed back with the answer and never shown to the model.

The units are named by the questions' names, FACS codes as an answer writes them, in the order of the prompt. All questions of a
request are of one type, because they share a prompt. There is no continuous scale, no joint reading, no batch, no threshold.
"""

import argparse
import copy
import json
from dataclasses import asdict
from pathlib import Path

from PIL import Image
from transformers.decision import DecisionConfig, label_token_ids

from aullava.action_units import (
    ACTION_UNITS,
    INTENSITY,
    OCCURRENCE,
    Protocol,
    answer_pieces,
    question,
    unit,
    value_strings,
)
from aullava.common.files import replace_file
from aullava.configuration_aullava import AULlavaConfig
from aullava.plan_aullava import compile_plan
from aullava.processing_aullava import AULlavaProcessor

SETTINGS, TEMPLATE = "decision.json", "decision_template.jinja"
TYPES = {OCCURRENCE: "noul", INTENSITY: "score"}  # what the decision API calls our scales
_GRAY = Image.new("RGB", (64, 64), "gray")

_HEAD = """\
{#- Written by checkpoint/decision.py, and not by hand. One prompt for all questions of a request; the picture is the state:
    {"state": "face", "assets": {"face": picture}, "questions": {"AU1": {"type": "noul"}, "AU12": {"type": "noul"}}} -#}
"""
# Behind the data that `_template` writes: prompt, units, scales.
_BODY = """\
{%- if state is string or state is mapping or state is not sequence or state | length != 1
    or state[0].type != "image" -%}
  {{- raise_exception('state is not one picture: expected {"state": "face", "assets": {"face": picture}}') -}}
{%- endif -%}
{%- set types = questions | map(attribute="type") | unique | list -%}
{%- if types | length != 1 or types[0] not in scales -%}
  {{- raise_exception("the questions are of type " ~ types | join(", ") ~ ": expected all of one request to be noul (a unit "
      ~ "is present or absent) or all to be score (its level, 0 to 5); this model reads no choice") -}}
{%- endif -%}
{%- set scale = scales[types[0]] -%}
{%- for asked in questions -%}
  {%- if asked.name is not string or asked.name not in units -%}
    {{- raise_exception("question " ~ asked.name ~ " names no action unit: expected a FACS code such as AU12 or AD30, "
        ~ "and a placeholder of the picture that is no part of it") -}}
  {%- elif asked.instructions is not none -%}
    {{- raise_exception("question " ~ asked.name ~ " has instructions, which this model would not see: leave them out, "
        ~ "the question's name says which action unit is read") -}}
  {%- elif types[0] == "noul" and asked.descriptions | reject("none") | list -%}
    {{- raise_exception("question " ~ asked.name ~ " has criteria, which this model would not see: leave them out, "
        ~ "true means that the action unit acts") -}}
  {%- elif asked.options | length != scale.levels -%}
    {{- raise_exception("question " ~ asked.name ~ " has " ~ asked.options | length ~ " levels: expected criteria of "
        ~ scale.levels ~ ", from 0, absent, to 5, maximum") -}}
  {%- endif -%}
{%- endfor -%}
{{- prompt.before ~ scale.opening -}}
{%- for asked in questions if scale.definitions -%}{{- units[asked.name] ~ "\\n" -}}{%- endfor -%}
{{- scale.rule -}}
{%- for asked in questions[: scale.named or questions | length] -%}
  {{- (scale.separator if not loop.first else "") ~ asked.name ~ scale.blank -}}
{%- endfor -%}
{{- (scale.more if scale.named and questions | length > scale.named else "") ~ prompt.after -}}
{%- for asked in questions -%}
  {{- (scale.separator if not loop.first else "") ~ asked.name ~ "=<|mark|>" -}}
{%- endfor -%}
{{- "<|split|>" * prompt.filler -}}
"""


def decision_files(processor: AULlavaProcessor, config: AULlavaConfig) -> dict[str, str]:
    """The text of both files, by file name, for a checkpoint's processor and configuration.

    Checked before they are given: for some lists of units stock transformers tokenises exactly the prompt of mode "parallel".

    Raises:
        ValueError: with this chat template or tokenizer it does not.
    """
    temperature = config.calibration.get("temperature", {})
    settings = DecisionConfig(
        labels={kind: list(value_strings(scale)) for scale, kind in TYPES.items()},
        temperature={kind: temperature.get(scale, 1.0) for scale, kind in TYPES.items()},
        noul_options=["false", "true"],  # ascending, as the labels
    )
    template = _template(processor, config)
    settings.chat_template = template
    _check(processor, config, settings)
    written = {key: value for key, value in asdict(settings).items() if key != "chat_template"}
    # Stock leaves these alone; by them a release notices a template that was made for another prompt.
    written |= {"question_form": config.question_form, "prompt_layout": config.prompt_layout}
    return {SETTINGS: json.dumps(written, indent=2) + "\n", TEMPLATE: template}


def write_decision_files(folder: str | Path) -> None:
    """Write both files into a checkpoint's folder, in the place of earlier ones.

    Raises:
        ValueError: as `decision_files`; earlier ones stay.
    """
    processor, config = AULlavaProcessor.from_pretrained(folder), AULlavaConfig.from_pretrained(folder)
    for name, text in decision_files(processor, config).items():
        replace_file(Path(folder) / name, lambda path, text=text: path.write_text(text, encoding="utf-8"))


def _template(processor: AULlavaProcessor, config: AULlavaConfig) -> str:
    full = config.question_form == "full"
    data = {
        "prompt": _prompt_around(processor, config),
        "scales": {kind: _scale(scale, config.question_form) for scale, kind in TYPES.items()},
        # In the full question the line that defines a unit, the same on both scales; in the short one its key.
        "units": {
            code: question(Protocol("", (code,), OCCURRENCE)).split("\n")[1] if full else unit(code).key
            for code in ACTION_UNITS
        },
    }
    # JSON is an expression of Jinja, too; only its \\uXXXX pairs are not, hence ensure_ascii.
    lines = [
        _HEAD,
        *(
            f"{{%- set {name} = {json.dumps(value, indent=2, ensure_ascii=False)} -%}}\n"
            for name, value in data.items()
        ),
    ]
    return "".join(lines) + _BODY


def _prompt_around(processor: AULlavaProcessor, config: AULlavaConfig) -> dict:
    """The chat up to where the answer begins, before and after the question; the image token stands in one of them.

    filler: how many separators end the prompt.
    """
    stand_in = "question-goes-here"
    fixed = processor.prompt(stand_in, config.prompt_layout).split(stand_in)
    if len(fixed) != 2:
        raise ValueError(
            f"the chat template writes the text of a turn {len(fixed) - 1} times or changes it: expected it once as it is"
        )
    # transformers 5.23 takes a picture as wide as the prompt is long, in pixels and tokens, for a row of the tokens and fails.
    # The separators are dropped before the model sees them; with one for each pixel every prompt is longer than that.
    width = processor.encode([_GRAY], stand_in, config.prompt_layout)["pixel_values"].shape[-1]
    return {"before": fixed[0], "after": fixed[1], "filler": width}


def _scale(scale: str, form: str) -> dict:
    """What a question and an answer on this scale consist of, besides the units.

    opening, definitions (whether one line a unit follows), rule; then the first `named` units (0 for all) with `blank` behind
    each and `separator` between them, and `more` if there are further ones.
    """
    first, second, third = (f"AU{number}" for number in (1, 2, 4))
    one, two, three = (
        question(Protocol("", units, scale), form) for units in ((first,), (first, second), (first, second, third))
    )
    separator = answer_pieces(Protocol("", (first, second), scale))[1][0].removesuffix(f"{second}=")
    found = {"levels": len(value_strings(scale)), "separator": separator, "definitions": form == "full"}
    if form == "short":
        return found | {"opening": "", "rule": one.removesuffix(first), "named": 0, "blank": "", "more": ""}
    opening, _, rule = one.split("\n")
    rule, _, blank = rule.rpartition(first)
    more = three.splitlines()[-1].removeprefix(two.splitlines()[-1])
    return found | {"opening": opening + "\n", "rule": rule, "named": 2, "blank": blank, "more": more}


def _check(processor: AULlavaProcessor, config: AULlavaConfig, settings: DecisionConfig) -> None:
    """Refuse files with which stock transformers would read at other tokens than mode "parallel".

    Raises:
        ValueError: what differs.
    """
    probe = copy.deepcopy(processor)  # the marks are added to its vocabulary
    for scale, kind in TYPES.items():
        for units in (("AU12",), ("AU4", "AD30"), ("AU1", "AU2", "AU4"), tuple(reversed(ACTION_UNITS))):
            protocol = Protocol("probe", units, scale)
            text = question(protocol, config.question_form)
            plan = compile_plan(processor.tokenizer, processor.prompt(text, config.prompt_layout), protocol)
            ids = processor.encode([_GRAY], text, config.prompt_layout)["input_ids"][0].tolist()
            marks = []
            for slot in plan.slots:
                ids += slot.literal
                marks.append(len(ids))
            asked = {"type": kind} | ({"criteria": list(value_strings(scale))} if scale == INTENSITY else {})
            request = {"state": "face", "assets": {"face": _GRAY}, "questions": dict.fromkeys(units, asked)}
            try:
                labels = [(token,) for token in label_token_ids(probe.tokenizer, tuple(value_strings(scale)))]
                ((inputs, _),) = settings.prepare_inputs(request, probe)
            except (NotImplementedError, ValueError) as error:
                raise ValueError(f"stock transformers cannot read this checkpoint: {error}") from error
            same_labels = all(list(slot.sequences) == labels for slot in plan.slots)
            if inputs["input_ids"][0].tolist() != ids or inputs["marks"].tolist() != marks or not same_labels:
                differing = "the prompt" if same_labels else "a value"
                raise ValueError(
                    f'stock transformers would not tokenise as mode "parallel" does: {differing} is other tokens, asked for '
                    f"{len(units)} units on the scale {scale}. Its decision API cannot serve this tokenizer and chat template"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a checkpoint: configuration, processor and tokenizer")
    write_decision_files(parser.parse_args().folder)


if __name__ == "__main__":
    main()
