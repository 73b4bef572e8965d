"""What every model card of AU-LLaVA says alike, whoever writes it: its sections, how to use it, what it is for, whom to cite.

Words in braces are filled in; `path/of/this/folder` becomes the name of the repo when a release is uploaded.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from aullava.detection.framing import Framing

SECTIONS = (
    "Outputs",
    "Use",
    "Input",
    "Training data",
    "Training",
    "Results",
    "Speed",
    "Limits",
    "Intended use, and not",
    "Licence",
    "Citation",
)
NOT_BY_GROUP = "**Results per group of people: not measured.**"
SPEED = "**Not measured.** `python benchmarks/readout.py --checkpoint FOLDER`, in a clone of AU-LLaVA, measures it."
USE = """\
With `pip install torch transformers pillow`; `face.png`, a drawn face, lies in the released folder.

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("path/of/this/folder", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("path/of/this/folder", trust_remote_code=True)
[reading] = model.recognize("face.png", processor=processor, protocol="{protocol}", mode="joint")
print(reading.values, reading.probabilities, reading.text)
```

This needs a folder that `aullava release` wrote, with the code beside the weights. From the Hub that code runs on your machine: \
look at it, and name the commit that you looked at with `revision="..."` in both calls. `aullava release --push` prints the id of \
the commit, and the history of the repo shows it. As a pipeline:

```python
from transformers import pipeline

read = pipeline("facial-action-units", model="path/of/this/folder", trust_remote_code=True)
print(read(["face.png"], protocol="{protocol}"))
```

Without `trust_remote_code` it is a stock LLaVA with equal logits:

```python
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained("path/of/this/folder")
```

From the command line, which finds the faces in pictures and videos (`pip install .` in a clone of AU-LLaVA), here or on a server \
that knows the checkpoint as stock LLaVA (`pip install "transformers[serving]"`):

```bash
aullava recognize pictures/ --checkpoint path/of/this/folder --out readings.csv
transformers serve path/of/this/folder --port 8000
aullava recognize pictures/ --checkpoint path/of/this/folder --server http://127.0.0.1:8000/v1 --out served.csv
```

AU-LLaVA's tests run the Python on small checkpoints, `aullava recognize` and `transformers serve` on its embedded one. \
`vllm serve path/of/this/folder` was not run: by its source vLLM takes a LLaVA whose tower is CLIP, SigLIP or Pixtral."""
INTENDED = """\
For research on facial behaviour, and for coding that people check. A reading describes visible muscle movement. It does not say \
what a person feels, intends or is, and must not be used to infer it; at work and in education that is prohibited in the European \
Union. Not for decisions about a person, not for identifying or watching people, and no replacement for a certified FACS coder. \
Whoever is recorded should know and agree."""
CITATION = """\
The method is that of this paper; nothing here reproduces its figures.

```bibtex
@article{hu2024towards,
  title = {Towards Unified Facial Action Unit Recognition Framework by Large Language Models},
  author = {Hu, Guohong and Lan, Xing and Jiang, Hanyu and Lyu, Jiayi and Xue, Jian},
  journal = {arXiv preprint arXiv:2409.08444},
  year = {2024}
}
```"""
_FILTERS = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic"}  # as Pillow numbers them


def card_of_sections(front_matter: str, name: str, summary: str, texts: Mapping[str, str]) -> str:
    """A whole card: `texts` holds what each of SECTIONS says."""
    blocks = [f"---\n{front_matter}\n---", f"# {name}", summary]
    for title in SECTIONS:
        blocks += [f"## {title}", texts[title]]
    return "\n\n".join(blocks) + "\n"


def input_text(folder: Path | None) -> str:
    """What happens to a picture before the model sees it, by the files of processor and configuration where they are there."""
    said = "One face a picture, upright, RGB."
    if steps := _read(folder, "processor_config.json").get("image_processor"):
        said += f" `processor` {_steps(steps)}."
    else:
        said += " The processor's files beside the weights say how it is resized and normalised."
    config = _read(folder, "config.json") or _read(folder, "model_config.json")  # of a checkpoint, of adapters
    if not config:
        return said
    margin = config.get("face_margin")  # how an older configuration says it
    framing = Framing(**config["framing"]) if "framing" in config else Framing(margin=margin)
    if not framing.crops:
        return f"{said} Pictures are read whole, as in training (`framing` in `config.json`); `aullava recognize` searches none."
    return f"{said} Out of other pictures `aullava recognize` crops as in training (`framing` in `config.json`): {framing}."


def _read(folder: Path | None, name: str) -> dict:
    path = folder / name if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


def _steps(settings: Mapping) -> str:
    steps = []
    if settings.get("do_resize"):
        kernel = _FILTERS.get(settings.get("resample"), "another filter")
        steps.append(f"resizes it to {_size(settings['size'])} ({kernel})")
    if settings.get("do_center_crop"):
        steps.append(f"keeps the middle {_size(settings['crop_size'])}")
    if settings.get("do_normalize"):
        scaled = f"x · {settings['rescale_factor']:.6g}" if settings.get("do_rescale") else "x"
        mean, deviation = (_numbers(settings[name]) for name in ("image_mean", "image_std"))
        steps.append(f"gives ({scaled} − {mean}) / {deviation}, channel by channel")
    return " and ".join(filter(None, (", ".join(steps[:-1]), *steps[-1:]))) or "leaves it as it is"


def _size(size: Mapping[str, int] | int) -> str:
    if isinstance(size, int):
        return f"{size} x {size}"
    for edge, side in (("shortest_edge", "shorter"), ("longest_edge", "longer")):
        if edge in size:
            return f"{size[edge]} on its {side} side"
    return f"{size['width']} x {size['height']}"


def _numbers(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.6g}' for value in values)}]" if len({*values}) > 1 else f"{values[0]:.6g}"


def licence_table(rows: Sequence[tuple[str, str]]) -> str:
    """Artifact and licence, with what is the same for all of ours."""
    same = [
        ("code and `face.png` of a release", "Apache-2.0, its `LICENSE`; the face is drawn and shows nobody"),
        (
            "face detector of `aullava recognize`",
            "the cascade in OpenCV's wheel, Intel's BSD-like licence; not in this folder",
        ),
    ]
    lines = ["| artifact | licence |", "|---|---|", *(f"| {what} | {said} |" for what, said in [*rows, *same])]
    return "\n".join(lines)
