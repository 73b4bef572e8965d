"""A loaded checkpoint that reads images, and its identity."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from aullava.action_units import Protocol
from aullava.checkpoint.identity import CheckpointIdentity, identify
from aullava.checkpoint.load import load_checkpoint
from aullava.checkpoint.training_record import training_record
from aullava.dataset_builder.rows.seen import refuse_seen
from aullava.evaluation.rows import EvaluationRows
from aullava.readout_aullava import AUReading


@dataclass(frozen=True)
class Recognizer:
    """Model and processor of a checkpoint.

    Attributes:
        name: as it was asked for. id: of its weights.
    """

    name: str
    id: str
    model: Any
    processor: Any

    @classmethod
    def load(cls, checkpoint: str | Path, device: str = "auto") -> "Recognizer":
        """From a folder or the Hub.

        Raises:
            ValueError: see `checkpoint.load.load_checkpoint`.
        """
        model, processor = load_checkpoint(checkpoint, device)
        return cls(str(checkpoint), identify(checkpoint, model).id, model, processor)

    @property
    def identity(self) -> CheckpointIdentity:
        """With the model's current calibration and precision: both may change after loading."""
        return identify(self.name, self.model, self.id)

    @property
    def side(self) -> int:
        """Height in pixels of the images that the model takes."""
        size = self.processor.image_processor.size
        return size.get("height") or size["shortest_edge"]

    def refuse_seen(self, rows: EvaluationRows) -> str | None:
        """Refuse rows of subjects who trained or validated the checkpoint; rows of split "validation" only if they trained it.

        Returns:
            A sentence for the report if the training subjects are unknown, else None.

        Raises:
            LeakError: it has seen some of them; see dataset_builder/rows/seen.py.
            ValueError: its training.json is damaged.
        """
        record = training_record(self.name)
        people = {(rows.corpus, subject) for subject in rows.subjects}
        name = Path(self.name).name if Path(self.name).is_dir() else self.name
        return refuse_seen(record, people, name, validates=rows.split == "validation")

    def recognize(
        self, images: Sequence[Image.Image], protocol: Protocol, mode: str, batch_size: int
    ) -> list[AUReading]:
        """One reading an image, with distributions where the mode gives them."""
        return self.model.recognize(images, self.processor, protocol, mode, batch_size, distributions=True)
