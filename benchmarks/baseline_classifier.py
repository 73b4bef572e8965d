"""Two discriminative peers of the embedded checkpoint, trained on the very faces that its recipes draw.

    python benchmarks/baseline_classifier.py [--configs configs/peers_tower.yaml configs/peers_cnn.yaml] [--faces 2000]
                                             [--style mixed] [--any_setting_of_the_files value ...]

Each file trains one peer: the same vision tower, or a small CNN, with one output a value and no language. A run that was cut short
goes on, one that is complete is only scored. Setting `recipes` names the training recipes whose faces are drawn, all of them once.

Conventions
    faces       training: split "train", what the recipes draw. Scored: split "test", identities that neither training nor
                validation draws, one face each, expressions at the base rates of the style.
    scores      as benchmarks/parts/embedded_scores.py; `peer_f1_...` is that of the better peer, score by score.
    trivial     `..._zero`: everything is at rest; `..._all_present`: every unit is present.
"""

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from parts.embedded_scores import BP4D, DISFA, FEAFA, Truth, constant_reading, embedded_scores, truth_of
from parts.peers import LABELS, Design, Peer, load_peer, pixels, read, reading_of, save_peer
from reporting import markdown_table, report
from transformers import AutoModel, HfArgumentParser, Trainer, TrainingArguments
from trl import TrlParser

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.synthetic.drawn import DrawnFace
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.samples import describe_face
from aullava.training.model.scratch import ScratchArguments
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.resume import checkpoint_to_resume

HEADLINE = (
    "f1_bp4d12",
    "f1_disfa8",
    "min_au_f1",
    "icc_disfa12",
    "mae_disfa12",
    "mae_feafa24",
    "min_side_correct",
    "undefined",
)


@dataclass
class PeerArguments:
    """What a peer's file adds to the tower's sizes and transformers' own training arguments."""

    trunk: str = field(metadata={"help": "What looks at the picture: tower or cnn."})
    recipes: list[str] = field(metadata={"help": "Training recipes of the checkpoint; all of their faces are drawn."})
    tower: str | None = field(default=None, metadata={"help": "Folder of a warmed-up tower to start from."})
    validation_faces: int = field(default=500, metadata={"help": "Drawn faces of validation identities to score on."})
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights."})

    def __post_init__(self):
        if self.tower is not None and self.trunk != "tower":
            raise ValueError(f"tower is {self.tower!r} and trunk is {self.trunk!r}: a warm tower needs trunk tower")


@dataclass(frozen=True)
class Faces:
    """The faces of several recipes, one range each."""

    ranges: list[DrawnFaceArguments]

    def rows(self, split: str) -> Dataset:
        """Rows `image_HWC` (uint8) and `labels` (48 floats), drawn on access."""
        numbers = [(part, index) for part, drawing in enumerate(self.ranges) for index in drawing.indices()]
        parts, indices = zip(*numbers, strict=True)

        def draw(batch):
            pairs = zip(batch["range"], batch["index"], strict=True)
            faces = [self.ranges[part].face(split, index) for part, index in pairs]
            return {"image_HWC": [face.image_HWC for face in faces], "labels": [labels_of(face) for face in faces]}

        return Dataset.from_dict({"range": parts, "index": indices}).with_transform(draw)


def labels_of(face: DrawnFace) -> list[float]:
    """The 48 labels of a face, in the order of parts/peers.py."""
    return [float(value) for protocol in (BP4D, DISFA, FEAFA) for value in face.values(protocol).values()]


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    labels = torch.tensor([row["labels"] for row in rows], dtype=torch.float32)
    return {"pixel_values": pixels([row["image_HWC"] for row in rows]), "labels": labels}


def recipe_faces(recipes: list[str], size: int) -> Faces:
    """What the recipes draw.

    Raises:
        ValueError: a recipe draws pictures of another side than `size`.
    """
    parser = HfArgumentParser(DrawnFaceArguments)
    ranges = [parser.parse_yaml_file(recipe, allow_extra_keys=True)[0] for recipe in recipes]
    for recipe, drawing in zip(recipes, ranges, strict=True):
        if drawing.draw_size != size:
            raise ValueError(
                f"{recipe} has draw_size {drawing.draw_size}, the peer image_size {size}: give both the same"
            )
    return Faces(ranges)


