"""Which corpora a run is trained on, in which proportions, and what is asked about their rows."""

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aullava.action_units import SCALES
from aullava.dataset_builder.chat.formats import KINDS, ChatMix
from aullava.dataset_builder.corpora.registry import READERS, options_of, reader_class
from aullava.dataset_builder.rows.load import load_au_dataset
from aullava.detection.framing import AskedFraming, Framing

NOTHING = "-"  # stands for "no folder" and "no fold" in a list with one entry per corpus
_FIELD_OF = {  # what load_au_dataset takes -> the field that says it for all corpora
    "name": "corpora",
    "data_dir": "data_dirs",
    "fold": "folds",
    "faces": "crop_faces",
    "margin": "crop_margin",
    "validation_share": "validation_share",
    "seed": "data_mix_seed",
    "cache_dir": "cache_dir",
    "num_proc": "build_processes",
}
_SETTLED = (
    "split",
    "streaming",
    "no_face",
    "counts",
)  # training always takes all splits, from a cache, and faces only
_SHARES = ("validation_share", "full_question_share", "balance_units", "max_bad_images")


@dataclass
class DataArguments:
    """Corpora, their mix, and the questions. Lists have one entry per corpus, in the order of `corpora`."""

    corpora: list[str] = field(
        default_factory=list,
        metadata={"help": f"Corpora to train on: {', '.join(READERS)}. Without any: drawn faces."},
    )
    data_dirs: list[str] = field(
        default_factory=list,
        metadata={"help": f"Folder of each; {NOTHING} for procedural and rendered, which have none."},
    )
    folds: list[str] | None = field(
        default=None, metadata={"help": f"Fold of each, such as fold1; {NOTHING}: no fold, or the owners' splits."}
    )
    corpus_weights: list[float] | None = field(
        default=None, metadata={"help": "Relative shares of the rows drawn; default: by number of rows."}
    )
    corpus_options: dict | str | None = field(
        default=None,
        metadata={"help": 'Options of load_au_dataset by corpus: a mapping, or JSON: {"disfa": {"camera": "right"}}.'},
    )
    crop_faces: str = field(
        default="none",
        metadata={
            "help": "none: whole images. auto or haar: crops of the largest face of each, found by OpenCV's cascade; "
            "yunet:FILE.onnx or yunet:ORG/NAME: found by YuNet. Drawn faces stay whole."
        },
    )
    crop_margin: float | None = field(
        default=None,
        metadata={"help": "Share of a face's side added around its crop, 0 to 4; default: 0.25, with yunet 0.125."},
    )
    validation_share: float = field(
        default=0.1,
        metadata={"help": "Fraction of training subjects held out where a corpus has no validation subjects. 0 to 1."},
    )
    validation_rows: int = field(
        default=1000, metadata={"help": "Most rows to validate on, spread evenly over subjects."}
    )
    epoch_rows: int | None = field(
        default=None, metadata={"help": "Images per epoch; default: as many as the corpora have for training."}
    )
    balance_units: float = field(
        default=0.0,
        metadata={
            "help": "How much more often rows with rare units are drawn; 0: not at all, 0.5: by square root, 1: by rate."
        },
    )
    kind_shares: dict | str | None = field(
        default=None,
        metadata={"help": f'Relative shares of the kinds of questions: {", ".join(KINDS)}. As JSON: {{"whole": 1}}.'},
    )
    format_shares: dict | str | None = field(
        default=None,
        metadata={"help": f"Relative shares of {', '.join(SCALES)} among the turns; a scale left out is not asked."},
    )
    turns_per_image: int = field(default=1, metadata={"help": "Turns per image."})
    full_question_share: float = field(
        default=0.5, metadata={"help": "Fraction of questions in the full form. 0 to 1."}
    )
    active_share: float | None = field(
        default=0.5,
        metadata={
            "help": "Fraction of single-unit questions about an active unit. 0 to 1; -1: at the corpus's own rate."
        },
    )
    max_bad_images: float = field(
        default=0.01, metadata={"help": "Fraction of a corpus's images that may be unreadable. 0 to 1."}
    )
    data_mix_seed: int = field(
        default=0, metadata={"help": "Seed of drawing rows, asking questions and holding out subjects."}
    )
    cache_dir: str | None = field(default=None, metadata={"help": "Cache of built rows; default: that of datasets."})
    build_processes: int | None = field(default=None, metadata={"help": "Number of processes that build rows."})

    def __post_init__(self):
        for name in ("corpora", "data_dirs", "folds", "corpus_weights"):
            if isinstance(getattr(self, name), (str, int, float)):
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected a list with one entry per corpus")
        for name in ("corpus_options", "kind_shares", "format_shares"):
            setattr(self, name, _mapping(name, getattr(self, name)))
        if self.active_share == -1:  # the command line cannot say None
            self.active_share = None
        self._check_corpora()
        self._check_lists()
        self._check_options()
        self._check_numbers()
        self.chat_mix()

    @property
    def framing(self) -> Framing:
        """How images are cropped, but for those of corpora that are faces already."""
        return AskedFraming(self.crop_faces, self.crop_margin, largest=True).over(None)

    def fold_of(self, place: int) -> str | None:
        """Fold of the corpus at this place in `corpora`."""
        fold = str(self.folds[place]) if self.folds else NOTHING
        return None if fold == NOTHING else fold

    def folder_of(self, place: int) -> str | None:
        """Folder of the corpus at this place in `corpora`."""
        folder = self.data_dirs[place] if self.data_dirs else NOTHING
        return None if folder == NOTHING else folder

    def chat_mix(self) -> ChatMix:
        """What is asked about a training row."""
        kinds = dict.fromkeys(KINDS, 0.0) | self.kind_shares if self.kind_shares else {}
        return ChatMix(
            **kinds,
            turns_per_image=self.turns_per_image,
            full_share=self.full_question_share,
            active_share=self.active_share,
            scales=tuple(scale for scale in SCALES if self.format_shares.get(scale, not self.format_shares)),
            seed=self.data_mix_seed,
        )

    def _check_corpora(self):
        for name in self.corpora:
            reader_class(name)  # raises with those there are
        if twice := sorted({name for name in self.corpora if self.corpora.count(name) > 1}):
            raise ValueError(
                f"corpora names {', '.join(twice)} more than once: name each once, tables joined into one"
            )
        if self.corpora:
            return
        default = type(self).__dataclass_fields__
        for name in ("data_dirs", "folds", "corpus_weights", "corpus_options", "epoch_rows", "balance_units"):
            if getattr(self, name) and getattr(self, name) != default[name].default:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} with corpora=[]: give the corpora, or leave {name} out"
                )

    def _check_lists(self):
        for name in ("data_dirs", "folds", "corpus_weights"):
            given = getattr(self, name)
            if given and len(given) != len(self.corpora):
                raise ValueError(
                    f"{name} has {len(given)} entries and corpora {len(self.corpora)} ({', '.join(self.corpora)}): give one each"
                    + (f", {NOTHING} for none" if name != "corpus_weights" else "")
                )
        for place, name in enumerate(self.corpora):
            if reader_class(name).on_disk and self.folder_of(place) is None:
                raise ValueError(f"corpora names {name} but data_dirs has no folder for it: give its folder")
        weights = self.corpus_weights
        if weights and not all(math.isfinite(weight) and weight > 0 for weight in weights):
            raise ValueError(
                f"corpus_weights is {weights}: expected numbers above 0; leave a corpus out of corpora instead"
            )

    def _check_options(self):
        for name, options in self.corpus_options.items():
            if name not in self.corpora:
                raise ValueError(
                    f"corpus_options names {name!r}, which corpora={self.corpora} does not: correct one of the two"
                )
            if not isinstance(options, Mapping):
                raise ValueError(f"corpus_options of {name} is {options!r}: expected a mapping of options")
            known = {*options_of(name), *inspect.signature(load_au_dataset).parameters} - {"options"}
            for option in options:
                if option in _FIELD_OF:
                    raise ValueError(
                        f"corpus_options gives {name} {option!r}, which {_FIELD_OF[option]} sets: use that"
                    )
                if option in _SETTLED or option not in known:
                    allowed = ", ".join(sorted(known.difference(_FIELD_OF, _SETTLED)))
                    raise ValueError(f"corpus_options gives {name} {option!r}: expected one of {allowed}")

    def _check_numbers(self):
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number from 0 to 1")
        for name, lowest in (("validation_rows", 1), ("epoch_rows", len(self.corpora)), ("build_processes", 1)):
            if getattr(self, name) is not None and getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}: expected {lowest} or more")
        if self.validation_share == 1:
            raise ValueError("validation_share is 1: no subjects would be left to train on; expected less")
        try:
            _ = self.framing
        except ValueError as error:
            raise ValueError(f"crop_faces is {self.crop_faces!r}, crop_margin {self.crop_margin}: {error}") from None
        if self.data_mix_seed < 0:
            raise ValueError(f"data_mix_seed is {self.data_mix_seed}: expected 0 or more")
        for name, known in (("kind_shares", KINDS), ("format_shares", SCALES)):
            shares = getattr(self, name)
            if unknown := sorted(set(shares) - set(known)):
                raise ValueError(f"{name} names {', '.join(unknown)}: expected some of {', '.join(known)}")
            if shares and (not all(_is_share(share) for share in shares.values()) or not sum(shares.values())):
                raise ValueError(f"{name} is {shares}: expected numbers, none negative, not all 0")


def _mapping(name: str, given: dict | str | None) -> dict:
    """YAML gives a mapping, the command line gives JSON."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name} is {given!r}, which is not JSON ({error}): expected a mapping") from None
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"{name} is {given!r}: expected a mapping")
    return dict(given or {})


def _is_share(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given) and given >= 0
