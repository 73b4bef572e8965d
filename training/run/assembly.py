"""Puts the trainer of a run together."""

from functools import partial
from pathlib import Path

from datasets import Dataset
from peft import PeftModel
from transformers import EarlyStoppingCallback

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.data.collator import TurnCollator
from aullava.training.data.length_limit import LengthLimit
from aullava.training.model.base import name_layers
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.losses import LOSSES, count_values, sampled_turns
from aullava.training.run.run_card import describe_run
from aullava.training.run.settings import Run
from aullava.training.run.sources import Source
from aullava.training.run.trainer import AUTrainer
from aullava.training.run.validation import Validation

_MEASURED = 50  # images whose turns are held against max_length


class RunTrainer(WholeCheckpoints, AUTrainer):
    """AUTrainer with checkpoints that are complete or absent, and our own model card beside them.

    Attributes:
        describe: called with (folder, state) where TRL writes its card, by the main process alone; None: no card. For instance
            `functools.partial(describe_run, parts=..., manifest=...)`.
    """

    describe = None

    def create_model_card(self, *args, **kwargs) -> None:
        if self.describe is not None and self.is_world_process_zero():
            self.describe(Path(self.args.output_dir), self.state)

    def _run_epoch(self, *args, **kwargs) -> None:
        """The trainer checks max_steps only after a step: a finished run that is started again would train one more."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)


def make_trainer(
    run: Run, source: Source, model: AULlavaForConditionalGeneration | PeftModel, processor: AULlavaProcessor
) -> RunTrainer:
    """Join model, rows and settings, and record in the model's configuration how it is to be asked and how faces are framed.

    Raises:
        ValueError: max_length is below what every turn about the first images takes, or from the trainer's own checks.
    """
    base, training, losses = run.base, run.training, run.losses
    # A checkpoint is asked in the form that it was trained on.
    model.config.question_form, model.config.prompt_layout = source.question_form, base.prompt_layout
    model.config.framing = source.framing.stored()
    model.config.calibration = {}  # that of the base was fitted to other weights
    # Rows are made as they are read, and our own collator takes them: the trainer must neither prune nor prepare them.
    training.remove_unused_columns = False
    training.dataset_kwargs = {"skip_prepare_dataset": True}
    collator = TurnCollator(
        processor, base.template_loss_fraction, base.mask_rate, base.prompt_layout, base.packed, extras=True
    )
    if training.max_length is not None:
        _check_lengths(source.train, collator, training.max_length)
        collator.limit = LengthLimit(training.max_length)
    training.max_length = None  # the trainer would cut; image tokens and answers are needed whole
    if training.ddp_find_unused_parameters is None:
        training.ddp_find_unused_parameters = False  # unused parameters are frozen
    name_layers(model)
    callbacks = [source.epoch]
    if run.options.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(run.options.early_stopping_patience))
    validation = value_loss = None
    if source.read is not None:
        batch_size = training.per_device_eval_batch_size
        validation = Validation(source.read, processor, run.readings.read_mode, batch_size)
    if losses.value_loss != "cross_entropy":
        counts = count_values(sampled_turns(source.train, losses.value_loss_rows, losses.value_loss_seed))
        value_loss = partial(LOSSES[losses.value_loss], arguments=losses, counts=counts)
    trainer = RunTrainer(
        model,
        training,
        collator,
        source.train,
        source.validation,
        processing_class=processor,
        callbacks=callbacks,
        value_loss=value_loss,
        validation=validation,
        max_loss_ratio=run.readings.max_loss_ratio,
    )
    trainer.describe = partial(
        describe_run,
        parts=run,
        manifest=source.manifest,
        distributed=trainer.accelerator.distributed_type.name,
        license=run.options.weights_license,
    )
    return trainer


def _check_lengths(rows: Dataset, collator: TurnCollator, max_length: int) -> None:
    """Refuse a max_length that nothing about the first images fits into."""
    shortest = collator.shortest([rows[place] for place in range(min(_MEASURED, len(rows)))]).ids
    if len(shortest) > max_length:
        of_image = shortest.count(collator.processor.image_token_id)
        raise ValueError(
            f"max_length is {max_length}, but the shortest turn about the first {min(_MEASURED, len(rows))} images takes "
            f"{len(shortest)} tokens, {of_image} of them for the image. Turns are never cut: raise max_length or leave it out"
        )