def validation_scores(prediction) -> dict[str, float]:
    """The headline scores of validation faces, the continuous ones by either output."""
    truth = Truth(*np.split(prediction.label_ids.astype(float), np.cumsum(LABELS)[:-1], axis=1))
    logits = torch.as_tensor(prediction.predictions).float()
    scores = {median: embedded_scores(truth, reading_of(logits, median)) for median in (False, True)}
    return {name: scores[True][name] for name in HEADLINE} | {"mae_feafa24_by_mean": scores[False]["mae_feafa24"]}


class PeerTrainer(WholeCheckpoints, Trainer):
    """transformers' own, whose checkpoints are whole or not there: the only ones that a run goes on from."""


def train(config: Path, overrides: list[str]) -> Path:
    """Train the peer of one file, or go on with it; its folder."""
    parser = TrlParser((PeerArguments, ScratchArguments, TrainingArguments))
    arguments, sizes, training = parser.parse_args_and_config(["--config", str(config), *overrides])
    training.remove_unused_columns = False
    training.label_names = ["labels"]
    faces = recipe_faces(arguments.recipes, sizes.image_size)
    base = replace(
        faces.ranges[0], faces=arguments.validation_faces, first_face=0, rare_boost=0.0, frames_per_identity=1
    )
    peer = Peer(Design(arguments.trunk, sizes), arguments.model_seed)
    if arguments.tower is not None:
        warm = AutoModel.from_pretrained(arguments.tower, dtype=torch.float32)
        peer.trunk.tower.load_state_dict(warm.state_dict())
    trainer = PeerTrainer(
        peer,
        training,
        data_collator=collate,
        train_dataset=faces.rows("train"),
        eval_dataset=Faces([base]).rows("validation"),
        compute_metrics=validation_scores,
    )
    trainer.train(resume_from_checkpoint=checkpoint_to_resume(training, arguments, sizes, faces))
    scores = trainer.evaluate()
    peer.design.median = scores["eval_mae_feafa24"] <= scores["eval_mae_feafa24_by_mean"]
    folder = Path(training.output_dir) / "peer"
    save_peer(peer, folder)
    return folder


def measure(folders: dict[str, Path], count: int, style: str) -> dict[str, dict[str, float]]:
    """All scores of each peer on test faces, and of the two answers that need no picture: name -> score -> figure."""
    faces = [describe_face("test", index, style=style) for index in range(count)]
    readings = {}
    for name, peer in ((name, load_peer(folder)) for name, folder in folders.items()):
        readings[name] = read(peer, [face.draw(peer.design.sizes.image_size).image_HWC for face in faces])
    truth = truth_of([{p.name: values_of(face.actions, p) for p in (BP4D, DISFA, FEAFA)} for face in faces])
    readings |= {"zero": constant_reading(count, 0), "all_present": constant_reading(count, 1)}
    return {name: embedded_scores(truth, reading) for name, reading in readings.items()}


def headline(scores: dict[str, dict[str, float]], peers: list[str]) -> dict[str, float]:
    """The figures of the table: the better peer's F1, the headline of each peer, what trivial answers reach."""
    figures = {f"peer_{name}": max(scores[peer][name] for peer in peers) for name in ("f1_bp4d12", "f1_disfa8")}
    figures |= {f"{peer}_{name}": scores[peer][name] for peer in peers for name in HEADLINE}
    figures |= {f"{name}_zero": scores["zero"][name] for name in ("mae_disfa12", "mae_feafa24")}
    figures |= {f"{name}_all_present": scores["all_present"][name] for name in ("f1_bp4d12", "f1_disfa8")}
    return {name: round(value, 4) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    default = ["configs/peers_tower.yaml", "configs/peers_cnn.yaml"]
    parser.add_argument("--configs", type=Path, nargs="+", default=default, help="settings, one file a peer")
    parser.add_argument("--faces", type=int, default=2000, help="drawn faces of test identities")
    parser.add_argument("--style", default="mixed", help="how expressions are sampled: bp4d, disfa, mixed or uniform")
    parser.add_argument("--trial", action="store_true", help="write no table to benchmarks/results/")
    arguments, overrides = parser.parse_known_args()
    folders = {path.stem.removeprefix("peers_"): train(path, overrides) for path in map(Path, arguments.configs)}
    scores = measure(folders, arguments.faces, arguments.style)
    names = list(scores[next(iter(folders))])
    table = [(name, *(f"{scores[peer][name]:.4f}" for peer in scores)) for name in names]
    report(
        "baseline_classifier",
        f"{arguments.faces} drawn faces of test identities, style {arguments.style}, read by discriminative peers",
        headline(scores, list(folders)),
        details=markdown_table(("figure", *scores), table),
        write=not arguments.trial,
    )


if __name__ == "__main__":
    main()
