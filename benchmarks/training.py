"""What fine-tuning costs: packed turns against one row a turn, our trainer against a bare loop, and waiting for data.

    python benchmarks/training.py [--quick] [--device cuda]

Conventions
    models      large: random weights, CLIP-B/16 at 224 px and a Llama of 768 x 12, 172M in all, every parameter learns. tiny: the
                embedded checkpoint.
    turns       drawn faces, four turns each: BP4D's 12 units, DISFA's 12 levels, FEAFA's 24 values, a random list. Short questions.
    plain       TRL's SFTTrainer with its own collator: one row a turn, `prompt` and `completion`, labels on the whole answer.
    packed      our trainer and collator: one row a picture, four turns in it. rows: the same, one row a turn.
                All see the same turns, in steps of as many turns.
    speed-up    turns a second of packed over those of plain: the same steps in turns, ratio of the medians.
    overhead    our trainer's time for a step over that of a bare loop (forward, backward, clipping, AdamW, schedule) over
                the same batches, collated before in the loop and without workers in the trainer, less 1. Collating is
                therefore part of the overhead.
    loader      share of a step's wall time in which the trainer waits for two workers that draw and collate.
    time        processor time of this process on a CPU, with one thread the wall time of an idle machine; wall time on CUDA.
    MB          largest resident memory of a process that trains that way and does nothing else.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from parts.random_llava import large_model
from reporting import markdown_table, report
from torch import nn
from transformers import get_scheduler
from trl import SFTConfig, SFTTrainer

from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.chat.turns import to_messages
from aullava.training.data.collator import TurnCollator
from aullava.training.run.trainer import AUTrainer

TURNS = 4
TARGETS = {"packed_turns_speedup": ("at least", 2.5), "trainer_overhead": ("at most", 0.10)}


def faces(count: int, size: int) -> Dataset:
    """Training rows of `TURNS` turns each."""
    return drawn_faces(DrawnFaceArguments(faces=count, turns_per_face=TURNS, custom_share=0.0, draw_size=size))


def single_turns(rows: Dataset) -> Dataset:
    """The same turns, a row each, as TRL documents them."""
    pairs = [(row["images"], turn) for row in rows for turn in row["turns"]]

    def read(batch: dict) -> dict:
        chosen = [pairs[index] for index in batch["index"]]
        messages = [to_messages(turn) for _, turn in chosen]
        return {
            "images": [images for images, _ in chosen],
            "prompt": [turn["prompt"] for turn in messages],
            "completion": [turn["completion"] for turn in messages],
        }

    return Dataset.from_dict({"index": list(range(len(pairs)))}).with_transform(read)


def settings(folder: str, steps: int, batch: int, device: str, workers: int = 0) -> SFTConfig:
    return SFTConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=batch,
        learning_rate=1e-5,
        use_cpu=device == "cpu",
        bf16=device != "cpu",
        activation_checkpointing=False,
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_num_workers=workers,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        seed=0,
    )


class Clock:
    """Times the steps of a trainer, and in them the wait for data; as mix-in, so that the trainer itself stays what it is."""

    device = "cpu"

    def get_batch_samples(self, *args, **kwargs):
        begin = time.perf_counter()
        samples = super().get_batch_samples(*args, **kwargs)
        self.waits.append(time.perf_counter() - begin)
        return samples

    def train(self, *args, **kwargs):
        self.waits, self.walls = [], []
        begin, wall = now(self.device), time.perf_counter()
        result = super().train(*args, **kwargs)
        self.seconds, self.wall = now(self.device) - begin, time.perf_counter() - wall
        return result


class ClockedSFT(Clock, SFTTrainer):
    pass


class ClockedAU(Clock, AUTrainer):
    pass


def now(device: str) -> float:
    """Seconds on the clock that the conventions name."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def run_trainer(kind: str, model, processor, images: int, steps: int, device: str, workers: int = 0) -> Clock:
    """Train for some steps of `images` pictures each; `kind` is plain, rows or packed."""
    size = processor.image_processor.size
    rows = faces(images * steps, size.get("height", size.get("shortest_edge")))
    Clock.device = device
    with tempfile.TemporaryDirectory() as folder:
        if kind == "plain":
            arguments = settings(folder, steps, images * TURNS, device, workers)
            trainer = ClockedSFT(model, arguments, train_dataset=single_turns(rows), processing_class=processor)
        else:
            arguments = settings(folder, steps, images, device, workers)
            collator = TurnCollator(processor, packed=kind == "packed", extras=True)
            trainer = ClockedAU(model, arguments, collator, rows, processing_class=processor)
        trainer.train()
    return trainer


