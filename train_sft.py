"""Fine-tune a LLaVA on chat turns about faces, with TRL's SFTTrainer.

    accelerate launch train_sft.py --config configs/llava_7b_lora.yaml --data_dirs /path/to/DISFA
    python train_sft.py --config configs/tiny_2_align.yaml --dry_run        # what would be trained on what; loads no weights

The YAML file sets defaults, flags win, unknown keys are errors. A run that finds whole checkpoints of the same settings in
output_dir goes on from the last one. At the end output_dir/model holds the checkpoint (with LoRA output_dir/adapters, and model
only with --merge_lora), its card, and how it was made: training.json and config.yaml.
"""

from functools import partial

from trl import SFTConfig, TrlParser

from aullava.dataset_builder.drawn_faces import DrawnFaceArguments
from aullava.training.arguments import ModelArguments, RunArguments, check_together
from aullava.training.card import describe_run
from aullava.training.data.augmentation import AugmentationArguments, EpochOfRun
from aullava.training.data.report import print_sampling, print_unreadable
from aullava.training.data_arguments import DataArguments
from aullava.training.model.load import load_for_training
from aullava.training.model.report import print_what_trains
from aullava.training.model.scratch import ScratchArguments
from aullava.training.run.assembly import make_trainer
from aullava.training.run.losses import LossArguments
from aullava.training.run.plan import print_plan
from aullava.training.run.resume import checkpoint_to_resume
from aullava.training.run.saving import save_result
from aullava.training.run.sources import open_source
from aullava.training.run.validation import ReadingArguments

PARTS = (
    RunArguments,
    ModelArguments,
    ScratchArguments,
    DrawnFaceArguments,
    DataArguments,
    AugmentationArguments,
    LossArguments,
    ReadingArguments,
    SFTConfig,
)


def main() -> None:
    parts = TrlParser(PARTS).parse_args_and_config()
    run, base, sizes, drawing, data, augmentation, losses, readings, training = parts
    check_together(run, base, training)

    epoch = EpochOfRun()
    source = open_source(data, drawing, base.validation_faces, readings, augmentation, epoch, training)
    if run.dry_run:
        print_plan(base, sizes, source, training)
        return
    manifest = None if source.mixed is None else source.manifest
    checkpoint = checkpoint_to_resume(training, *parts[1:-1], manifest=manifest)
    model, processor = load_for_training(base, sizes)
    # What the checkpoint will be asked, and how, is what it was trained on.
    model.config.question_form, model.config.prompt_layout = source.question_form, base.prompt_layout
    model.config.face_margin = source.face_margin
    model.config.calibration = {}  # it was fitted to the weights that the run starts from
    if training.process_index == 0:
        print_what_trains(model)
        if source.mixed is not None:
            print_sampling(source.mixed)

    trainer = make_trainer(model, processor, source, base, losses, readings, run, training, epoch)
    trainer.describe = partial(
        describe_run,
        parts=parts,
        manifest=source.manifest,
        distributed=trainer.accelerator.distributed_type.name,
        license=run.weights_license,
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    if source.mixed is not None:
        print_unreadable(source.mixed)

    weights = trainer.accelerator.get_state_dict(trainer.model)  # from all devices, where they are spread
    if trainer.is_world_process_zero():
        for folder in save_result(
            trainer.accelerator.unwrap_model(trainer.model), processor, training.output_dir, base, weights
        ):
            trainer.describe(folder, trainer.state)
            print(f"written to {folder}")


if __name__ == "__main__":
    main()
