"""Image first or instruction first: what the order of picture and question costs.

    python benchmarks/layouts.py [--pictures 64] [--rounds 5]

Conventions
    one_, three_    mode parallel, the short question: protocol disfa for every picture, or bp4d, disfa and feafa of each
                    (`recognize_many`).
    full_           one protocol, asked by the full question with definitions.
    figures         processor time with the instruction first over that with the image first, of the same pictures in the same run,
                    median over rounds in which the two take turns. Below 1: the instruction first is faster. Weights do not
                    matter for time, so the embedded checkpoint is asked both ways.
"""

import argparse
import statistics
import time

import cv2
import torch
from reporting import report

from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.synthetic.drawn import sample_face

ASKED = {
    "one": ("short", ("disfa",)),
    "full": ("full", ("disfa",)),
    "three": ("short", ("bp4d", "disfa", "feafa")),
}
LAYOUTS = ("image_first", "instruction_first")


def seconds(model, processor, pictures, layout: str, form: str, protocols: tuple[str, ...], batch: int) -> float:
    """Processor time of reading all pictures."""
    model.config.prompt_layout, model.config.question_form = layout, form
    begun = time.process_time()
    model.recognize_many(pictures, processor=processor, protocols=protocols, mode="parallel", batch_size=batch)
    return time.process_time() - begun


def measure(count: int, rounds: int) -> dict[str, float]:
    model, processor = load_checkpoint(embedded_checkpoint(), "cpu")
    pictures = [sample_face("test", index).image_HWC for index in range(count)]
    figures = {}
    for batch in (1, 16):
        for name, (form, protocols) in ASKED.items():
            for layout in LAYOUTS:
                seconds(model, processor, pictures[:batch], layout, form, protocols, batch)  # plans are compiled once
            ratios = []
            for number in range(rounds):
                order = LAYOUTS if number % 2 else LAYOUTS[::-1]
                took = {
                    layout: seconds(model, processor, pictures, layout, form, protocols, batch) for layout in order
                }
                ratios.append(took["instruction_first"] / took["image_first"])
            figures[f"{name}_instruction_over_image_batch_{batch}"] = round(statistics.median(ratios), 3)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=64, help="drawn faces that are read (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="both layouts each (default: %(default)s)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    title = f"Instruction first over image first, {given.pictures} pictures, the embedded checkpoint, mode parallel"
    report("layouts", title, measure(given.pictures, given.rounds))


if __name__ == "__main__":
    main()
