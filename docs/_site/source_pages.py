"""Links from a page to a file of the repository outside docs/: the site shows that file on a page of its own.

So `[clean.py](../data_prep/cleaning/clean.py)` leads somewhere on GitHub, in an editor and on the site alike. A folder
is shown as the list of its files, each with the first sentence of its docstring.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LINK = re.compile(r"(?<=\]\()([^()\s#:]+)(?=(?:#[^()\s]*)?\))")
SCHEME = "source:"
LANGUAGES = {".py": "python", ".sh": "bash", ".sbatch": "bash", ".yaml": "yaml", ".md": "markdown", ".toml": "toml"}


def root_of(app: Sphinx) -> Path:
    """The folder of the repository."""
    return Path(app.srcdir).parent


def mark_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give links to what is no page of the site the scheme `source:` and a path from the root."""
    folder, root, docs = Path(app.env.doc2path(docname)).parent, root_of(app), Path(app.srcdir).resolve()

    def marked(match: re.Match[str]) -> str:
        path = (folder / match[1]).resolve()
        inside = path.is_relative_to(docs) and path.is_file()
        return match[1] if inside or not path.exists() else SCHEME + path.relative_to(root.resolve()).as_posix()

    source[0] = LINK.sub(marked, source[0])


def lead_to_pages(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn the marked links of a page into links to the pages of `write_pages`, and note which are wanted."""
    for link in doctree.findall(nodes.reference):
        uri = link.get("refuri", "")
        if uri.startswith(SCHEME):
            path = uri.removeprefix(SCHEME).partition("#")[0].rstrip("/")
            wanted(app).add(path)
            link["refuri"] = app.builder.get_relative_uri(docname, page_of(path))
            link["internal"] = True


def wanted(app: Sphinx) -> set[str]:
    """The paths that pages link to; they are kept with the environment, for builds that read changed pages alone."""
    return app.env.__dict__.setdefault("source_pages", set())


def page_of(path: str) -> str:
    """The name of the page of a path of the repository."""
    return f"files/{path}"


def first_sentence(file: Path) -> str:
    """What the docstring of a Python file begins with; nothing for other files."""
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) if file.suffix == ".py" else None
    return (docstring or "").split("\n\n")[0]


def listing(app: Sphinx, folder: Path, page: str) -> str:
    """A folder as HTML: its files and folders, those with a page of their own as links."""
    rows = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")):
            continue
        name, inside = path.name + "/" * path.is_dir(), path.relative_to(root_of(app)).as_posix()
        shown = f"<code>{html.escape(name)}</code>"
        if inside in wanted(app):
            shown = f'<a href="{app.builder.get_relative_uri(page, page_of(inside))}">{shown}</a>'
        rows.append(f"<dt>{shown}</dt><dd>{html.escape(first_sentence(path) if path.is_file() else '')}</dd>")
    return f"<dl>{''.join(rows)}</dl>"


def write_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages of all paths that are linked to."""
    for inside in sorted(wanted(app)):
        path, page = root_of(app) / inside, page_of(inside)
        if path.is_dir():
            body = listing(app, path, page)
        else:
            text = path.read_text("utf-8")
            body = app.builder.highlighter.highlight_block(text, LANGUAGES.get(path.suffix, "text"), linenos="inline")
        title = html.escape(inside)
        yield page, {"title": title, "body": f"<h1><code>{title}</code></h1>{body}"}, "page.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the links and the pages to the site."""
    app.connect("source-read", mark_links)
    app.connect("doctree-resolved", lead_to_pages)
    app.connect("html-collect-pages", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
