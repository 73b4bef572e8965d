"""A real Chromium drives every tab. Left out where there is none."""

import csv
import re
import shutil
from itertools import pairwise

import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.space.tab_draw import drawn

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
TABS = ("Draw a face", "Read a face", "Video", "Batch", "About")
SLOW = 120_000  # milliseconds that a busy machine may take
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{3*7}}.png"

ROLES = {
    "button",
    "slider",
    "textbox",
    "combobox",
    "checkbox",
    "tab",
    "spinbutton",
    "link",
    "img",
    "DisclosureTriangle",
}

# Contrast of the text of an element with the first opaque colour behind it, as WCAG 2 defines it.
CONTRAST = """
element => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = element, ground = [255, 255, 255];
  for (; behind; behind = behind.parentElement) {
    const found = channels(getComputedStyle(behind).backgroundColor);
    if (found.length < 4 || found[3] > 0.99) { ground = found; break; }
  }
  const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}
"""


# The least contrast of bars, drawn and read, with the track that they fill.
BARS = f"""
() => Math.min(...[...document.querySelectorAll('.au-bars i')].slice(0, 2).map(bar => {{
  const probe = Object.assign(document.createElement('b'), {{textContent: '.'}});
  probe.style.color = getComputedStyle(bar, '::after').backgroundColor;
  bar.append(probe);
  return ({CONTRAST})(probe);
}}))
"""
# What says that an element has the focus.
FOCUS = """
() => {
  const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(document.activeElement);
  return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
}
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser before whose camera a drawn face smiles with its left side."""
    seen = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    one_sided = Image.fromarray(drawn(7, {"AU12L": 1.0}, 480).image_HWC)
    with seen.open("wb") as film:
        one_sided.save(film, "JPEG", quality=95)
    camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    arguments = (*ARGUMENTS, *camera, f"--use-file-for-fake-video-capture={seen}")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, page):
    """Opens the page; at the end nothing may have been fetched from elsewhere, logged as an error, or run as a script."""
    opened, faults = [], []

    def watch(tab):
        local = ("http://127.0.0.1", "data:", "blob:")
        tab.on("request", lambda r: None if r.url.startswith(local) else faults.append(f"fetched {r.url}"))
        tab.on("console", lambda m: faults.append(f"console: {m.text}") if m.type == "error" else None)
        tab.on("pageerror", lambda e: faults.append(f"script: {e}"))
        tab.on("dialog", lambda d: (faults.append("markup was executed"), d.dismiss()))

    def visit(tab_name="Draw a face", width=1280, height=900, theme="light"):
        tab = browser.new_page(viewport={"width": width, "height": height})
        tab.set_default_timeout(SLOW)
        watch(tab)
        opened.append(tab)
        tab.goto(f"{page}?__theme={theme}")
        tab.locator("#drawn-face img").wait_for()
        if tab_name != "Draw a face":
            open_tab(tab, tab_name)
        return tab

    yield visit
    for tab in opened:
        tab.close()
    assert faults == []


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(sample_face("test", 7, size=240).image_HWC).save(path)
    return path


def open_tab(tab, name):
    """On narrow screens the last tabs stand in a menu."""
    found = tab.get_by_role("tab", name=name)
    if not found.is_visible():
        tab.locator(".overflow-menu > button").click()
        found = tab.locator(".overflow-dropdown button", has_text=name)
    found.click()


def to_focus(tab, wanted, most=80):
    """Press Tab until something has the focus; the number of stops, each of which must show that it has it."""
    for stop in range(1, most):
        tab.keyboard.press("Tab")
        assert tab.evaluate(FOCUS), tab.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")
        if wanted.evaluate("element => element === document.activeElement"):
            return stop
    raise AssertionError(f"not reached after {most} stops")


def line(tab, panel, code):
    return tab.locator(f'{panel} [data-unit="{code}"] .au-value')


def test_a_preset_moves_the_face_and_the_reading(visit):
    tab = visit()
    drawn = tab.locator("#drawn-face img")
    assert "AU12L 0.85" in drawn.get_attribute("alt")
    tab.get_by_role("button", name="At rest").click()
    playwright.expect(drawn).to_have_attribute("alt", re.compile("no action unit"), timeout=SLOW)
    playwright.expect(line(tab, "#truth-and-reading", "AU12")).to_have_text("0 → 0", timeout=SLOW)
    playwright.expect(tab.locator("p[role=status]")).to_have_text("Read: no unit acts")
    tab.get_by_role("button", name="Brows together").click()
    playwright.expect(line(tab, "#truth-and-reading", "AU4")).to_have_text(re.compile("5 E → [45]"), timeout=SLOW)
    playwright.expect(tab.locator("p[role=status]")).to_contain_text("Brow lowerer")


