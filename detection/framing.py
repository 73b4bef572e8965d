"""How faces are cropped for the model: the detector, the margin around the face, and which faces are taken.

    framing = Framing(**model.config.framing)              # as in the training of a checkpoint
    detector = make_detector(framing)
    crops = [detector.crop(image, box) for box in detector.detect(np.asarray(image))]

Conventions
    detector    a key of DETECTORS, with ":" and its weights if it has some. "haar": the cascade that comes with OpenCV.
                "yunet:FILE.onnx", "yunet:ORG/NAME" or "yunet:ORG/NAME/FILE.onnx": YuNet, by its weights. "none": every image
                is one face as it is.
    margin      share of a box's longer side added on each side of the square crop, 0 to 4. Boxes of different detectors cover
                different parts of a face, so a margin belongs to its detector.
    alignment   "none": crops are not turned.
    largest     whether only the largest face of an image is taken.
    weights     of YuNet are identified by their file's name, since its folder differs from machine to machine.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aullava.detection.detector import HAAR_MARGIN, ChosenFaces, Detector, HaarDetector, NoDetector
from aullava.detection.yunet import YUNET_FILE, YUNET_MARGIN, YUNET_NAMES, YuNetDetector, find_weights
from aullava.image_aullava import DEFAULT_FRAMING, HIGHEST_MARGIN, check_framing


@dataclass(frozen=True)
class DetectorKind:
    """What a name of a detector means. An entry of DETECTORS adds one.

    Args:
        make: (weights, margin, min_face) -> Detector; weights: what stands behind ":" in its name, min_face: as in
            detection/detector.py, or None.
        words: what finds the faces, in a sentence.
        margin: its own, which holds where none is given.
        names: how it is named with its weights: "yunet:FILE.onnx, ..."; "" if it has none.
        find_weights: weights -> file of them. weights_file: its name, where only a repository is given.
    """

    make: Callable[[str, float, float | None], Detector]
    words: str
    margin: float = 0.25
    names: str = ""
    find_weights: Callable[[str], str] | None = None
    weights_file: str = ""


DETECTORS: dict[str, DetectorKind] = {
    "haar": DetectorKind(
        lambda weights, margin, min_face: HaarDetector(margin, min_face=min_face),
        words="OpenCV's cascade",
        margin=HAAR_MARGIN,
    ),
    "none": DetectorKind(lambda weights, margin, min_face: NoDetector(), words="nothing", margin=0.0),
    "yunet": DetectorKind(
        lambda weights, margin, min_face: YuNetDetector(find_weights(weights), margin, min_face=min_face),
        words="YuNet",
        margin=YUNET_MARGIN,
        names=YUNET_NAMES,
        find_weights=find_weights,
        weights_file=YUNET_FILE,
    ),
}


def _kind(detector: str, also: str = "") -> DetectorKind:
    """Of "haar" or "yunet:FILE.onnx".

    Raises:
        ValueError: there is no such detector, or its weights are missing, or it has none. `also`: what else the message expects.
    """
    name, _, weights = detector.partition(":")
    if name not in DETECTORS or bool(weights) != bool(DETECTORS[name].names) or (":" in detector and not weights):
        *known, last = (kind.names or name for name, kind in DETECTORS.items())
        raise ValueError(f"unknown way to find faces {detector!r}: expected {also}{', '.join(known)}, or {last}")
    return DETECTORS[name]


@dataclass(frozen=True)
class Framing:
    """See above. `Framing()` is the framing of a checkpoint that states none.

    Args:
        margin: None for the detector's default.

    Raises:
        ValueError: a value is out of range.
    """

    detector: str = DEFAULT_FRAMING["detector"]
    margin: float | None = None
    alignment: str = DEFAULT_FRAMING["alignment"]
    largest: bool = DEFAULT_FRAMING["largest"]

    def __post_init__(self):
        kind = _kind(str(self.detector))
        if self.margin is None:
            object.__setattr__(self, "margin", kind.margin)
        check_framing(asdict(self))

    @property
    def crops(self) -> bool:
        """Whether faces are searched for and cut out."""
        return self.detector != "none"

    def stored(self) -> dict[str, Any]:
        """As a checkpoint's configuration holds it, without paths of this machine."""
        return asdict(self) | {"detector": without_folder(self.detector)}

    def __str__(self) -> str:
        if not self.crops:
            return "whole pictures, each taken for one face"
        weights = without_folder(self.detector).partition(":")[2]
        finder = _kind(self.detector).words + (f" ({weights})" if weights else "")
        whose = "the largest face of a picture" if self.largest else "every face of a picture"
        return f"{whose}, found by {finder}, in a square larger than its box by {100 * self.margin:.4g}% of its side on each side"


