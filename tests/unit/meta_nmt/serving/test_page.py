"""The page in a real browser: type, click, read, see the picture."""

import threading
import time
from pathlib import Path

import pytest
import uvicorn

from meta_nmt.serving.desk import Limits
from meta_nmt.serving.server import make_app
from meta_nmt.translation.loaders import load_folder

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def address(model):
    app = make_app(load_folder(model), Limits(), "# The card\n")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page, opened; what goes wrong in it fails the test."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda message: wrong.append(message.text) if "Content Security Policy" in message.text else None
    )
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    playwright.expect(page).to_have_title("Translate dd to en")
    yield page
    page.close()
    assert not wrong, wrong


def translate(page, text):
    page.get_by_label("Sentence").fill(text)
    page.get_by_role("button", name="Translate").click()
    page.locator("#go:not([aria-disabled])").wait_for()


def test_type_click_read_and_see(page, model, data):
    line = (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()[0]
    (expected,) = load_folder(model).results([line], 5)
    translate(page, line)
    assert page.locator("#best").inner_text() == expected.text
    rows = page.locator("#nbest tbody tr")
    assert rows.count() == 5
    assert rows.nth(1).locator("td").all_inner_texts()[:2] == [f"{expected.hypotheses[1].score:.3f}",
                                                               expected.hypotheses[1].text]  # fmt: skip
    assert page.get_by_role("img").is_visible(), "the picture"
    assert page.locator("svg text.piece").all_text_contents() == expected.pieces
    bars = [float(bar.get_attribute("width")) for bar in page.locator("svg rect").all()]
    near = load_folder(model).neighbours
    shares = [w for p in expected.pieces for j, (_, w) in enumerate(near[p][:5]) if not j or w >= 0.01]
    assert bars == pytest.approx([bars[0] * share / shares[0] for share in shares], rel=0.02), "as long as its share"
    words = page.locator("svg text:not(.piece):not(.share)").all_text_contents()
    assert words[0] == expected.pieces[0].replace("dd", ""), "the nearest of the test data's pieces"
    box = page.locator("svg").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1000
    page.get_by_text("The same as a table").click()
    assert page.locator("#pieces tbody tr").count() == len(expected.pieces)


def test_markup_is_text(page):
    evil = "<script>alert(1)</script> <img src=x onerror=alert(2)>"
    translate(page, evil)
    assert page.locator("#result").is_visible()
    assert any("<script" in text for text in page.locator("#pieces td.piece").all_text_contents()), "shown as text"
    assert page.locator("#result script, #result img").count() == 0
    assert "script" in page.locator("#warnings").inner_text(), "unknown words are said"


def test_far_too_much_is_refused_in_a_sentence(page):
    translate(page, "x" * 100_000)
    assert page.get_by_role("status").inner_text() == "Not translated: the text must be at most 2,000 characters long"
    assert not page.locator("#result").is_visible()
    assert "100,000 of 2,000" in page.locator("#count").inner_text()
    translate(page, "ddwaa")
    assert page.locator("#best").is_visible() and page.get_by_role("status").inner_text() == ""


def test_an_empty_sentence(page):
    translate(page, "")
    assert page.locator("#best").inner_text() == "(nothing to translate)"


def test_by_keyboard_alone(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("ddwaa ddwab")
    page.keyboard.press("Control+Enter")
    page.locator("#best").wait_for()
    assert page.locator("#best").get_attribute("aria-live") == "polite"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "go", "the button comes next"


def test_narrow_and_dark(browser, address, data):
    line = (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()[0]
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
    page.goto(address)
    translate(page, line)
    page.locator("svg").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing sticks out to the side"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in background[4:-1].split(",")) < 60, background
    page.close()
