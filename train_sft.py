"""Fine-tune AU-LLaVA on chat turns with TRL's SFTTrainer.

    accelerate launch train_sft.py --config configs/tiny_2_align.yaml
    python train_sft.py --config configs/tiny_2_align.yaml --learning_rate 1e-3

The YAML file sets defaults, flags win, unknown keys are errors. A run that finds checkpoints of the same settings in output_dir
goes on from the last one. The final checkpoint, weights and configuration and processor, is written to output_dir/model.
"""

from dataclasses import replace
from pathlib import Path

from trl import SFTConfig, SFTTrainer, TrlParser

from aullava.dataset_builder.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.arguments import ModelArguments
from aullava.training.collator import TurnCollator
from aullava.training.loading import load_for_training, save_checkpoint
from aullava.training.report import print_what_trains
from aullava.training.resume import checkpoint_to_resume
from aullava.training.scratch import ScratchArguments


def main() -> None:
    parser = TrlParser((ModelArguments, ScratchArguments, DrawnFaceArguments, SFTConfig))
    arguments, sizes, drawing, training = parser.parse_args_and_config()

    model, processor = load_for_training(arguments, sizes)
    # What the checkpoint will be asked, and how, is what it was trained on.
    model.config.question_form, model.config.prompt_layout = drawing.usual_form, arguments.prompt_layout
    print_what_trains(model)

    # Rows are drawn when they are read and collated by our own collator: the trainer must neither prune nor prepare them.
    training.remove_unused_columns = False
    training.dataset_kwargs = {"skip_prepare_dataset": True}
    training.max_length = None
    trainer = SFTTrainer(
        model=model,
        args=training,
        data_collator=TurnCollator(
            processor, arguments.literal_share, arguments.hidden_share, arguments.prompt_layout
        ),
        train_dataset=drawn_faces(drawing, "train"),
        eval_dataset=drawn_faces(replace(drawing, faces=arguments.validation_faces, first_face=0), "validation"),
        processing_class=processor,
    )
    trainer.train(resume_from_checkpoint=checkpoint_to_resume(training, arguments, sizes, drawing))

    if trainer.is_world_process_zero():
        folder = save_checkpoint(
            trainer.accelerator.unwrap_model(trainer.model),
            processor,
            Path(training.output_dir) / "model",
            arguments.saved_dtype,
        )
        print(f"checkpoint written to {folder}")


if __name__ == "__main__":
    main()
