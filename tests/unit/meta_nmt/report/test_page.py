"""The page: it holds everything itself, and works in a browser: no error, every picture, sorting, any width."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from meta_nmt.report.page import finding

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


class Links(HTMLParser):
    """Everything that a page would load, and its ids."""

    def __init__(self):
        super().__init__()
        self.loaded, self.anchors, self.ids = [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.loaded += [given[name] for name in ("src", "srcset") if name in given]
        self.loaded += [given["href"]] if tag == "link" else []
        self.anchors += [given["href"]] if tag == "a" else []
        self.ids += [given["id"]] if "id" in given else []


def test_the_page_needs_nothing_from_outside(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert links.loaded and all(value.startswith("data:") for value in links.loaded), "everything is embedded"
    assert all(value.startswith("#") for value in links.anchors), f"links lead into the page: {links.anchors}"
    assert {value[1:] for value in links.anchors} <= set(links.ids), "and to something that is there"
    assert len(links.ids) == len(set(links.ids)), "each id is there once"
    outside = re.sub(r'(src|srcset)="data:[^"]*"', "", text)
    assert "http://" not in outside and "https://" not in outside and "@import" not in outside, "no address at all"


def test_every_part_that_was_asked_for_is_on_it(written, gathered):
    text = (written / "report.html").read_text(encoding="utf-8")
    parts = {
        "chrF++": "chrF++", "the full-data reference": "scratch, full data", "the curve": "BLEU against",
        "the course of meta-training": "Meta-validation", "tokens": "123,456", "device": "some processor, 1 threads",
        "peak memory": "457", "bootstrap": "paired bootstrap", "randomisation": "approximate randomisation",
        "signature": gathered.results[0].signature, "commit": gathered.commit, "a version": "sacrebleu",
        "data hash": gathered.data[0]["sha256"], "a command": "meta-nmt-adapt DATA", "leakage": "Data and leakage",
        "samples": "Worst", "glossary": "Glossary", "a name": "ro (Romanian)", "standard deviation": "± ",
    }  # fmt: skip
    missing = [name for name, part in parts.items() if part not in text]
    assert not missing, f"the page lacks {missing}"


def test_what_data_says_is_never_markup(results, tmp_path):
    from meta_nmt.report.gather import make_report
    from meta_nmt.report.write import write_report

    folder = tmp_path / "results" / "one"
    shutil.copytree(results / "ro-fomaml-emb_enc-16000-s1", folder)
    evil = '<script>alert("x")</script> <img src=x onerror=alert(1)> a b'
    for name in ("hypotheses", "references", "sources"):
        count = len((folder / f"{name}.txt").read_text().splitlines())
        (folder / f"{name}.txt").write_text((evil + "\n") * count)
    record = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(record | {"system": "<b>bold</b>"}))
    write_report(make_report([tmp_path / "results"], "<i>title</i>"), tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    for markup in ("<script>alert", "<img src=x", "<b>bold", "<i>title"):
        assert markup not in text, f"{markup} came through"
    assert "&lt;b&gt;bold" in text, "it shows as text"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        started = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def opened(browser, page_file: Path, width: int, scheme: str):
    """The page in a browser without a network, and what it complained of."""
    page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True).new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(page_file.as_uri())
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1400])
def test_it_opens_at_any_width_in_light_and_dark(width, scheme, browser, written):
    page, complaints = opened(browser, written / "report.html", width, scheme)
    widths = page.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert len(widths) == 3 and all(widths), f"two targets and meta-training: {widths}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page itself must not scroll sideways"
    clipped = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, p, dd, dt, summary, li')]"
        ".filter((e) => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML)"
    )
    assert not clipped, f"text runs out of the page: {clipped[:2]}"
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
    assert size >= 13, f"text of {size} pixels is too small"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", background)[:3])) > 380
    assert light == (scheme == "light"), f"{scheme} has the background {background}"
    shown = page.evaluate("document.images[0].currentSrc")
    look = ["(max-width: 36rem)"] * (width == 380) + ["(prefers-color-scheme: dark)"] * (scheme == "dark")
    source = f'picture source[media="{" and ".join(look)}"]'
    wanted = page.evaluate("(source) => document.querySelector(source).srcset", source) if look else page.evaluate(
        "document.querySelector('picture img').getAttribute('src')")  # fmt: skip
    assert shown == wanted, "figures follow the colour scheme, and the width"
    scales = page.evaluate("[...document.images].map((image) => image.clientWidth / image.naturalWidth)")
    assert all(0.75 < scale < 2 for scale in scales), f"letters of figures stay legible: {scales}"
    scrolled = page.evaluate("[...document.querySelectorAll('.plot')].filter((e) => e.scrollWidth > innerWidth).length")
    tables = page.evaluate("document.querySelector('#table-significance').closest('.scroll').scrollWidth")
    room = page.evaluate("document.querySelector('#table-significance').closest('.scroll').clientWidth")
    assert width == 380 or tables <= room, f"the table of significance is {tables} pixels wide in a page with {room}"
    assert not scrolled, "no figure has to be scrolled sideways"
    assert not complaints, complaints


def column(page, table: str, index: int) -> list[str]:
    rows = f"[...document.querySelectorAll('{table} tbody tr')]"
    return page.evaluate(f"{rows}.map((row) => row.cells[{index}].innerText.trim())")


def test_tables_sort_by_click_and_by_keyboard(browser, written):
    page, complaints = opened(browser, written / "report.html", 1400, "light")
    heads = page.locator("#table-main thead tr:last-child th")
    foot = page.inner_text("#table-main tfoot")
    heads.nth(2).locator("button").click()
    values = [float(text.split()[0].rstrip("▲▼")) for text in column(page, "#table-main", 2) if text]
    assert values == sorted(values, reverse=True) and len(set(values)) > 2, f"the best first: {values}"
    assert heads.nth(2).get_attribute("aria-sort") == "descending"
    heads.nth(2).locator("button").press("Enter")
    assert [float(text.split()[0].rstrip("▲▼")) for text in column(page, "#table-main", 2) if text] == values[::-1]
    assert heads.nth(2).get_attribute("aria-sort") == "ascending", "the keyboard sorts too"
    heads.nth(0).locator("button").click()
    names = column(page, "#table-main", 0)
    assert names == sorted(names) and heads.nth(2).get_attribute("aria-sort") == "none", "words from a to z"
    heads.nth(1).locator("button").click()
    assert column(page, "#table-main", 1)[-1] == "", "what has no value stays last"
    assert page.inner_text("#table-main tfoot") == foot, "the reference stays below"
    assert not complaints, complaints


def test_the_lead_sentence_says_what_the_numbers_say(gathered):
    text = finding(gathered)
    means = {}
    for system in ("fomaml", "joint", "scratch"):
        by_target = [
            [r.bleu for r in gathered.results if (r.system, r.target, r.english_tokens) == (system, target, 16_000)]
            for target in ("ro", "fi")
        ]
        means[system] = f"{sum(sum(runs) / 3 for runs in by_target) / 2:.2f}"
    assert f"fomaml reaches {means['fomaml']} BLEU on average over 2 languages" in text, text
    assert f"against {means['joint']} of joint" in text and f"from scratch gives {means['scratch']}." in text, text
    (test,) = [c for c in gathered.significance if (c.target, c.english_tokens, c.test) == ("all", 16_000, "bs")]
    assert f"p = {test.p:.3f}" in text and f"{test.delta:+.2f}" in text, text
    (over_seeds,) = [c for c in gathered.significance if (c.target, c.english_tokens, c.test) == ("all", 16_000, "t")]
    assert f"over seeds p = {over_seeds.p:.3f}" in text, text
    # the verdict is cautious where either test is
    for p, q, words in ((0.2, 0.2, "within chance"), (0.01, 0.2, "other seeds may not show it"), (0.01, 0.02, "")):
        tests = [replace(test, p=p), replace(over_seeds, p=q)]
        verdict = finding(replace(gathered, significance=tests))
        said = [w for w in ("within chance", "other seeds may not show it") if w in verdict]
        assert said == ([words] if words else []), verdict
    alone = finding(replace(gathered, significance=[test]))
    assert "over seeds" not in alone and f"p = {test.p:.3f}" in alone, "one seed has no t-test"
