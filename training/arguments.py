"""Settings of a run and its model; data_arguments.py and TRL's SFTConfig have the others. Contradictions are refused here, before
anything is loaded."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from transformers import TrainingArguments

PROMPT_LAYOUTS = ("image_first", "instruction_first")
SAVED_DTYPES = ("float32", "bfloat16", "float16")
FROZEN_DTYPES = ("float32", "bfloat16")
REPORTERS = ("tensorboard", "trackio", "wandb", "mlflow")  # transformers finds them missing only with the model loaded
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")

# Names of the version before: accepted for one version, with a warning.
RENAMED = {
    "hidden_share": "mask_rate",
    "literal_share": "template_loss_fraction",
    "gradient_checkpointing": "activation_checkpointing",  # by transformers
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
}
REMOVED = ("value_loss_focus_positive", "value_loss_focus_negative", "value_loss_margin")


@dataclass
class RunArguments:
    """What a run does besides training."""

    dry_run: bool = field(
        default=False,
        metadata={
            "help": "Print rows, turns, steps, trainable parameters and memory. Loads no weights, trains nothing."
        },
    )
    early_stopping_patience: int = field(
        default=0,
        metadata={"help": "Stop after this many evaluations without a better metric_for_best_model; 0: never."},
    )
    weights_license: str | None = field(
        default=None, metadata={"help": "Licence of the trained weights for the model card, by its Hub name."}
    )

    def __post_init__(self):
        if self.early_stopping_patience < 0:
            raise ValueError(f"early_stopping_patience is {self.early_stopping_patience}: expected 0 or more")


@dataclass
class ModelArguments:
    """Where the model starts from, which parts are trained, how it is saved."""

    checkpoint: str | None = field(
        default=None,
        metadata={"help": "Folder or Hub id of the LLaVA checkpoint to fine-tune. Not with --from_scratch."},
    )
    from_scratch: bool = field(default=False, metadata={"help": "Start from random weights, with the sizes below."})
    model_seed: int = field(default=0, metadata={"help": "Seed of the random weights of --from_scratch."})
    tower: str | None = field(
        default=None,
        metadata={"help": "Folder of a pretrained vision tower that replaces the checkpoint's own."},
    )
    freeze_tower: bool = field(default=False, metadata={"help": "Freeze the vision tower."})
    freeze_language_model: bool = field(default=False, metadata={"help": "Freeze the language model."})
    freeze_projector: bool = field(default=False, metadata={"help": "Freeze the projector."})
    lora_r: int = field(
        default=0,
        metadata={
            "help": "Rank of LoRA adapters on the language model's linear layers; 0: train the weights themselves."
        },
    )
    lora_alpha: int | None = field(
        default=None,
        metadata={"help": "LoRA alpha: adapters are scaled by alpha / r; default twice the rank."},
    )
    lora_dropout: float = field(default=0.0, metadata={"help": "LoRA dropout. From 0 to below 1."})
    lora_tower: bool = field(
        default=False, metadata={"help": "Also put adapters on the vision tower's linear layers."}
    )
    merge_lora: bool = field(
        default=False,
        metadata={"help": "At the end, also write a full checkpoint with the adapters merged into the base."},
    )
    load_in_4bit: bool = field(
        default=False,
        metadata={"help": "Load the frozen language model in 4 bits (QLoRA). Needs bitsandbytes and --lora_r."},
    )
    frozen_dtype: str = field(
        default="float32",
        metadata={"help": f"Precision of frozen weights: {FROZEN_DTYPES}. Trainable weights are always float32."},
    )
    attn_implementation: str | None = field(
        default=None, metadata={"help": f"Attention kernel: {ATTENTIONS}; default: transformers chooses."}
    )
    packed: bool = field(
        default=False,
        metadata={"help": "Pack all turns about an image into one sequence, so that the image is encoded once."},
    )
    template_loss_fraction: float = field(
        default=0.05,
        metadata={"help": "Fraction of an answer's template tokens in the loss; value tokens always are. 0 to 1."},
    )
    mask_rate: float = field(
        default=0.0,
        metadata={"help": "Fraction of turns whose values are masked in the input, for mode parallel. 0 to 1."},
    )
    prompt_layout: str = field(
        default="image_first",
        metadata={"help": f"Order of image and question: {PROMPT_LAYOUTS}. Stored in the checkpoint."},
    )
    validation_faces: int = field(
        default=200, metadata={"help": "Drawn faces of validation identities that the loss is evaluated on."}
    )
    saved_dtype: str = field(
        default="bfloat16", metadata={"help": f"Precision of the saved checkpoint: {SAVED_DTYPES}."}
    )

    def __post_init__(self):
        for name in ("template_loss_fraction", "mask_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a share from 0 to 1")
        for name, choices in (
            ("prompt_layout", PROMPT_LAYOUTS),
            ("saved_dtype", SAVED_DTYPES),
            ("frozen_dtype", FROZEN_DTYPES),
            ("attn_implementation", (None, *ATTENTIONS)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: expected one of {', '.join(filter(None, choices))}"
                )
        for name in ("lora_alpha", "lora_dropout", "lora_tower", "merge_lora", "load_in_4bit"):
            if getattr(self, name) and not self.lora_r:
                raise ValueError(f"{name}={getattr(self, name)} with lora_r=0: set lora_r, or leave {name} out")
        adapters = f"lora_r={self.lora_r}"
        for refused, message in (
            (
                self.from_scratch == (self.checkpoint is not None),
                f"checkpoint={self.checkpoint!r} with from_scratch={self.from_scratch}: give exactly one of the two, a checkpoint "
                "to fine-tune or --from_scratch",
            ),
            (
                self.tower is not None and not Path(self.tower or "", "config.json").is_file(),
                f"tower={self.tower!r} is not a folder with a saved tower: train one with python -m aullava.training.model.tower",
            ),
            (
                not self.lora_r and self.freeze_tower and self.freeze_language_model and self.freeze_projector,
                "freeze_tower, freeze_language_model and freeze_projector leave nothing to train: unset one of them",
            ),
            (self.lora_r < 0, f"{adapters}: expected a rank of 1 or more, or 0 for no adapters"),
            (
                self.lora_alpha is not None and self.lora_alpha < 1,
                f"lora_alpha is {self.lora_alpha}: expected 1 or more",
            ),
            (
                not 0 <= self.lora_dropout < 1,
                f"lora_dropout is {self.lora_dropout}: expected 0 or more and below 1",
            ),
            (
                self.lora_r and self.from_scratch,
                f"{adapters} with from_scratch=True: there is no base to adapt; give a checkpoint",
            ),
            (
                self.lora_r and self.freeze_language_model,
                f"{adapters} with freeze_language_model=True: the adapters are part of it; unset one of the two",
            ),
            (
                self.lora_r and self.lora_tower and self.freeze_tower,
                f"{adapters} and lora_tower=True with freeze_tower=True: lora_tower trains the tower; unset one of the two",
            ),
            (
                self.packed and self.prompt_layout == "instruction_first",
                "packed=True with prompt_layout='instruction_first': turns can share an image only if it comes first; "
                "use image_first, or leave packed out",
            ),
            (
                self.packed and self.attn_implementation not in (None, "sdpa"),
                f"packed=True with attn_implementation={self.attn_implementation!r}: only sdpa keeps packed turns apart; "
                "use it, or leave packed out",
            ),
        ):
            if refused:
                raise ValueError(message)


def check_together(run: RunArguments, base: ModelArguments, losses, training: TrainingArguments) -> None:
    """Refuse settings that contradict the trainer's own arguments.

    Args:
        losses: `losses.LossArguments`.

    Raises:
        ValueError: frozen weights in bfloat16 without autocast, a value loss together with another of TRL's losses, early stopping
            without evaluation or metric, or a reporter that is not installed.
    """
    if base.frozen_dtype != "float32" and not (training.bf16 or training.fp16):
        raise ValueError(
            f"frozen_dtype={base.frozen_dtype!r} with bf16=False: float32 inputs would meet weights of another precision; "
            "set bf16, or frozen_dtype to float32"
        )
    for name, usual in (("loss_type", "nll"), ("label_smoothing_factor", 0.0)):
        if losses.value_loss != "cross_entropy" and getattr(training, name) != usual:
            raise ValueError(
                f"{name}={getattr(training, name)!r} with value_loss={losses.value_loss!r}: both change the loss; remove one"
            )
    for name in training.report_to:
        if name in REPORTERS and not find_spec(name):
            raise ValueError(f"report_to names {name}, which is not installed: pip install {name}, or leave it out")
    patience = f"early_stopping_patience={run.early_stopping_patience}"
    if run.early_stopping_patience and training.eval_strategy == "no":
        raise ValueError(f"{patience} with eval_strategy='no': nothing would be evaluated; set eval_strategy to steps")
    if run.early_stopping_patience and training.metric_for_best_model is None:
        raise ValueError(
            f"{patience} with metric_for_best_model=None: set it to what should improve, such as macro_f1"
        )


def current_names(settings: Mapping[str, object], warn: bool = False) -> dict[str, object]:
    """Settings by the names of this version, without those that were removed.

    Raises:
        ValueError: one is given by its earlier name and by its present one.
    """
    current: dict[str, object] = {}
    for name, value in settings.items():
        if name in REMOVED or name in RENAMED:
            now = RENAMED.get(name)
            if now in settings:
                raise ValueError(f"{name} and {now} are the same setting: give {now} only")
            if warn:
                told = f"is now called {now}" if now else "was removed and has no effect"
                warnings.warn(f"{name} {told}; the next version will not accept it", FutureWarning, 2)
            if now is None:
                continue
            name = now
        current[name] = value
    return current
