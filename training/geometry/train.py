"""Training of the geometry network.

    python -m aullava.training.geometry.train --config configs/geometry.yaml

The recipe's first lines say how its heads are rendered.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import Trainer, TrainingArguments
from trl import TrlParser

from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.rendered.store import load_heads
from aullava.detection.geometry import standardised
from aullava.detection.networks import GeometryNetwork
from aullava.training.geometry.crops import GeometrySamples
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.resume import checkpoint_to_resume


@dataclass
class GeometryArguments:
    """What the geometry network's recipe adds to transformers' own training arguments."""

    heads: str = field(metadata={"help": "Folder of rendered heads, see synthetic.rendered.store."})
    samples: int = field(default=96_000, metadata={"help": "Crops to learn from, each seen once."})
    most_heads: int | None = field(
        default=None, metadata={"help": "Heads to take them from; all that are there if not given."}
    )
    validation_samples: int = field(default=2000, metadata={"help": "Crops of validation heads to evaluate on."})
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights."})
    mistaken: str | None = field(default=None, metadata={"help": "File of training.geometry.mistakes."})
    start: str | None = field(default=None, metadata={"help": "Weights to go on from, such as a run's own output."})


class Learner(nn.Module):
    """The network with its loss."""

    def __init__(self, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.network = GeometryNetwork()

    def forward(self, pixels: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Args:
            pixels: (batch, 3, 64, 64), standardised.
            labels: (batch, 143), see `crops`.

        Returns:
            `logits` (batch, 142), and `loss` where labels are given: mean distance of landmarks in sides of the crop
            times 20, mean error of pose and gaze in radians, cross-entropy of the score times 2.
        """
        output = self.network(pixels.contiguous(memory_format=torch.channels_last)).float()
        if labels is None:
            return {"logits": output}
        held = labels[:, 142]
        known = ~labels[:, 141].isnan()
        off = (output[:, :136] - labels[:, :136]).unflatten(1, (68, 2)).square().sum(2).add(1e-6).sqrt().mean(1)
        turned = (output[:, 136:141] - labels[:, 136:141]).abs()
        angles = turned[:, :3].mean(1) + 0.5 * turned[:, 3:].mean(1)
        score = nn.functional.binary_cross_entropy_with_logits(output[:, 141][known], labels[:, 141][known])
        loss = ((20 * off + 2 * angles) * held).sum() / held.sum().clamp(min=1) + 2 * score
        return {"loss": loss, "logits": output}


class GeometryTrainer(WholeCheckpoints, Trainer):
    """transformers' own, with checkpoints that are complete or absent."""


def collate(samples: list[dict]) -> dict[str, torch.Tensor]:
    pixels = standardised(np.stack([sample["pixels"] for sample in samples]))
    return {"pixels": torch.from_numpy(pixels), "labels": torch.from_numpy(np.stack([s["labels"] for s in samples]))}


def errors(prediction) -> dict[str, float]:
    """Landmarks' mean distance over that of the outer corners of the eyes, and mean errors in degrees."""
    output, labels = (np.asarray(part, np.float64) for part in (prediction.predictions, prediction.label_ids))
    found, true = (part[:, :136].reshape(-1, 68, 2) for part in (output, labels))
    eyes = np.linalg.norm(true[:, 36] - true[:, 45], axis=1)
    nme = np.linalg.norm(found - true, axis=2).mean(1) / eyes
    degrees = np.rad2deg(np.abs(output[:, 136:141] - labels[:, 136:141]).mean(0))
    return {
        "nme": float(np.median(nme)),
        **dict(zip(("yaw", "pitch", "roll", "gaze_left", "gaze_up"), degrees.tolist(), strict=True)),
    }


def start_from(network: nn.Module, path: str) -> None:
    """Put the weights of a file into the network."""
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})


def save_network(network: nn.Module, path: Path) -> None:
    """Write the weights as float16."""
    state = {name: v.to(torch.float16) if v.is_floating_point() else v for name, v in network.state_dict().items()}
    state = {name: v.contiguous() for name, v in state.items() if not name.endswith("num_batches_tracked")}
    replace_file(path, lambda temporary: save_file(state, temporary, metadata={"format": "pt"}))


def main() -> None:
    parser = TrlParser((GeometryArguments, TrainingArguments))
    arguments, training = parser.parse_args_and_config()
    training.remove_unused_columns = False
    training.label_names = ["labels"]
    heads = load_heads(Path(arguments.heads), "train", arguments.most_heads)
    validation = load_heads(Path(arguments.heads), "validation", arguments.validation_samples)
    mistaken = np.load(arguments.mistaken)["im"] if arguments.mistaken else None
    learner = Learner(arguments.model_seed)
    if arguments.start:
        start_from(learner.network, arguments.start)
    trainer = GeometryTrainer(
        learner,
        training,
        data_collator=collate,
        train_dataset=GeometrySamples(heads, arguments.samples, training.seed, mistaken=mistaken),
        eval_dataset=GeometrySamples(validation, arguments.validation_samples, clean=True),
        compute_metrics=errors,
    )
    trainer.train(resume_from_checkpoint=checkpoint_to_resume(training, arguments))
    output = Path(training.output_dir) / "geometry.safetensors"
    save_network(trainer.model.network, output)
    print(f"{len(heads)} heads; {trainer.evaluate()}; network written to {output}")


if __name__ == "__main__":
    main()
