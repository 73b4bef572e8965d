"""What `--dry_run` prints: what a run would do, before weights are loaded."""

from rich.console import Console

from aullava.training.data.collator import TurnCollator
from aullava.training.data.mix_tables import length_table, sampling_tables
from aullava.training.model.base import base_config, base_processor
from aullava.training.model.footprint import describe_model
from aullava.training.model.scratch import build_processor
from aullava.training.model.tokenizer import build_tokenizer
from aullava.training.run.settings import Run
from aullava.training.run.sources import Source

_SAMPLED = 50  # images whose turns are measured


def print_plan(run: Run, source: Source, console: Console | None = None) -> None:
    """Print rows, turns, tokens, steps, trainable parameters and memory.

    Raises:
        ValueError: the base's configuration or processor is missing or cannot be used (model/base.py).
    """
    console, base = console or Console(), run.base
    if base.from_scratch:
        processor = build_processor(run.sizes, build_tokenizer(run.sizes.vocabulary_size))
    else:
        processor = base_processor(base.checkpoint, base_config(base.checkpoint), base.prompt_layout)
    collator = TurnCollator(processor, base.template_loss_fraction, base.mask_rate, base.prompt_layout, base.packed)
    if source.mixed is not None:
        console.print(sampling_tables(source.mixed))
    console.print(length_table(source.train, collator, run.training))
    # The longest turn of a sample, without image tokens: unpacked, so that each turn is a row.
    one_by_one = TurnCollator(processor, base.template_loss_fraction, layout=base.prompt_layout)
    batch = one_by_one([source.train[place] for place in range(min(_SAMPLED, len(source.train)))])
    words_BL = (batch["attention_mask"] == 1) & (batch["input_ids"] != processor.image_token_id)
    longest = int(words_BL.sum(1).max())
    console.print(describe_model(base, run.sizes, run.training, source.turns, longest))
