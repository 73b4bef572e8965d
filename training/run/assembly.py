"""The trainer of a run, put together from its parts."""

from transformers import EarlyStoppingCallback
from trl import SFTConfig

from aullava.training.arguments import ModelArguments, RunArguments
from aullava.training.card import OwnCard
from aullava.training.data.augmentation import EpochOfRun
from aullava.training.data.collator import TurnCollator
from aullava.training.model.sharding import name_layers
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.losses import LossArguments, ValueLoss, count_values, sampled_turns
from aullava.training.run.sources import Source
from aullava.training.run.trainer import AUTrainer
from aullava.training.run.validation import ReadingArguments, Validation


class RunTrainer(WholeCheckpoints, OwnCard, AUTrainer):
    """AUTrainer whose checkpoints are whole or not there, with a card of our own beside them."""

    def _run_epoch(self, *args, **kwargs) -> None:
        """The trainer looks at max_steps only behind a step: a finished run that is started again would train one more."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)


def make_trainer(
    model,
    processor,
    source: Source,
    base: ModelArguments,
    losses: LossArguments,
    readings: ReadingArguments,
    run: RunArguments,
    training: SFTConfig,
    epoch: EpochOfRun,
) -> RunTrainer:
    """Model, rows and settings joined.

    Raises:
        ValueError: the loss does not suit the tokenizer (losses.py), or the trainer's own checks.
    """
    # Rows are made when they are read and collated by our own collator: the trainer must neither prune nor prepare them.
    training.remove_unused_columns = False
    training.dataset_kwargs = {"skip_prepare_dataset": True}
    training.max_length = None
    if training.ddp_find_unused_parameters is None:
        training.ddp_find_unused_parameters = False  # what no gradient reaches is frozen
    name_layers(model)
    callbacks = [epoch]
    if run.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(run.early_stopping_patience))
    validation = None
    if source.read is not None:
        validation = Validation(
            source.read, processor, readings.read_mode, batch_size=training.per_device_eval_batch_size
        )
    return RunTrainer(
        model,
        training,
        TurnCollator(processor, base.literal_share, base.hidden_share, base.prompt_layout, base.packed, extras=True),
        source.train,
        source.validation,
        processing_class=processor,
        callbacks=callbacks,
        value_loss=_value_loss(losses, processor.tokenizer, source),
        validation=validation,
        max_loss_ratio=readings.max_loss_ratio,
    )


def _value_loss(losses: LossArguments, tokenizer, source: Source) -> ValueLoss | None:
    if losses.value_loss == "cross_entropy":
        return None
    counts = count_values(sampled_turns(source.train, losses.value_loss_rows, losses.value_loss_seed))
    return ValueLoss(losses, tokenizer, counts)
