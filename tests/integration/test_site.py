"""The documentation site is built as its readers get it: no warning, no broken link, nothing from a network.

The notebook is run in the build. `pip install '.[docs]'` brings what is needed.
"""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

REPO = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a page links to, what a browser loads with it, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag in LOADED and LOADED[tag] in found:
            self.loaded.add(found[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    for module in ("sphinx", "furo", "myst_nb"):
        pytest.importorskip(module, reason="the site needs pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-d", folder / "doctrees"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*argv, REPO / "docs", folder / "html"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    pages = [path for path in (folder / "html").rglob("*.html") if "_static" not in path.parts]
    return {path: Page(path.read_text("utf-8")) for path in pages}


def test_every_link_within_the_site_leads_somewhere(site: dict[Path, Page]) -> None:
    assert len(site) > 40, "pages, API, files"
    broken = []
    for path, page in site.items():
        for link in page.links | page.loaded:
            target, _, anchor = unquote(link).partition("#")
            if re.match(r"\w+:", target):
                continue
            file = (path.parent / target.partition("?")[0]).resolve() if target else path
            if not file.is_file() or (file in site and anchor not in site[file].anchors):
                broken.append(f"{path.name}: {link}")
    assert not broken, "\n".join(sorted(broken))


def test_a_reader_loads_nothing_from_a_network(site: dict[Path, Page]) -> None:
    elsewhere = {url for page in site.values() for url in page.loaded if re.match(r"(\w+:)?//", url)}
    assert not elsewhere
    folder = next(path for path in site if path.name == "index.html" and (path.parent / "_static").is_dir()).parent
    styles = [path.read_text("utf-8") for path in (folder / "_static").rglob("*.css")]
    assert styles and not any(re.search(r"url\(['\"]?(https?:)?//|@import", text) for text in styles)


def test_every_flag_of_a_command_can_be_linked_to(site: dict[Path, Page]) -> None:
    (commands,) = (page for path, page in site.items() if path.parts[-2:] == ("reference", "commands.html"))
    wanted = {"train-meta-learner", "adapt-learned-rule", "adapt-3-self-train", "serve-port", "average-inputs"}
    assert wanted <= commands.anchors, "one of our flags on each kind of help page"


def test_the_notebook_was_run(site: dict[Path, Page]) -> None:
    (notebook,) = (page for path, page in site.items() if path.name == "meta-learning.html")
    assert len([url for url in notebook.loaded if url.endswith(".png")]) == 4, "its plots"
