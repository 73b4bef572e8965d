"""Pretraining of the vision tower: it learns the strengths of actions from rendered heads and drawn faces before the language model
joins.

With a pretrained tower the language model reads most action units after minutes (LOG.md). The regression head is thrown away: the
checkpoint keeps the tower alone.

    python -m aullava.dataset_builder.synthetic.rendered.store outputs/heads --faces 80000 --zoom 1 1
    python -m aullava.dataset_builder.synthetic.rendered.store outputs/heads --faces 2000 --zoom 1 1 --split validation
    python -m aullava.training.model.tower --config configs/heads_1_tower.yaml
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainingArguments
from trl import TrlParser

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.synthetic.rendered.store import load_heads
from aullava.metrics.au_detection.scores import roc_auc
from aullava.training.model.scratch import MEAN, STD, ScratchArguments, build_from_scratch, tower_output_width
from aullava.training.model.tower_faces import ACTIONS, GEOMETRY, PRESENT_FROM, SIDES, TRACE_FROM, TowerFaces
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.resume import checkpoint_to_resume

_REDUCED, _HIDDEN = 48, 256  # channels of a token and of a face in the head


class ActionRegressor(nn.Module):
    """Tower, and a head on all of its tokens: strength and presence of each action, and the face's geometry.

    Every position has weights of its own. Pooling the tokens, or attending to them, hid the few tokens of an action among the
    others: such heads did not improve for hundreds of steps. Without BatchNorm the head stood still on rendered heads (LOG.md).

    Args:
        tokens: of an image, a class token not counted.
    """

    def __init__(self, tower: nn.Module, tokens: int, width: int, actions: int):
        super().__init__()
        self.tower, self.tokens, self.actions = tower, tokens, actions
        self.reduce = nn.Linear(width, _REDUCED, bias=False)
        self.reduced = nn.BatchNorm1d(_REDUCED)
        self.hidden = nn.Sequential(
            nn.Linear(tokens * _REDUCED, _HIDDEN, bias=False), nn.BatchNorm1d(_HIDDEN), nn.ReLU()
        )
        self.output = nn.Linear(_HIDDEN, 2 * actions + GEOMETRY)

    def forward(
        self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None, geometry: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Args:
            pixel_values: (batch, 3, side, side), normalised.
            labels: (batch, actions), strengths 0..1; NaN where the face cannot show the action.
            geometry: (batch, GEOMETRY) as `tower_faces`; NaN where it is unknown. None: not learnt.

        Returns:
            `logits` (batch, 2, actions): strength, presence; `loss` where labels are given.
        """
        tokens_BNC = self.tower(pixel_values, output_hidden_states=True).hidden_states[-1][:, -self.tokens :]
        reduced_BCN = nn.functional.relu(self.reduced(self.reduce(tokens_BNC).transpose(1, 2)))
        output = self.output(self.hidden(reduced_BCN.flatten(1))).float()
        logits_B2A = output[:, : 2 * self.actions].unflatten(1, (2, -1))
        result = {"logits": logits_B2A}
        if labels is not None:
            result["loss"] = action_loss(logits_B2A, labels)
            if geometry is not None:
                known = ~geometry.isnan()
                off = nn.functional.smooth_l1_loss(output[:, 2 * self.actions :][known], geometry[known], beta=0.05)
                result["loss"] = result["loss"] + 0.5 * off.nan_to_num()  # no face of the batch has a geometry
        return result