def test_by_keyboard_alone_a_muscle_moves_and_every_stop_can_be_seen(visit):
    tab = visit()
    stops = to_focus(tab, tab.get_by_role("slider", name="AU12 right"))
    assert stops > 10
    tab.keyboard.press("Home")
    playwright.expect(tab.locator("#drawn-face img")).to_have_attribute(
        "alt", re.compile("^((?!AU12).)*$"), timeout=SLOW
    )
    open_tab(tab, "Batch")
    to_focus(tab, tab.get_by_role("button", name="Read the pictures"))
    tab.keyboard.press("Enter")
    playwright.expect(tab.locator(".toast-body").first).to_contain_text("0 files", timeout=SLOW)


def test_left_and_right_move_together_until_told_otherwise(visit):
    tab = visit()
    right, left = (tab.get_by_role("slider", name=f"AU15 {side}") for side in ("right", "left"))
    right.focus()
    tab.keyboard.press("End")
    playwright.expect(left).to_have_value("1", timeout=SLOW)
    tab.get_by_label("Move left and right together").uncheck()
    left.focus()
    tab.keyboard.press("Home")
    playwright.expect(tab.locator("#drawn-face img")).to_have_attribute(
        "alt", re.compile(r"AU15R 1\.00"), timeout=SLOW
    )
    playwright.expect(right).to_have_value("1")


def test_a_unit_opens_by_keyboard_and_stays_open_while_the_face_moves(visit):
    tab = visit()
    unit = tab.locator('#truth-and-reading [data-unit="AU12"]')
    unit.locator("summary").focus()
    tab.keyboard.press("Enter")
    playwright.expect(unit.locator("dl")).to_contain_text("zygomaticus major")
    box = unit.locator(".au-example").bounding_box()
    assert box["width"] == box["height"] == 144
    tab.get_by_role("button", name="At rest").click()
    playwright.expect(line(tab, "#truth-and-reading", "AU12")).to_have_text("0 → 0", timeout=SLOW)
    playwright.expect(unit).to_have_attribute("open", "")


def test_a_picture_is_read_when_it_is_chosen(visit, face):
    tab = visit("Read a face")
    tab.locator('input[type="file"]:visible, [data-testid="file-upload"]').first.set_input_files(str(face))
    playwright.expect(tab.locator("#boxed svg rect")).to_have_count(2, timeout=SLOW)
    playwright.expect(tab.locator("#reading pre")).to_have_text(re.compile("^AU1=[0-5] AU2="))
    tab.get_by_label("Units").and_(tab.locator("input:visible")).first.fill("AU4,AU12")
    tab.keyboard.press("Enter")
    playwright.expect(tab.locator("#reading pre")).to_have_text(re.compile("^AU4=[01] AU12=[01]$"), timeout=SLOW)


def test_the_camera_takes_a_picture_whose_left_stays_left(visit):
    tab = visit("Read a face")
    tab.get_by_label("Units").and_(tab.locator("input:visible")).first.fill("feafa")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Capture from camera").click()
    tab.locator('[title="grant webcam access"] button').click()
    tab.get_by_role("button", name="capture photo").click()
    playwright.expect(tab.locator("#boxed svg rect")).to_have_count(2, timeout=SLOW)
    left, right = (line(tab, "#reading", f"feafa_{side}_lip_corner_pull") for side in ("12_left", "13_right"))
    assert float(left.inner_text()) > float(right.inner_text()) + 0.3


def test_what_is_no_picture_gets_a_sentence_and_no_trace(visit, tmp_path):
    hostile = tmp_path / HOSTILE.replace("/", "")
    hostile.write_text("no picture")
    tab = visit("Read a face")
    tab.locator('[data-testid="file-upload"]').first.set_input_files(str(hostile))
    toast = tab.locator(".toast-body")
    playwright.expect(toast).to_contain_text("cannot be decoded", timeout=SLOW)
    assert "Traceback" not in tab.content()
    assert toast.locator("img").count() == 0