@dataclass(frozen=True)
class AskedFraming:
    """The framing that flags ask for.

    Args:
        faces: "auto": as the checkpoint says. "none": the images are faces that were cropped before; this describes the images
            and contradicts nothing. Otherwise a detector, which must be the checkpoint's.
        margin: must be the checkpoint's.
        largest: read only the largest face. It is framed as ever, so this contradicts nothing either.
        override: changes the checkpoint's framing on purpose: "detector=yunet:FILE.onnx,margin=0.25", keys of `Framing`. Another
            detector brings its own margin, unless a margin is given as well.

    Raises:
        ValueError: a value is out of range, or a key unknown.
    """

    faces: str = "auto"
    margin: float | None = None
    largest: bool = False
    override: str | None = None

    def __post_init__(self):
        if self.faces != "auto":
            _kind(self.faces, also="auto, ")
        if self.margin is not None and not 0 <= self.margin <= HIGHEST_MARGIN:
            raise ValueError(f"--margin {self.margin:g}: expected a share from 0 to {HIGHEST_MARGIN}")
        if self.margin is not None and self.faces == "none":
            raise ValueError(f"--margin {self.margin:g} with --faces none: only crops have one; take another --faces")
        if self.override is not None and self.faces == "none":
            raise ValueError(f"--framing {self.override} and --faces none: give one of them")
        if self.override is not None:
            _changed(Framing(), self.override)

    def over(self, own: Framing | None) -> Framing:
        """The framing to use.

        Args:
            own: the checkpoint's; None without a checkpoint, so that the flags alone decide.

        Raises:
            ValueError: a flag contradicts it; names both values and how to override.
        """
        if own is None:
            detector = DEFAULT_FRAMING["detector"] if self.faces == "auto" else self.faces
            return _changed(Framing(detector, self.margin, largest=self.largest), self.override)
        framing = _changed(own, self.override)
        if self.faces == "none":
            return Framing("none")
        detector = framing.detector if self.faces == "auto" else self.faces
        whose = "--framing" if self.override else "the checkpoint's framing"
        if not _same_detector(detector, framing.detector):
            raise ValueError(
                f"--faces {self.faces} contradicts {whose}, which has detector {framing.detector}: leave --faces out, or "
                f"override with --framing detector={self.faces}"
            )
        if self.margin is not None and self.margin != framing.margin:
            raise ValueError(
                f"--margin {self.margin:g} contradicts {whose}, which has margin {framing.margin:g}: leave --margin out, or "
                f"override with --framing margin={self.margin:g}"
            )
        return replace(framing, detector=detector, largest=framing.largest or self.largest)


def make_detector(framing: Framing, *, min_confidence: float = 0.0, min_face: float | None = None) -> Detector:
    """A detector that crops faces as the framing says.

    Args:
        min_confidence: faces with a lower score, 0 to 1, are left out.
        min_face: as in detection/detector.py; None for the detector's default.

    Raises:
        ValueError: an argument is out of range, or the weights cannot be found or run.
        FileNotFoundError: this OpenCV comes without cascades.
    """
    weights = framing.detector.partition(":")[2]
    detector = _kind(framing.detector).make(weights, framing.margin, min_face)
    chosen = framing.largest or min_confidence
    return ChosenFaces(detector, framing.largest, min_confidence) if chosen else detector


def weights_hash(framing: Framing) -> str | None:
    """SHA-256 of the detector's weights; None for detectors without weights of their own, which come with the libraries.

    Raises:
        ValueError: the weights cannot be found.
    """
    find, weights = _kind(framing.detector).find_weights, framing.detector.partition(":")[2]
    return hashlib.sha256(Path(find(weights)).read_bytes()).hexdigest() if find else None


def without_folder(detector: str) -> str:
    """A detector's name without the folder of its weights, which holds on every machine."""
    kind, _, weights = detector.partition(":")
    return f"{kind}:{Path(weights).name}" if Path(weights).is_file() else detector


def _same_detector(one: str, other: str) -> bool:
    """Whether both names mean one detector, wherever its weights lie."""
    (kind, _, weights), (other_kind, _, other_weights) = one.partition(":"), other.partition(":")
    file = _kind(one).weights_file
    names = {Path(name).name if name.endswith(Path(file).suffix) else file for name in (weights, other_weights)}
    return kind == other_kind and len(names) == 1


def _changed(framing: Framing, override: str | None) -> Framing:
    """The framing with the values that an override gives."""
    given: dict[str, Any] = {}
    for part in re.split(r",(?=\w+=)", override) if override is not None else ():
        key, _, value = part.partition("=")
        if key not in DEFAULT_FRAMING or not value or key in given:
            raise ValueError(
                f"--framing {override}: expected {', '.join(f'{key}=VALUE' for key in DEFAULT_FRAMING)}, some of them, each once"
            )
        try:
            given[key] = {"margin": float, "largest": {"true": True, "false": False}.__getitem__}.get(key, str)(value)
        except (ValueError, KeyError):
            expected = "a number" if key == "margin" else "true or false"
            raise ValueError(f"--framing {override}: {key} is {value!r}, expected {expected}") from None
    if "detector" in given and not _same_detector(given["detector"], framing.detector):
        given.setdefault("margin", None)
    return replace(framing, **given)
