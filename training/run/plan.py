"""What a run would do, before a weight is read: what `--dry_run` prints."""

from rich.console import Console
from transformers import TrainingArguments

from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import ModelArguments
from aullava.training.data.collator import TurnCollator
from aullava.training.data.report import Steps, describe_data, length_table
from aullava.training.model.bases import base_config, base_processor
from aullava.training.model.report import describe_model
from aullava.training.model.scratch import ScratchArguments, build_processor
from aullava.training.model.tokenizer import build_tokenizer
from aullava.training.run.sources import Source

_SAMPLED = 50  # pictures whose turns are measured


def print_plan(
    base: ModelArguments, sizes: ScratchArguments, source: Source, training: TrainingArguments, console=None
) -> None:
    """Print rows, turns, tokens and steps, what would train, and the memory that it would take.

    Raises:
        ValueError: the base's configuration or processor cannot be had or used (bases.py).
    """
    console = console or Console()
    processor = processor_without_weights(base, sizes)
    collator = TurnCollator(processor, base.literal_share, base.hidden_share, base.prompt_layout, base.packed)
    steps = Steps.of_training(training)
    tables = [length_table(source.train, collator, steps)]
    if source.mixed is not None:
        tables = describe_data(source.mixed, collator, steps)
    for table in tables:
        console.print(table)
    longest = _longest_text(source, processor, base)
    console.print(describe_model(base, sizes, training, source.turns, longest))


def processor_without_weights(base: ModelArguments, sizes: ScratchArguments) -> AULlavaProcessor:
    """The processor that the run would have."""
    if base.from_scratch:
        return build_processor(sizes, build_tokenizer(sizes.vocabulary_size))
    return base_processor(base.checkpoint, base_config(base.checkpoint), base.prompt_layout)


def _longest_text(source: Source, processor: AULlavaProcessor, base: ModelArguments) -> int:
    """Tokens of the longest turn of a sample, without the picture's."""
    one_by_one = TurnCollator(processor, base.literal_share, layout=base.prompt_layout)
    rows = [source.train[place] for place in range(min(_SAMPLED, len(source.train)))]
    batch = one_by_one(rows)
    words_BL = (batch["attention_mask"] == 1) & (batch["input_ids"] != processor.image_token_id)
    return int(words_BL.sum(1).max())
