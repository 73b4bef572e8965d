"""What train_sft.py takes beside the faces (dataset_builder/drawn_faces.py) and TRL's SFTConfig. Combinations that contradict
each other are refused here, before anything is loaded."""

from dataclasses import dataclass, field
from pathlib import Path

PROMPT_LAYOUTS = ("image_first", "instruction_first")
SAVED_DTYPES = ("float32", "bfloat16", "float16")


@dataclass
class ModelArguments:
    """Where the model starts from, which parts learn, how it is saved."""

    checkpoint: str | None = field(
        default=None,
        metadata={"help": "Folder or Hub id of a LLaVA checkpoint to go on from. Not with --from_scratch."},
    )
    from_scratch: bool = field(default=False, metadata={"help": "Start from random weights of the scratch sizes."})
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights of --from_scratch."})
    tower: str | None = field(
        default=None, metadata={"help": "Folder of a warmed-up vision tower to start from. Only with --from_scratch."}
    )
    freeze_tower: bool = field(default=False, metadata={"help": "Keep the vision tower as it is."})
    freeze_language_model: bool = field(default=False, metadata={"help": "Keep the language model as it is."})
    freeze_projector: bool = field(default=False, metadata={"help": "Keep the projector as it is."})
    literal_share: float = field(
        default=0.05,
        metadata={"help": "Share of an answer's fixed text that is learnt; values always are. From 0 to 1."},
    )
    hidden_share: float = field(
        default=0.0,
        metadata={"help": "Share of rows whose values are left out of the input and learnt all at once. From 0 to 1."},
    )
    prompt_layout: str = field(
        default="image_first",
        metadata={"help": f"Order of picture and question: {PROMPT_LAYOUTS}. It is written into the checkpoint."},
    )
    validation_faces: int = field(default=200, metadata={"help": "Drawn faces of validation identities for the loss."})
    saved_dtype: str = field(
        default="bfloat16", metadata={"help": f"Precision of the final checkpoint: {SAVED_DTYPES}."}
    )

    def __post_init__(self):
        if self.from_scratch == (self.checkpoint is not None):
            raise ValueError(
                f"checkpoint={self.checkpoint!r} with from_scratch={self.from_scratch}: give exactly one of the two, a checkpoint "
                "to go on from or --from_scratch"
            )
        if self.tower is not None and not self.from_scratch:
            raise ValueError(
                f"tower={self.tower!r} with checkpoint={self.checkpoint!r}: a checkpoint brings its own tower; leave --tower out "
                "or use --from_scratch"
            )
        if self.tower is not None and not Path(self.tower, "config.json").is_file():
            raise ValueError(
                f"tower={self.tower!r} is no folder with a saved tower: warm one up with aullava.training.tower"
            )
        if self.freeze_tower and self.freeze_language_model and self.freeze_projector:
            raise ValueError(
                "freeze_tower, freeze_language_model and freeze_projector leave nothing to train: unset one"
            )
        for name in ("literal_share", "hidden_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a share from 0 to 1")
        if self.prompt_layout not in PROMPT_LAYOUTS:
            raise ValueError(f"prompt_layout is {self.prompt_layout!r}: expected one of {', '.join(PROMPT_LAYOUTS)}")
        if self.saved_dtype not in SAVED_DTYPES:
            raise ValueError(f"saved_dtype is {self.saved_dtype!r}: expected one of {', '.join(SAVED_DTYPES)}")