def bare_loop(model, processor, images: int, steps: int, device: str) -> float:
    """Seconds of the same steps without a trainer, over packed batches that are ready."""
    size = processor.image_processor.size
    rows = list(faces(images * steps, size.get("height", size.get("shortest_edge"))))
    collator = TurnCollator(processor, packed=True)
    batches = [collator(rows[start : start + images]) for start in range(0, len(rows), images)]
    model = model.to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
    schedule = get_scheduler("linear", optimiser, 0, steps)
    begin = now(device)
    for batch in batches:
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        labels_BL = batch.pop("labels")[:, 1:]
        learnt = labels_BL != -100
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            hidden_BLC = model.model(**batch, use_cache=False).last_hidden_state[:, :-1]
            loss = nn.functional.cross_entropy(model.lm_head(hidden_BLC[learnt]).float(), labels_BL[learnt])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return now(device) - begin


def compare(quick: bool, device: str, rounds: int) -> tuple[dict[str, float], str]:
    """The large model in all ways, in turns, and the tiny one with our trainer and without."""
    images, steps = (2, 2)
    seconds: dict[str, list[float]] = {"plain": [], "rows": [], "packed": [], "loop": []}
    for _ in range(rounds):
        for kind in ("plain", "rows", "packed"):
            model, processor = large_model(quick, digits=1)
            seconds[kind].append(run_trainer(kind, model, processor, images, steps, device).seconds)
        model, processor = large_model(quick, digits=1)
        seconds["loop"].append(bare_loop(model, processor, images, steps, device))
    median = {kind: statistics.median(values) for kind, values in seconds.items()}
    figures = {
        "packed_turns_speedup": median["plain"] / median["packed"],
        "packed_over_rows": median["rows"] / median["packed"],
        "trainer_overhead": median["packed"] / median["loop"] - 1,
    }
    tiny = {"trainer": [], "loop": []}
    for _ in range(rounds):
        model, processor = load_checkpoint(embedded_checkpoint(), device)
        tiny["trainer"].append(run_trainer("packed", model.train(), processor, 16, 8, device).seconds)
        model, processor = load_checkpoint(embedded_checkpoint(), device)
        tiny["loop"].append(bare_loop(model, processor, 16, 8, device))
    figures["tiny_trainer_overhead"] = statistics.median(tiny["trainer"]) / statistics.median(tiny["loop"]) - 1
    model, processor = load_checkpoint(embedded_checkpoint(), device)
    fed = run_trainer("packed", model.train(), processor, 16, 20, device, workers=2)
    figures["loader_share"] = sum(fed.waits[1:]) / fed.wall  # the first wait is for the workers' start
    turns = images * steps * TURNS
    table = [(kind, f"{values:.1f}", f"{turns / values:.2f}") for kind, values in median.items()]
    return figures, markdown_table(("large model", "s", "turns/s"), table)


def peak_memory(kind: str, quick: bool, device: str) -> float:
    """MB of a process of its own that trains two steps."""
    command = [sys.executable, __file__, "--memory-of", kind, "--device", device] + ["--quick"] * quick
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])["MB"]


def measure_memory(kind: str, quick: bool, device: str) -> float:
    model, processor = large_model(quick, digits=1)
    run_trainer(kind, model, processor, 2, 2, device)
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    # Not ru_maxrss, which a process inherits from the one that started it.
    [peak] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(peak) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small model in the large one's place, no result file")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--memory-of", choices=("plain", "rows", "packed"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if arguments.memory_of:
        print(json.dumps({"MB": measure_memory(arguments.memory_of, arguments.quick, arguments.device)}))
        return
    figures, details = compare(arguments.quick, arguments.device, arguments.rounds)
    figures |= {
        f"{kind}_mb": peak_memory(kind, arguments.quick, arguments.device) for kind in ("plain", "rows", "packed")
    }
    name = "a small model" if arguments.quick else "172M model"
    title = f"Fine-tuning, {name}, {TURNS} turns a picture, {arguments.device}, {torch.get_num_threads()} thread"
    report("training", title, figures, TARGETS, details, write=not arguments.quick)


if __name__ == "__main__":
    main()