def test_a_batch_shows_a_table_and_gives_the_file(visit, face, tmp_path):
    hostile = tmp_path / HOSTILE
    hostile.write_bytes(face.read_bytes())
    (tmp_path / "bad.png").write_text("no picture")
    tab = visit("Batch")
    files = [str(path) for path in (face, hostile, tmp_path / "bad.png")]
    tab.locator('[data-testid="file-upload"][multiple]').first.set_input_files(files)
    tab.get_by_role("button", name="Read the pictures").click()
    result = tab.locator("#batch-result")
    playwright.expect(result).to_contain_text("2 faces in 2 of 3 pictures", timeout=SLOW)
    playwright.expect(result).to_contain_text("bad.png: cannot be decoded")
    assert result.locator("img").count() == 0
    with tab.expect_download() as download:
        result.get_by_role("link", name="Download readings.csv").click()
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert rows[0]["input"] == "face.png"


def test_a_video_gets_curves_bars_and_a_table(visit):
    tab = visit("Video")
    tab.get_by_role("button", name="Draw an example film").click()
    tab.locator("video").first.wait_for()
    frames = tab.get_by_role("slider", name="Frames read a second")
    frames.focus()
    tab.keyboard.press("Home")
    tab.get_by_role("button", name="Read the video").click()
    playwright.expect(tab.locator("#video-result")).to_contain_text("5 frames read, 2 faces", timeout=SLOW)
    playwright.expect(tab.locator("#video-plots img")).to_have_count(2)
    playwright.expect(tab.locator("video")).to_have_count(2)
    assert tab.evaluate("() => [...document.querySelectorAll('#video-plots img')].every(i => i.naturalWidth > 600)")


def test_a_video_without_frames_gets_a_sentence(visit, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"\0" * 2000)
    tab = visit("Video")
    tab.get_by_role("button", name="Read the video").click()
    playwright.expect(tab.locator(".toast-body").first).to_contain_text("no video was given", timeout=SLOW)
    tab.locator('[data-testid="file-upload"][accept*="video"]').first.set_input_files(str(tmp_path / "film.mp4"))
    tab.locator("video").first.wait_for(state="attached")
    tab.get_by_role("button", name="Read the video").click()
    playwright.expect(tab.locator(".toast-body", has_text="film.mp4")).to_be_visible(timeout=SLOW)
    assert "Traceback" not in tab.content()


def test_every_tab_fits_a_phone(visit):
    tab = visit(width=390, height=844)
    for name in TABS:
        open_tab(tab, name)
        tab.wait_for_timeout(300)
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= 390, name


def test_on_a_phone_the_face_stays_in_sight(visit):
    tab = visit(width=390, height=844)
    tab.get_by_role("slider", name="AU20 right").scroll_into_view_if_needed()
    box = tab.locator("#drawn-face").bounding_box()
    assert 0 <= box["y"] < 300


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks_for(visit, theme):
    tab = visit(theme=theme)
    ours = (".au-head p, .au-head code, .au-hint, .au-name, .au-value, .au-p, .au-part h3, .au-answer pre, figcaption"
            ", .au-title, .au-doc p, .au-doc a, .au-notice, .au-face > summary span")  # fmt: skip
    for name in TABS:
        open_tab(tab, name)
        tab.wait_for_timeout(300)
        low = tab.evaluate(
            f"([ours, theirs]) => [ours, theirs].flatMap(all => [...document.querySelectorAll(all)])"
            f".filter(e => e.checkVisibility() && e.innerText.trim()).map(e => [({CONTRAST})(e), e.outerHTML.slice(0, 150)])"
            ".filter(([contrast]) => contrast < 4.5)",
            [ours, '[role="tab"], button, label span, .label-wrap'],
        )
        assert low == [], name
    assert tab.evaluate(BARS) > 3


def test_every_control_and_picture_has_a_name_and_headings_are_in_order(visit):
    tab = visit()
    page = tab.context.new_cdp_session(tab)
    for name in TABS:
        open_tab(tab, name)
        tab.wait_for_timeout(300)
        nodes = [node for node in page.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
        nameless = [
            node["role"]["value"]
            for node in nodes
            if node["role"]["value"] in ROLES and not node.get("name", {}).get("value", "").strip()
        ]
        assert nameless == [], name
        levels = [
            item["value"]["value"]
            for node in nodes
            if node["role"]["value"] == "heading"
            for item in node["properties"]
            if item["name"] == "level"
        ]
        assert levels[0] == 1
        assert all(below - above <= 1 for above, below in pairwise(levels)), (name, levels)


def test_pictures_have_alternative_texts(visit):
    tab = visit("Read a face")
    assert tab.evaluate(
        "() => [...document.querySelectorAll('.au-head img, #drawn-face img')].every(i => i.alt.length > 10)"
    )
    assert tab.locator(".au-example").first.get_attribute("aria-label").startswith("A drawn face that shows")