def action_loss(logits_B2A: torch.Tensor, strengths_BA: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of strength as a soft label and of presence, and the error of left minus right where an action has sides.

    Traces count little as presence, present ones twice. Sides need a term of their own: a face moves both alike far more often.
    """
    known = ~strengths_BA.isnan()
    targets_BA = strengths_BA.nan_to_num()
    present_BA = (targets_BA >= PRESENT_FROM).to(targets_BA)
    weight_BA = torch.where((targets_BA >= TRACE_FROM) & (targets_BA < PRESENT_FROM), 0.3, 1.0) * (1 + present_BA)
    strength, presence = (
        nn.functional.binary_cross_entropy_with_logits(logits_B2A[:, part], target, reduction="none")
        for part, target in enumerate((targets_BA, present_BA))
    )
    left, right = (torch.tensor(side, device=logits_B2A.device) for side in zip(*SIDES, strict=True))
    said_BA, both = logits_B2A[:, 0].sigmoid(), known[:, left] & known[:, right]
    apart = nn.functional.smooth_l1_loss(
        (said_BA[:, left] - said_BA[:, right])[both], (targets_BA[:, left] - targets_BA[:, right])[both], beta=0.1
    )
    count = known.sum().clamp(min=1)
    return ((strength + presence * weight_BA) * known).sum() / count + 0.5 * apart.nan_to_num()


class TowerTrainer(WholeCheckpoints, Trainer):
    """transformers' own, with checkpoints that are complete or absent."""


@dataclass
class TowerArguments:
    """What pretraining adds to the sizes, the drawn faces and transformers' own training arguments."""

    heads: str | None = field(
        default=None,
        metadata={"help": "Folder of rendered heads, see synthetic.rendered.store; drawn faces alone if none."},
    )
    most_heads: int | None = field(default=None, metadata={"help": "Rendered heads to learn from; all if not given."})
    samples: int | None = field(
        default=None,
        metadata={"help": "Images to learn from; `faces` if not given. Heads come back, damaged otherwise."},
    )
    drawn_share: float = field(default=0.15, metadata={"help": "Share of drawn faces among them; 1 without heads."})
    validation_faces: int = field(default=500, metadata={"help": "Faces of validation identities to evaluate on."})
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights."})

    def __post_init__(self):
        if not 0 <= self.drawn_share <= 1:
            raise ValueError(f"drawn_share is {self.drawn_share}: expected 0 to 1")


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    """Batch of `pixel_values` (batch, 3, side, side), normalised as the processor does, `labels` and `geometry`."""
    images_BHWC = np.stack([row["image_HWC"] for row in rows]).astype(np.float32) / 255
    normalised = (images_BHWC - np.float32(MEAN)) / np.float32(STD)
    return {
        "pixel_values": torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))),
        "labels": torch.from_numpy(np.stack([row["strengths_A"] for row in rows])),
        "geometry": torch.from_numpy(np.stack([row["geometry_G"] for row in rows])),
    }


def action_scores(prediction) -> dict[str, float]:
    """Macro F1 of presence at 0.5 over the actions that occur, mean AUC, error of strength, and how often a side is found.

    side: on faces whose two sides differ by more than 0.3, whether the stronger one is said to be it; mean over actions.
    """
    logits_B2A, target_BA = (np.asarray(part, np.float64) for part in (prediction.predictions, prediction.label_ids))
    strength_BA, presence_BA = (1 / (1 + np.exp(-logits_B2A[:, part])) for part in (0, 1))
    f1, auc, side = {}, [], []
    for number, action in enumerate(ACTIONS):
        known = ~np.isnan(target_BA[:, number])
        true, said = target_BA[known, number] >= PRESENT_FROM, presence_BA[known, number]
        if true.any():
            f1[action] = 2 * (true & (said >= 0.5)).sum() / (true.sum() + (said >= 0.5).sum())
        if true.any() and not true.all():
            auc.append(roc_auc(true, said))
    for left, right in SIDES:
        apart = target_BA[:, left] - target_BA[:, right]
        clear = np.abs(apart) > 0.3
        if clear.any():
            said = strength_BA[clear, left] - strength_BA[clear, right]
            side.append((np.sign(said) == np.sign(apart[clear])).mean())
    return {
        "macro_f1": float(np.mean(list(f1.values()))),
        "auc": float(np.mean(auc)) if auc else float("nan"),
        "side": float(np.mean(side)) if side else float("nan"),
        "mae": float(np.nanmean(np.abs(strength_BA - target_BA))),
        **{f"f1_{action}": round(float(value), 3) for action, value in f1.items()},
    }


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
    heads = {
        split: load_heads(Path(arguments.heads), split, most) if arguments.heads else None
        for split, most in (("train", arguments.most_heads), ("validation", arguments.validation_faces))
    }
    share = arguments.drawn_share if arguments.heads else 1.0
    trainer = TowerTrainer(
        regressor,
        training,
        data_collator=collate,
        train_dataset=TowerFaces(
            drawing, share, arguments.samples or drawing.faces, heads["train"], seed=training.seed
        ),
        eval_dataset=TowerFaces(
            drawing, float(heads["validation"] is None), arguments.validation_faces, heads["validation"], clean=True
        ),
        compute_metrics=action_scores,
    )
    trainer.train(resume_from_checkpoint=checkpoint_to_resume(training, arguments, sizes, drawing))
    output = Path(training.output_dir)
    tower.save_pretrained(output / "tower")
    print(f"tower written to {output / 'tower'}")


if __name__ == "__main__":
    main()
