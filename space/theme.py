"""How the page looks: system fonts only, so that nothing is fetched from elsewhere, in light and dark."""

from pathlib import Path

import gradio as gr

from aullava.space.units import atlas_css

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
MONO = ("ui-monospace", "Consolas", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """Quiet greys with one blue."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=SANS,
        font_mono=MONO,
    ).set(
        # Grey text of contrast 7.6 and 12 (slate 600 on white, slate 300 on slate 950) and blue text of 6.7 and 7.0.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        color_accent="*primary_700",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_border_width="1px",
        block_shadow="none",
        # White text on the theme's own blue 500 has a contrast of 3.7; on blue 700 it has 6.7.
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
    )


def style() -> str:
    """The style sheet: what is in style.css, and the drawn examples of the units."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8") + atlas_css()
