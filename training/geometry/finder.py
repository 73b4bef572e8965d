"""Training of the finder.

    python -m aullava.training.geometry.finder --config configs/finder.yaml

The recipe's first lines say how its heads are rendered.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainingArguments
from trl import TrlParser

from aullava.dataset_builder.synthetic.rendered.store import load_heads
from aullava.detection.networks import FinderNetwork
from aullava.training.geometry.scenes import Scenes
from aullava.training.geometry.train import collate, save_network, start_from
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.resume import checkpoint_to_resume


@dataclass
class FinderArguments:
    """What the finder's recipe adds to transformers' own training arguments."""

    heads: list[str] = field(metadata={"help": "Folders of rendered heads, see synthetic.rendered.store."})
    scenes: int = field(default=48_000, metadata={"help": "Scenes to learn from, each seen once."})
    most_heads: int | None = field(
        default=None, metadata={"help": "Heads to take from each folder; all if not given."}
    )
    validation_scenes: int = field(
        default=500, metadata={"help": "Scenes to evaluate on, of the same heads, other scenes."}
    )
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights."})
    start: str | None = field(default=None, metadata={"help": "Weights to go on from, such as a run's own output."})


class Learner(nn.Module):
    """The finder with its loss: that of CenterNet (Zhou, Wang and Krähenbühl, arXiv 1904.07850) for the middles."""

    def __init__(self, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.network = FinderNetwork()

    def forward(self, pixels: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Args:
        pixels: (batch, 3, side, side), standardised.
        labels: (batch, 5, side / 8, side / 8), see `scenes`.
        """
        output = self.network(pixels.contiguous(memory_format=torch.channels_last)).float()
        if labels is None:
            return {"logits": output}
        heat, known = labels[:, 0], labels[:, 4]
        logit = output[:, 0]
        chance = logit.sigmoid()
        middle = heat > 0.99
        right = -nn.functional.logsigmoid(logit) * (1 - chance) ** 2
        wrong = -nn.functional.logsigmoid(-logit) * chance**2 * (1 - heat) ** 4
        faces = middle.sum().clamp(min=1)
        found = (torch.where(middle, right, wrong)).sum() / faces
        weight = (known * heat)[:, None]
        off = (nn.functional.smooth_l1_loss(output[:, 1:], labels[:, 1:4], beta=0.2, reduction="none") * weight).sum()
        return {"loss": found + 2 * off / weight.sum().clamp(min=1), "logits": output}


class FinderTrainer(WholeCheckpoints, Trainer):
    """transformers' own, with checkpoints that are complete or absent."""


def errors(prediction) -> dict[str, float]:
    """Of cells that hold a middle: share found, errors of place in pixels and of size in octaves; scenes with a false one."""
    output, labels = (np.asarray(part, np.float64) for part in (prediction.predictions, prediction.label_ids))
    chance = 1 / (1 + np.exp(-output[:, 0]))
    middle, far = labels[:, 0] > 0.99, labels[:, 0] < 0.05
    place, size = np.abs(output[:, 1:3] - labels[:, 1:3]), np.abs(output[:, 3] - labels[:, 3])
    return {
        "found": float((chance[middle] > 0.3).mean()),
        "false_a_scene": float(((chance > 0.3) & far).any((1, 2)).mean()),
        "place": float(np.moveaxis(place, 1, -1)[middle].mean() * FinderNetwork.STRIDE),
        "size": float(size[middle].mean()),
    }


def main() -> None:
    parser = TrlParser((FinderArguments, TrainingArguments))
    arguments, training = parser.parse_args_and_config()
    training.remove_unused_columns = False
    training.label_names = ["labels"]
    heads = [load_heads(Path(folder), "train", arguments.most_heads) for folder in arguments.heads]
    learner = Learner(arguments.model_seed)
    if arguments.start:
        start_from(learner.network, arguments.start)
    trainer = FinderTrainer(
        learner,
        training,
        data_collator=collate,
        train_dataset=Scenes(heads, arguments.scenes, training.seed),
        eval_dataset=Scenes(heads, arguments.validation_scenes, training.seed + 1),
        compute_metrics=errors,
    )
    trainer.train(resume_from_checkpoint=checkpoint_to_resume(training, arguments))
    output = Path(training.output_dir) / "finder.safetensors"
    save_network(trainer.model.network, output)
    print(f"{[len(part) for part in heads]} heads; {trainer.evaluate()}; network written to {output}")


if __name__ == "__main__":
    main()
