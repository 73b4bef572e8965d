"""The trainer of a run, put together from its parts."""

from functools import partial

from peft import PeftModel
from transformers import EarlyStoppingCallback

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.card import OwnCard, describe_run
from aullava.training.data.collator import TurnCollator
from aullava.training.model.load import name_layers
from aullava.training.run.checkpoints import WholeCheckpoints
from aullava.training.run.losses import LOSSES, count_values, sampled_turns
from aullava.training.run.settings import Run
from aullava.training.run.sources import Source
from aullava.training.run.trainer import AUTrainer
from aullava.training.run.validation import Validation


class RunTrainer(WholeCheckpoints, OwnCard, AUTrainer):
    """AUTrainer whose checkpoints are whole or not there, with a card of our own beside them."""

    def _run_epoch(self, *args, **kwargs) -> None:
        """The trainer looks at max_steps only behind a step: a finished run that is started again would train one more."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)


def make_trainer(
    run: Run, source: Source, model: AULlavaForConditionalGeneration | PeftModel, processor: AULlavaProcessor
) -> RunTrainer:
    """Model, rows and settings joined. The model's configuration says from here on how it is asked.

    Raises:
        ValueError: the trainer's own checks.
    """
    base, training, losses = run.base, run.training, run.losses
    # What the checkpoint will be asked, and how, is what it was trained on.
    model.config.question_form, model.config.prompt_layout = source.question_form, base.prompt_layout
    model.config.face_margin = source.face_margin
    model.config.calibration = {}  # it was fitted to the weights that the run starts from
    # Rows are made when they are read and collated by our own collator: the trainer must neither prune nor prepare them.
    training.remove_unused_columns = False
    training.dataset_kwargs = {"skip_prepare_dataset": True}
    training.max_length = None
    if training.ddp_find_unused_parameters is None:
        training.ddp_find_unused_parameters = False  # what no gradient reaches is frozen
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
        TurnCollator(processor, base.literal_share, base.hidden_share, base.prompt_layout, base.packed, extras=True),
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
