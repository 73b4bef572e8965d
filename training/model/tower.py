"""Pretraining of the vision tower: it learns to regress the strengths of drawn actions before the language model joins.

With a pretrained tower the language model reads most action units after minutes (LOG.md). The regression head is thrown away: the
checkpoint keeps the tower alone.

    python -m aullava.training.model.tower --config configs/tiny_1_tower.yaml
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import Trainer, TrainingArguments
from trl import TrlParser

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.synthetic.drawn import ACTIONS
from aullava.dataset_builder.synthetic.drawn.expressions import PRESENT_FROM
from aullava.training.model.scratch import MEAN, STD, ScratchArguments, build_from_scratch, tower_output_width
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.resume import checkpoint_to_resume


class ActionRegressor(nn.Module):
    """Tower, and one linear map from all of its tokens to two logits per action: strength and presence.

    Every position has weights of its own. Pooling the tokens, or attending to them, hid the few tokens of an action among the
    others: such heads did not improve for hundreds of steps (LOG.md).
    """

    def __init__(self, tower: nn.Module, tokens: int, width: int, actions: int):
        super().__init__()
        self.tower = tower
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(tokens * width, 2 * actions)
        nn.init.normal_(self.output.weight, std=1e-3)
        nn.init.constant_(self.output.bias, -2.0)  # most actions are at rest

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Args:
            pixel_values: (batch, 3, side, side), normalised.
            labels: (batch, actions), strengths 0..1.

        Returns:
            `logits` (batch, 2, actions): strength, presence; `loss` where labels are given: binary cross-entropy on the
            strength as a soft label plus that on presence.
        """
        tokens_BNC = self.norm(self.tower(pixel_values, output_hidden_states=True).hidden_states[-1])
        logits_B2A = self.output(tokens_BNC.flatten(1)).unflatten(1, (2, -1))
        result = {"logits": logits_B2A}
        if labels is not None:
            targets_B2A = torch.stack((labels, (labels >= PRESENT_FROM).to(labels)), dim=1)
            result["loss"] = 2 * nn.functional.binary_cross_entropy_with_logits(logits_B2A.float(), targets_B2A)
        return result


class TowerTrainer(WholeCheckpoints, Trainer):
    """transformers' own, with checkpoints that are complete or absent."""


@dataclass
class TowerArguments:
    """What pretraining adds to the sizes, the faces and transformers' own training arguments."""

    validation_faces: int = field(
        default=500, metadata={"help": "Drawn faces of validation identities to evaluate on."}
    )
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights."})


def strength_rows(arguments: DrawnFaceArguments, split: str) -> Dataset:
    """Rows `image_HWC` (uint8) and `strengths` (one float an action), drawn on access."""

    def draw(batch):
        faces = [arguments.face(split, index) for index in batch["index"]]
        return {
            "image_HWC": [face.image_HWC for face in faces],
            "strengths": [[face.actions[action] for action in ACTIONS] for face in faces],
        }

    return Dataset.from_dict({"index": arguments.indices()}).with_transform(draw)


def collate_strengths(rows: list[dict]) -> dict[str, torch.Tensor]:
    """Batch of `pixel_values` (batch, 3, side, side), normalised as the processor does, and `labels` (batch, actions)."""
    images_BHWC = np.stack([row["image_HWC"] for row in rows]).astype(np.float32) / 255
    normalised = (images_BHWC - np.float32(MEAN)) / np.float32(STD)
    return {
        "pixel_values": torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))),
        "labels": torch.tensor([row["strengths"] for row in rows], dtype=torch.float32),
    }


def presence_f1(prediction) -> dict[str, float]:
    """Macro F1 of presence over the actions that occur in the rows, and the mean absolute error of strength."""
    strength_BA, presence_BA = torch.as_tensor(prediction.predictions).float().sigmoid().unbind(1)
    target_BA = torch.as_tensor(prediction.label_ids)
    predicted, true = presence_BA >= 0.5, target_BA >= PRESENT_FROM
    hits, wrong = (predicted & true).sum(0), (predicted != true).sum(0)
    occurs = true.any(0)
    f1 = (2 * hits / (2 * hits + wrong))[occurs]
    scores = {"macro_f1": f1.mean().item(), "mae": (strength_BA - target_BA).abs().mean().item()}
    per_action = dict(zip([a for a, o in zip(ACTIONS, occurs, strict=True) if o], f1.tolist(), strict=True))
    return scores | {f"f1_{action}": round(value, 3) for action, value in per_action.items()}


def main() -> None:
    parser = TrlParser((TowerArguments, ScratchArguments, DrawnFaceArguments, TrainingArguments))
    arguments, sizes, drawing, training = parser.parse_args_and_config()
    if drawing.draw_size != sizes.image_size:
        raise ValueError(
            f"draw_size is {drawing.draw_size}, image_size is {sizes.image_size}: the tower sees faces at the "
            "size they are drawn, so set both to the same"
        )
    training.remove_unused_columns = False
    training.label_names = ["labels"]
    model, _ = build_from_scratch(sizes, arguments.model_seed)
    tower = model.model.vision_tower
    regressor = ActionRegressor(tower, model.config.image_seq_length, tower_output_width(sizes), len(ACTIONS))
    validation = replace(drawing, faces=arguments.validation_faces, first_face=0)
    trainer = TowerTrainer(
        regressor,
        training,
        data_collator=collate_strengths,
        train_dataset=strength_rows(drawing, "train"),
        eval_dataset=strength_rows(validation, "validation"),
        compute_metrics=presence_f1,
    )
    trainer.train(resume_from_checkpoint=checkpoint_to_resume(training, arguments, sizes, drawing))
    output = Path(training.output_dir)
    tower.save_pretrained(output / "tower")
    print(f"tower written to {output / 'tower'}")


if __name__ == "__main__":
    main()
