"""The pictures in README.md: the page of a translator with a translation on it, in light and in dark colours.

    meta-nmt-serve models/lv-en --port 8000
    python docs/pictures/translator_page.py http://127.0.0.1:8000/ "Es esmu ceļš." --out docs/pictures

It writes DIR/page-light.png and DIR/page-dark.png. It needs playwright and pillow (the extra `dev`), and Debian's
chromium.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
WIDTH, HEIGHT, SCALE = 760, 620, 1.5
COLOURS = 64  # of the pictures: they are small files, and letters stay sharp


def picture(browser: Browser, url: str, text: str, scheme: str, patience: float) -> bytes:
    """The page as PNG after it has translated ``text``; ``patience`` in seconds."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme, device_scale_factor=SCALE
    )
    context.set_default_timeout(1000 * patience)
    page = context.new_page()
    page.goto(url)
    page.fill("#text", text)
    page.click("#go")
    page.wait_for_selector("#result:not([hidden]) #picture svg")
    shot = page.screenshot()
    context.close()
    return shot


def main() -> None:
    """Take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL", help="where meta-nmt-serve serves the page")
    parser.add_argument("text", metavar="TEXT", help="what is translated")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="DIR", help="where pictures go")
    parser.add_argument("--patience", type=float, default=30, help="seconds to wait for the page (default: 30)")
    args = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS], timeout=1000 * args.patience)
        for scheme in ("light", "dark"):
            shot = Image.open(BytesIO(picture(browser, args.url, args.text, scheme, args.patience)))
            small = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(args.out / f"page-{scheme}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
