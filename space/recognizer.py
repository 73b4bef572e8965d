"""What the Space asks of a model: the faces of a picture, and what each shows, by the steps that `aullava recognize` takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open

from aullava.action_units import Protocol
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.detection.detector import Detector
from aullava.detection.framing import AskedFraming, Framing, make_detector
from aullava.image_aullava import ImageReadError, load_image
from aullava.readout_aullava import AUReading
from aullava.recognition.frames import Frame
from aullava.recognition.rows import FaceRow, find_faces, number_faces, rows_of
from aullava.space.zerogpu import LentModel

MODES = ("joint", "parallel")
FACES = ("auto", "none")
BATCH_SIZE = 32


@dataclass(frozen=True)
class Recognizer:
    """A loaded checkpoint.

    Args:
        model: reads crops, on a GPU that may be lent for the time of a call.
        processor: as `load_checkpoint` gives it.
        name: what the page calls the checkpoint: its Hub id, or the name of its folder.
        drawn_only: whether it was trained on drawn faces and on nothing else, which the page then says.
        card: the model card of a folder, as Markdown without its front matter; "" where there is none or the Hub has it.
        on_hub: whether the name is a Hub id.
    """

    model: LentModel
    processor: Any
    name: str
    drawn_only: bool = False
    card: str = ""
    on_hub: bool = False

    @property
    def side(self) -> int:
        """The side in pixels of the square that the model looks at: faces drawn at this size are read best."""
        size = self.processor.image_processor.size
        return int(size.get("height") or size.get("shortest_edge"))

    def read(self, crops: Sequence, protocol: Protocol, mode: str) -> list[AUReading]:
        """One reading a crop."""
        found = self.model.recognize_many(list(crops), self.processor, [protocol], mode=mode, batch_size=BATCH_SIZE)
        return [readings[protocol.name] for readings in found]

    def detector(self, faces: str) -> Detector:
        """What finds and crops faces: "auto" as in the checkpoint's training, "none" takes a whole picture for one face."""
        return _make(AskedFraming(faces).over(Framing(**self.model.config.framing)))

    def rows(self, path: str | Path, name: str, protocol: Protocol, mode: str, faces: str) -> list[FaceRow]:
        """The faces of a picture file, largest first; one row of status "no_face" where none is found.

        Args:
            path: the file.
            name: what the rows and error messages call it; a server's own path is nobody's business.
            faces: as `detector`.

        Raises:
            ValueError: the file is no picture that can be read.
        """
        detector = self.detector(faces)
        try:
            image = load_image(path, name)
        except ImageReadError as error:
            raise ValueError(str(error).replace(str(path), name)) from error  # Pillow names the file in full
        frame = Frame(name, image_HWC=np.asarray(image))
        faces = number_faces(frame, find_faces(frame, detector))
        readings = self.read([face.crop for face in faces], protocol, mode) if faces else []
        return rows_of(frame, faces, [{protocol.name: reading} for reading in readings], [protocol])


def load_recognizer(checkpoint: str | None = None) -> Recognizer:
    """A recogniser of a folder or a Hub id; of the embedded checkpoint where none is named.

    Raises:
        ValueError: the checkpoint cannot be loaded.
    """
    chosen = checkpoint or embedded_checkpoint()
    model, processor = load_checkpoint(chosen)
    is_folder = Path(chosen).is_dir()
    name = Path(chosen).resolve().name if is_folder else str(chosen)
    readme, card = Path(chosen) / "README.md", ""
    if is_folder and readme.is_file():
        card = ModelCard(readme.read_text(encoding="utf-8", errors="replace"), ignore_metadata_errors=True).text
    # The embedded checkpoint is known by its weights: a release or a copy on the Hub has another name.
    with safe_open(embedded_checkpoint() / "model.safetensors", "pt") as weights:
        drawn_only = torch.equal(model.lm_head.weight.cpu().float(), weights.get_tensor("lm_head.weight").float())
    return Recognizer(
        LentModel(model, processor),
        processor,
        name,
        drawn_only=drawn_only,
        card=card,
        on_hub=not is_folder,
    )


@cache
def _make(framing: Framing) -> Detector:
    return make_detector(framing)
