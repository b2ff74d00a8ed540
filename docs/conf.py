"""The documentation site: `sphinx-build --fail-on-warning docs outputs/site`, with the extra `docs` and no network.

Sphinx with the theme Furo, because Material for MkDocs had its last support in November 2026, and Zensical, its
successor, is not at 1.0 and builds no pages from our parsers. Furo brings its own fonts, scripts and dark colours.
"""

import sys
from pathlib import Path

import fastapi  # noqa: F401  before autodoc sets typing.TYPE_CHECKING, under which pydantic cannot make its models

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_site")]

project = "meta_nmt"
author = "meta_nmt authors"
copyright = "meta_nmt authors"  # noqa: A001  Sphinx calls it so
html_title = "meta_nmt"
html_theme = "furo"
smartquotes = False  # two hyphens are a flag
html_static_path = ["_site/static"]
html_css_files = ["page.css"]
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
exclude_patterns = ["_site", "reference/api/*/modules.rst"]

extensions = [
    *("sphinx.ext.autodoc", "sphinx.ext.apidoc", "sphinx.ext.napoleon", "myst_nb"),
    *("source_pages", "command_flags", "from_code", "docstring_text"),
]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_url_schemes = {"http": None, "https": None, "source": None}  # `source`: source_pages.py

# the notebook is run whenever the site is built; a cell that fails fails the build
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True

apidoc_modules = [
    {"path": f"../{package}", "destination": f"reference/api/{package}", "max_depth": 1, "module_first": True}
    for package in ("meta_nmt", "data_prep")
]
apidoc_separate_modules = False
# a package does not show again what its modules define: a name that stands twice has no one place to link to
autodoc_default_options = {
    "member-order": "bysource", "exclude-members": "model_config,__init__", "ignore-module-all": True,
}  # fmt: skip
autodoc_inherit_docstrings = False  # those of torch and fairseq are written otherwise
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
add_module_names = False
