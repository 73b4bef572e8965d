"""What reading the values costs, beside generating the answer: every way of reading, in one run.

    python benchmarks/readout.py [--quick] [--device cuda] [--checkpoint DIR]

Conventions
    models      tiny: the embedded checkpoint, whose tokenizer has a token for each unit's name and each value. large: random
                weights, CLIP-B/16 at 224 px and a Llama of 768 x 12, 172M in all, with a byte-level tokenizer of words, digits and
                signs: so do those of Llama 2, Mistral and Qwen 2, from which most LLaVA models come. With --digits 3 numbers
                of up to three digits are tokens, as in Llama 3. Short questions.
    rows        vision     the tower and the projector.
                prefill    vision and the pass over the prompt, whose logits tell the first token.
                pass       one more token behind that prompt.
                generate   plain greedy `generate` of as many tokens as the answer has, its end token included.
                masked     the same, every pass masked by llguidance to a regular expression of the answer. NaN where the library
                           is not installed (pip install llguidance).
                joint, parallel   `read` of readout_aullava.py; of all three formats at once where the protocol is "all three",
                           while generate is three times generate.
                Pictures are loaded and encoded before, and nothing is parsed.
    ms          median over the rounds; ratios are medians of the ratios inside a round. Rows take turns in random order. On a CPU
                it is the processor time of this process, which other processes do not add to; with one thread on an idle
                machine it is the wall time. On CUDA it is the wall time.
    passes      of the language model.
    MB          largest resident memory of the process, the model included; on CUDA the largest allocated.
    floor       prefill + pass: the least for which a value can depend on another.
"""

import argparse
import math
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.masking import LLMatcher, Masks
from parts.random_llava import large_model
from reporting import markdown_table, report

from aullava.action_units import PROTOCOLS, Protocol, parse, question, render, value_of, value_strings
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.plan_aullava import compile_plan
from aullava.readout_aullava import read
from aullava.tree_aullava import CACHE_KEY

NAMES = ("disfa", "bp4d", "feafa")
TARGETS = {
    "parallel_over_prefill": ("at most", 1.4),
    "joint_over_generate": ("at most", 0.5),
    "feafa_joint_over_generate": ("at most", 1 / 3),
    "feafa_parallel_over_generate": ("at most", 1 / 6),
    "tiny_parallel_speedup": ("at least", 10),
}
COLUMNS = ("model", "batch", "protocol", "row", "ms", "images/s", "passes", "MB", "over prefill", "over generate")
FLOOR_COLUMNS = ("model", "batch", "protocol", "row", "floor", "above", "further passes", "rest")
ALL = "all three"  # the three formats of one face


@dataclass
class Row:
    """One way of reading and what it took. `passes` and `peak_mb` are of one run, `seconds` of each round."""

    run: Callable[[], Any]
    passes: int = 0
    peak_mb: float = math.nan
    seconds: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return 1000 * statistics.median(self.seconds)


