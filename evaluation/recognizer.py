"""A checkpoint that reads pictures, and a fingerprint of all that its readings depend on."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from aullava.action_units import Protocol
from aullava.checkpoint.training_record import training_record
from aullava.common.hashing import file_hash
from aullava.dataset_builder.seen import refuse_seen
from aullava.evaluation.rows import EvaluationRows
from aullava.readout_aullava import AUReading
from aullava.recognition.identity import identify
from aullava.recognition.load import load_checkpoint


@dataclass(frozen=True)
class Recognizer:
    """Model and processor of a checkpoint.

    Attributes:
        name: as it was asked for. weights: hash of its files, or the commit on the Hub.
    """

    name: str
    weights: str
    model: Any
    processor: Any

    @classmethod
    def load(cls, checkpoint: str | Path, device: str = "auto") -> "Recognizer":
        """From a folder or the Hub.

        Raises:
            ValueError: see `recognition.load.load_checkpoint`.
        """
        model, processor = load_checkpoint(checkpoint, device)
        folder = Path(checkpoint)
        weights = hash_of(folder) if folder.is_dir() else f"{checkpoint}@{identify(checkpoint, model).revision}"
        return cls(str(checkpoint), weights, model, processor)

    @property
    def fingerprint(self) -> str:
        """Of weights, precision and calibration; the last may be changed after loading."""
        state = {"calibration": self.model.config.calibration, "dtype": str(self.model.dtype)}
        return hashlib.sha256(f"{self.weights}{json.dumps(state, sort_keys=True)}".encode()).hexdigest()[:32]

    @property
    def side(self) -> int:
        """Height in pixels of the pictures that the model takes."""
        size = self.processor.image_processor.size
        return size.get("height") or size["shortest_edge"]

    def refuse_seen(self, rows: EvaluationRows) -> str | None:
        """Refuse rows of people who trained or validated the checkpoint; rows of split "validation" only if they trained it.

        Returns:
            A sentence for the report where it is not known who trained, else None.

        Raises:
            LeakError: it has seen some of them; see dataset_builder/seen.py.
            ValueError: its training.json is damaged.
        """
        record = training_record(self.name)
        people = {(rows.corpus, subject) for subject in rows.subjects}
        name = Path(self.name).name if Path(self.name).is_dir() else self.name
        return refuse_seen(record, people, name, validates=rows.split == "validation")

    def recognize(
        self, images: Sequence[Image.Image], protocol: Protocol, mode: str, batch_size: int
    ) -> list[AUReading]:
        """One reading a picture, with distributions where the mode gives them."""
        return self.model.recognize(images, self.processor, protocol, mode, batch_size, distributions=True)


def hash_of(folder: Path) -> str:
    """Hash of the files that a model and its processor are loaded from."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("*.safetensors")]):
        if file.name != "training.json":  # says where the weights come from, and changes nothing
            digest.update(file.name.encode() + bytes.fromhex(file_hash(file)))
    return digest.hexdigest()
