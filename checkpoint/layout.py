"""A checkpoint made into a model folder for the Hub: weights, the code that reads them, a card and a licence.

The folder is a dual checkpoint. With trust_remote_code=True its auto_map leads to this project's classes. Without, and
in serving engines, it is a stock LLaVA: architectures and processor_class name the stock classes, no tensor is extra.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from aullava.checkpoint.model_card import plain_card
from aullava.common.files import replaced_folder
from aullava.configuration_aullava import AUTO_MAP, CUSTOM_PIPELINES

ROOT = Path(__file__).resolve().parents[1]
EMBEDDED = ROOT / "checkpoints" / "au-llava-tiny"

# The code that travels with every checkpoint; nothing else of the package does.
REMOTE_FILES = (
    "action_units.py",
    "configuration_aullava.py",
    "image_aullava.py",
    "processing_aullava.py",
    "plan_aullava.py",
    "tree_aullava.py",
    "readout_aullava.py",
    "modeling_aullava.py",
    "pipeline_aullava.py",
)
CHANGELOG = "CHANGELOG.md"  # of the weights
RESULTS = ".eval_results/aullava.yaml"  # figures for leaderboards of the Hub
# What is taken from a checkpoint. Everything else stays behind: optimizer states, training arguments (a pickle), logs.
CHECKPOINT_FILES = (
    "README.md",
    CHANGELOG,
    RESULTS,
    "training.json",
    "config.yaml",
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "chat_template.jinja",
    "decision.json",
    "decision_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
WEIGHTS, INDEX, SHARDS = "model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"
EXAMPLE = "face.png"  # what a card reads; `aullava release` draws it
PLACE = b"path/of/this/folder"  # in a card: what people load it by
_OBJECTS = ("config.json", "processor_config.json", "tokenizer_config.json")
_REQUIRED = (*_OBJECTS, "tokenizer.json", "chat_template.jinja")
_DECISION = ("decision.json", "decision_template.jinja")
_DECISION_PROMPT = {"question_form": "full", "prompt_layout": "image_first"}  # and the configuration's defaults
_DECISION_SCALES = {"noul": "occurrence", "score": "intensity"}
_PROCESSOR_MAP = {"AutoProcessor": "processing_aullava.AULlavaProcessor"}


def embedded_checkpoint() -> Path:
    """The checkpoint that comes with the package.

    Raises:
        FileNotFoundError: this copy of the package has none.
    """
    if not (EMBEDDED / "config.json").is_file():
        raise FileNotFoundError(
            f"this copy has no embedded checkpoint: expected {EMBEDDED}. Pass --checkpoint with a folder or a Hub id, "
            "or take a complete copy of the repository"
        )
    return EMBEDDED


def assemble(
    checkpoint: str | Path,
    out_dir: str | Path,
    repo: str | None = None,
    card: bytes | None = None,
    finish: Callable[[Path], object] | None = None,
) -> Path:
    """Write the Hub folder of a checkpoint. It appears whole or not at all, and replaces an earlier release.

    Args:
        checkpoint: folder with config, safetensors weights, processor and tokenizer.
        out_dir: the folder to write; missing, empty, or an earlier release whose card is as it was written. Where it is
            a link, the folder it leads to is written.
        repo: "ORG/NAME" of the Hub, by which the card then tells people to load it.
        card: what README.md says; default as in `card_of`.
        finish: called with the folder before it appears; what it raises leaves everything as it was.

    Returns:
        `out_dir`.

    Raises:
        FileNotFoundError: the checkpoint lacks a file.
        FileExistsError: `out_dir` holds something else than a release, an edited card, or the current folder.
        ValueError: the checkpoint is no LLaVA model, or a file of it is damaged.
    """
    checkpoint, out_dir = Path(checkpoint), Path(out_dir)
    check_complete(checkpoint)
    target = Path(os.path.realpath(out_dir))
    card = card or card_of(checkpoint, target.name)
    _check_free(out_dir, checkpoint, card)
    with replaced_folder(target) as staged:
        for file in taken_files(checkpoint):
            (staged / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(checkpoint / file, staged / file)
        for file in (*REMOTE_FILES, "LICENSE"):
            shutil.copyfile(ROOT / file, staged / file)
        _make_dual(staged)
        (staged / "README.md").write_bytes(card.replace(PLACE, repo.encode()) if repo else card)
        if finish:
            finish(staged)
    return out_dir


def taken_files(checkpoint: Path) -> list[str]:
    """Names of the files a release takes from a checkpoint folder: those listed above, and the weights."""
    taken = {*CHECKPOINT_FILES, *_weights(checkpoint)}
    return [name for name in _names(checkpoint) if name in taken]


def is_release_file(name: str) -> bool:
    """Whether a release may hold a file of this name, a path from its folder."""
    named = {*CHECKPOINT_FILES, WEIGHTS, INDEX, *REMOTE_FILES, EXAMPLE, "LICENSE"}
    return name in named or ("/" not in name and fnmatch(name, SHARDS))


def left_files(checkpoint: Path) -> list[str]:
    """Names of the files and folders a release leaves behind."""
    return sorted(set(_names(checkpoint)) - set(taken_files(checkpoint)))


def check_model(folder: Path) -> None:
    """Refuse a model folder that transformers would build something else from, or whose weights are no weights.

    Raises:
        FileNotFoundError: no config.json.
        ValueError: config.json describes no LLaVA model, or a file of weights is not whole.
    """
    config = _read(folder / "config.json")
    if config.get("model_type") != "llava":
        raise ValueError(f"{folder}/config.json has model_type {config.get('model_type')!r}: expected 'llava'")
    if not config.get("text_config"):
        # The default language model would be built, of 7 billion weights.
        raise ValueError(f"{folder}/config.json has no text_config: expected the configuration of the language model")
    for path in (folder / name for name in weight_files(folder)):
        if path.is_file() and not _is_whole(path):
            raise ValueError(f"{path} is cut off or damaged, or a git-LFS pointer to the file: download it again")


def weight_files(folder: Path) -> list[str]:
    """Names of the safetensors files that transformers would load from a folder."""
    return [name for name in _weights(folder) if name != INDEX]


def _weights(folder: Path) -> list[str]:
    """Files of the weights that transformers would load: one file if it is there, else those of the index."""
    if (folder / WEIGHTS).exists() or not (folder / INDEX).exists():
        return [WEIGHTS]
    shards = _read(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict):
        raise ValueError(f"{folder / INDEX} has no weight_map: expected the file of each tensor")
    names = sorted({str(name) for name in shards.values()})
    if foreign := [name for name in names if "/" in name or not fnmatch(name, SHARDS)]:
        raise ValueError(
            f"{folder / INDEX} names {foreign[0]}: expected files such as model-00001-of-00002.safetensors"
        )
    return [INDEX, *names]


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file ends where its header says that the last tensor does."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if 2 <= length <= size - 8 else b"{}"
    try:
        ends = [tensor["data_offsets"][1] for name, tensor in json.loads(text).items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0) == size
    except (ValueError, TypeError, LookupError, AttributeError):  # no header of safetensors
        return False


def _names(folder: Path) -> list[str]:
    """What a folder holds. Of the one folder that a release has, what is in it; of any other, its name."""
    inner = folder / Path(RESULTS).parent
    paths = [path for path in folder.iterdir() if path != inner or not inner.is_dir()]
    paths += inner.iterdir() if inner.is_dir() else []
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def check_complete(checkpoint: Path) -> None:
    """Refuse a folder that is no whole checkpoint, or whose files contradict each other.

    Raises:
        FileNotFoundError: no folder, or a file of it is missing.
        ValueError: it holds an adapter or no LLaVA model, or a file of it is damaged.
    """
    if not checkpoint.is_dir():
        raise FileNotFoundError(f"no checkpoint folder {checkpoint}: save or download the checkpoint first")
    names = set(_names(checkpoint))
    if "adapter_config.json" in names:
        raise ValueError(
            f"{checkpoint} holds an adapter: merge it into its base: python -m aullava.training.run.saving {checkpoint} OUT"
        )
    if missing := [name for name in (*_REQUIRED, *_weights(checkpoint)) if name not in names]:
        raise FileNotFoundError(f"checkpoint {checkpoint} lacks {', '.join(missing)}: save model and processor")
    check_links(checkpoint)
    for name in _OBJECTS:
        _read(checkpoint / name)
    check_model(checkpoint)
    _check_decision(checkpoint, names)


def check_links(checkpoint: Path) -> None:
    """Refuse what would let something else go out under the name of a file of a checkpoint, or of adapters.

    Raises:
        FileNotFoundError: a file that a release takes is a folder, or a link that leads nowhere.
        ValueError: it is a link that leads out of the folder.
    """
    folder = checkpoint.resolve()
    places = [folder]
    if folder.parent.name == "snapshots":  # the Hub's cache, which consists of links
        places.append(folder.parents[1] / "blobs")
    for path in (checkpoint / name for name in taken_files(checkpoint)):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is a folder, or a link that leads nowhere: expected a file")
        if not any(path.resolve().is_relative_to(place) for place in places):
            raise ValueError(f"{path} is a link that leads out of the checkpoint: put the file itself there")


def _check_decision(checkpoint: Path, names: set[str]) -> None:
    """Refuse files of the decision API that would read otherwise than the configuration says."""
    found = [name for name in _DECISION if name in names]
    if not found:
        return
    mend = f"write both anew: python -m aullava.checkpoint.decision {checkpoint}"
    if found != list(_DECISION):
        raise ValueError(f"checkpoint {checkpoint} holds {found[0]} without its twin: {mend}")
    config, decision = _read(checkpoint / "config.json"), _read(checkpoint / "decision.json")
    for key, default in _DECISION_PROMPT.items():
        if decision.get(key, default) != config.get(key, default):
            raise ValueError(
                f"{checkpoint}/{_DECISION[1]} was made for {key} {decision.get(key, default)!r}, but config.json has "
                f"{config.get(key, default)!r}: {mend}"
            )
    calibrated, written = config.get("calibration", {}).get("temperature", {}), decision.get("temperature", {})
    for kind, scale in _DECISION_SCALES.items():
        if written.get(kind, 1.0) != calibrated.get(scale, 1.0):
            raise ValueError(
                f"{checkpoint}/decision.json has temperature {written.get(kind, 1.0)} for {kind}, but config.json has "
                f"{calibrated.get(scale, 1.0)} for {scale}: {mend}"
            )


def _check_free(out_dir: Path, checkpoint: Path, card: bytes) -> None:
    """Refuse every place whose contents somebody may miss."""
    if not os.path.lexists(out_dir):
        return
    if not out_dir.is_dir():
        raise FileExistsError(f"{out_dir} is a file, or a link that leads nowhere: name a folder")
    if out_dir.samefile(checkpoint):
        raise FileExistsError(f"{out_dir} is the checkpoint itself: name another folder")
    if Path.cwd().is_relative_to(out_dir.resolve()):
        raise FileExistsError(f"{out_dir} is the current folder or around it, and would be replaced: start elsewhere")
    names = _names(out_dir)
    foreign = [name for name in names if not is_release_file(name)]
    earlier_release = not foreign and set(REMOTE_FILES) <= set(names)
    if names and not earlier_release:
        about = f"holds {', '.join(foreign[:3])}" if foreign else "holds files that are no release"
        raise FileExistsError(f"{out_dir} {about}: name a new folder, an empty one, or one of an earlier release")
    if CHANGELOG in names and not (checkpoint / CHANGELOG).is_file():
        raise FileExistsError(f"{out_dir} holds a {CHANGELOG} that {checkpoint} has not: move it there, or away")
    readme = out_dir / "README.md"
    written = re.escape(card).replace(re.escape(PLACE), rb"[\w./-]+")  # whatever name an earlier release had
    if readme.is_file() and not re.fullmatch(written, readme.read_bytes()):
        raise FileExistsError(
            f"{readme} is not the card this release would write: move it away or name another folder"
        )


def _make_dual(folder: Path) -> None:
    """Name the stock classes where stock loaders look, and ours in the auto_maps. Doing it twice changes nothing."""
    edits = {
        "config.json": {
            "architectures": ["LlavaForConditionalGeneration"],
            "auto_map": AUTO_MAP,
            "custom_pipelines": CUSTOM_PIPELINES,
        },
        "processor_config.json": {"processor_class": "LlavaProcessor", "auto_map": _PROCESSOR_MAP},
        "tokenizer_config.json": {"processor_class": "LlavaProcessor"},
    }
    for name, edit in edits.items():
        content = _read(folder / name) | edit
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a JSON {type(content).__name__}: expected an object")
    return content


def card_of(checkpoint: Path, name: str) -> bytes:
    """The checkpoint's own card, or a plain one with this name for a title."""
    own = checkpoint / "README.md"
    return own.read_bytes() if own.is_file() else plain_card(checkpoint, name).encode()