class Setting:
    """One model and one batch of pictures."""

    def __init__(self, name: str, model, processor, batch: int):
        self.name, self.model, self.processor, self.batch = name, model, processor, batch
        size = processor.image_processor.size
        side = size.get("height") or size["shortest_edge"]
        pictures = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
        self.inputs, self.plans = {}, {}
        for protocol in map(PROTOCOLS.get, NAMES):
            text = question(protocol, model.config.question_form)
            encoded = processor.encode(list(pictures), text, model.config.prompt_layout)
            self.inputs[protocol.name] = encoded.to(model.device, model.dtype)
            prompt = processor.prompt(text, model.config.prompt_layout)
            self.plans[protocol.name] = compile_plan(processor.tokenizer, prompt, protocol)

    def rows(self) -> dict[tuple[str, str], Row]:
        """(protocol or "", row) -> Row."""
        rows = {
            ("", "vision"): lambda: self.model.get_image_features(pixel_values=self.inputs["bp4d"]["pixel_values"])
        }
        for name in NAMES:
            rows[name, "prefill"] = lambda name=name: self.prefill(name)
            rows[name, "pass"] = self.one_pass(name)
            rows[name, "generate"] = lambda name=name: self.generate(name)
            if LLMatcher is not None:
                rows[name, "masked"] = lambda name=name: self.masked(name)
            for mode in ("joint", "parallel"):
                rows[name, mode] = lambda name=name, mode=mode: self.read([name], mode)
        rows[ALL, "generate"] = lambda: [self.generate(name) for name in NAMES]
        for mode in ("joint", "parallel"):
            rows[ALL, mode] = lambda mode=mode: self.read(NAMES, mode)
        return {key: Row(run) for key, run in rows.items()}

    def read(self, names, mode: str):
        return read(self.model, [self.inputs[name] for name in names], [self.plans[name] for name in names], mode)

    def prefill(self, name: str):
        return self.model(**self.inputs[name], use_cache=True, logits_to_keep=1)

    def one_pass(self, name: str) -> Callable[[], Any]:
        output = self.prefill(name)
        token_B1 = output.logits[:, -1:].argmax(-1)

        def run():
            self.model(input_ids=token_B1, use_cache=True, logits_to_keep=1, **{CACHE_KEY: output[CACHE_KEY]})
            output[CACHE_KEY].crop(-1)

        return run

    def answer_length(self, name: str) -> int:
        """Tokens of an answer of middling values, the end token included."""
        plan = self.plans[name]
        tokens = [len(slot.literal) + len(slot.sequences[len(slot.sequences) // 2]) for slot in plan.slots]
        return sum(tokens) + len(plan.closing)

    def generate(self, name: str):
        length = self.answer_length(name)
        return self.model.generate(**self.inputs[name], do_sample=False, min_new_tokens=length, max_new_tokens=length)

    def masked(self, name: str):
        begin = self.inputs[name]["input_ids"].shape[1]
        masks = [Masks(self.processor.tokenizer, PROTOCOLS[name], begin, self.batch)]
        longest = len(_middle_answer(PROTOCOLS[name])) + 1  # a token a character at most
        ids = self.model.generate(
            **self.inputs[name], do_sample=False, max_new_tokens=longest, logits_processor=masks
        )[:, begin:]
        for text in self.processor.tokenizer.batch_decode(ids, skip_special_tokens=True):
            if parse(text.strip(), PROTOCOLS[name]).status != "ok":
                raise RuntimeError(f"masked generation wrote {text!r}: no answer of {name}")
        return ids


def _middle_answer(protocol: Protocol) -> str:
    strings = value_strings(protocol.scale)
    middle = value_of(strings[len(strings) // 2], protocol.scale)
    return render(dict.fromkeys(protocol.units, middle), protocol)


def measure(setting: Setting, rounds: int) -> dict[tuple[str, str], Row]:
    """Run every row once to count, then all of them `rounds` times in changing order."""
    rows, order = setting.rows(), random.Random(0)
    for row in rows.values():
        with count_passes(setting.model) as lengths:
            row.peak_mb = peak_memory_mb(row.run, setting.model.device)
        row.passes = len(lengths)
    for number in range(rounds):
        print(f"{setting.name}, batch {setting.batch}: round {number + 1} of {rounds}", file=sys.stderr)
        for row in order.sample(list(rows.values()), len(rows)):
            begun = clock(setting.model.device)
            row.run()
            row.seconds.append(clock(setting.model.device) - begun)
    return rows


def clock(device: torch.device) -> float:
    """Seconds; see the conventions."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def count_passes(model):
    """A list that grows by one at every pass of the language model."""
    passes = []
    handle = model.model.language_model.register_forward_pre_hook(lambda module, args: passes.append(1))
    try:
        yield passes
    finally:
        handle.remove()


def peak_memory_mb(run: Callable[[], Any], device: torch.device) -> float:
    """NaN where the system cannot tell."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: begin the high-water mark anew
    except OSError:
        run()
        return math.nan
    run()
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024


def ratio(one: Row, other: Row) -> float:
    return round(statistics.median(a / b for a, b in zip(one.seconds, other.seconds, strict=True)), 4)


def table(setting: Setting, rows: dict[tuple[str, str], Row]) -> list[tuple[str, ...]]:
    lines = []
    for (protocol, name), row in rows.items():
        prefill, generate = rows.get((protocol, "prefill")), rows.get((protocol, "generate"))
        lines.append(
            (setting.name, str(setting.batch), protocol, name)
            + (f"{row.ms:.1f}", f"{1000 * setting.batch / row.ms:.2f}", str(row.passes), f"{row.peak_mb:.0f}")
            + tuple(f"{ratio(row, base):.3f}" if base else "" for base in (prefill, generate))
        )
    return lines


def above_floor(setting: Setting, rows: dict[tuple[str, str], Row]) -> list[tuple[str, ...]]:
    lines = []
    for protocol, mode in ((p, m) for p in NAMES for m in ("joint", "parallel")):
        row, prefill, one = rows[protocol, mode], rows[protocol, "prefill"].ms, rows[protocol, "pass"].ms
        further = (row.passes - 1) * one
        parts = (prefill + one, row.ms - prefill - one, further, row.ms - prefill - further)
        lines.append((setting.name, str(setting.batch), protocol, mode, *(f"{part:.1f}" for part in parts)))
    return lines


def figures_of(found: dict[tuple[str, int], dict[tuple[str, str], Row]]) -> dict[str, float]:
    """Those with a target, at batch 1, first; then the same of the other protocols, batches and models."""
    large, tiny = found["large", 1], found["tiny", 1]
    figures = {
        "parallel_over_prefill": ratio(large["bp4d", "parallel"], large["bp4d", "prefill"]),
        "joint_over_generate": ratio(large["bp4d", "joint"], large["bp4d", "generate"]),
        "feafa_joint_over_generate": ratio(large["feafa", "joint"], large["feafa", "generate"]),
        "feafa_parallel_over_generate": ratio(large["feafa", "parallel"], large["feafa", "generate"]),
        "tiny_parallel_speedup": ratio(tiny[ALL, "generate"], tiny[ALL, "parallel"]),
    }
    for (model, batch), rows in found.items():
        place = f"{model}_{batch}"
        figures[f"{place}_parallel_speedup"] = ratio(rows[ALL, "generate"], rows[ALL, "parallel"])
        for name in NAMES:
            masked = rows.get((name, "masked"))
            figures |= {
                f"{place}_{name}_parallel_over_prefill": ratio(rows[name, "parallel"], rows[name, "prefill"]),
                f"{place}_{name}_parallel_over_generate": ratio(rows[name, "parallel"], rows[name, "generate"]),
                f"{place}_{name}_joint_over_generate": ratio(rows[name, "joint"], rows[name, "generate"]),
                f"{place}_{name}_masked_over_generate": ratio(masked, rows[name, "generate"]) if masked else math.nan,
            }
    return figures


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", type=Path, default=None, help="the tiny model (default: the embedded checkpoint)"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16")
    parser.add_argument("--rounds", type=int, default=7, help="at batch 1 (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="the larger batch (default: %(default)s)")
    parser.add_argument("--batch-rounds", type=int, default=3, help="at the larger batch (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="small random model, batch 1, one round, no file")
    parser.add_argument("--digits", type=int, default=1, help="in a token of the large model (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU (default: %(default)s)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rounds = {1: 1} if given.quick else {1: given.rounds, given.batch: given.batch_rounds}
    pairs = {
        "tiny": load_checkpoint(given.checkpoint or embedded_checkpoint(), given.device),
        "large": large_model(given.quick, given.digits),
    }
    found, lines, floors = {}, [], []
    for name, (model, processor) in pairs.items():
        model.to(given.device, getattr(torch, given.dtype))
        for batch, count in rounds.items():
            setting = Setting(name, model, processor, batch)
            rows = found[name, batch] = measure(setting, count)
            lines += table(setting, rows)
            floors += above_floor(setting, rows)
    where = torch.cuda.get_device_name() if given.device != "cpu" else f"CPU, threads: {given.threads}"
    title = (
        f"Reading the values: {where}, {given.dtype}, digits a token: {given.digits}, load {os.getloadavg()[0]:.1f}"
    )
    details = "\n\n".join(
        (
            markdown_table(COLUMNS, lines),
            "What is left above the floor (prefill and one pass), in ms. Further passes: a joint value waits for those before it, "
            "and a value of several tokens for its first ones. Rest: the tokens of the literals, which no pass of one token "
            "carries, and masks, positions and choices made outside the model.",
            markdown_table(FLOOR_COLUMNS, floors),
        )
    )
    report("readout", title, figures_of(found), TARGETS, details, write=not given.quick)


if __name__ == "__main__":
    main()
