# /// script
# requires-python = ">=3.11"
# dependencies = ["au-llava[train]"]
#
# # Defaults of `hf jobs uv run train_sft.py ...`; its flags override them.
# [tool.hf-jobs]
# flavor = "a100-large"
# timeout = "12h"
# secrets = ["HF_TOKEN"]
# ///
"""Fine-tune a LLaVA on chat turns about faces, with TRL's SFTTrainer.

    accelerate launch train_sft.py --config configs/llava_7b_lora.yaml --data_dirs /path/to/DISFA
    python train_sft.py --config configs/tiny_2_align.yaml --dry_run        # what would be trained, and on what; loads no weights
    hf jobs uv run train_sft.py --config configs/llava_7b_lora.yaml ...     # on a GPU of Hugging Face Jobs

The YAML file sets defaults, flags override them, unknown keys are errors. A run that finds complete checkpoints of the same
settings in output_dir resumes from the last one. At the end output_dir/model holds the checkpoint (with LoRA output_dir/adapters,
and model only with --merge_lora), its card, and how it was made: training.json and config.yaml.
"""

from rich.console import Console

from aullava.training.data.mix_tables import print_left_out, print_unreadable, sampling_tables
from aullava.training.model.base import load_for_training
from aullava.training.model.footprint import what_trains
from aullava.training.run.assembly import make_trainer
from aullava.training.run.plan import print_plan
from aullava.training.run.resume import checkpoint_to_resume
from aullava.training.run.saving import save_result
from aullava.training.run.settings import parse_run
from aullava.training.run.sources import open_source


def main() -> None:
    run = parse_run()
    source = open_source(run)
    if run.options.dry_run:
        print_plan(run, source)
        return
    # A resumed run may have other options: they do not affect the weights.
    manifest = None if source.mixed is None else source.manifest
    checkpoint = checkpoint_to_resume(run.training, *run[1:-1], manifest=manifest)
    model, processor = load_for_training(run.base, run.sizes)
    if run.training.process_index == 0:
        Console().print(what_trains(model))
        if source.mixed is not None:
            Console().print(sampling_tables(source.mixed))

    trainer = make_trainer(run, source, model, processor)
    trainer.train(resume_from_checkpoint=checkpoint)
    if source.mixed is not None:
        print_unreadable(source.mixed)
    print_left_out(trainer.data_collator.limit)

    weights = trainer.accelerator.get_state_dict(trainer.model)  # gathered from all devices, where they are sharded
    if trainer.is_world_process_zero():
        model = trainer.accelerator.unwrap_model(trainer.model)
        for folder in save_result(model, processor, run.training.output_dir, run.base, weights):
            trainer.describe(folder, trainer.state)
            print(f"written to {folder}")


if __name__ == "__main__":
    main()
