"""The card of a checkpoint that brings none: how to use it, and that nothing else is stated or was measured."""

from pathlib import Path

from aullava.training import card_text

_FRONT = "library_name: transformers\npipeline_tag: image-text-to-text\ntags: [facial-action-units, facs, llava]"


def plain_card(checkpoint: Path, name: str) -> str:
    """The text of README.md.

    Args:
        checkpoint: folder whose files say how pictures are prepared. name: of the model.
    """
    return card_text.card_of_sections(
        _FRONT,
        name,
        "A LLaVA model that reads facial action units (FACS) off a face, as text. Its checkpoint came without a card.",
        {
            "Outputs": "Any list of units can be asked as present or not (`AU1=0 AU12=1`), as levels from 0 to 5, or as fractions. "
            "Which of them it learnt is not stated.",
            "Use": card_text.USE.format(protocol="disfa"),
            "Input": card_text.input_text(checkpoint),
            "Training data": "**Not stated.**",
            "Training": "**Not stated.**",
            "Results": f"**Not measured.**\n\n{card_text.NOT_BY_GROUP}",
            "Speed": card_text.SPEED,
            "Limits": "**Not measured.** Readings of faces unlike those that it learnt from may mean nothing.",
            "Intended use, and not": card_text.INTENDED,
            "Licence": card_text.licence_table([("weights", "not stated")]),
            "Citation": card_text.CITATION,
        },
    )
