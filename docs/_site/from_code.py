"""What a reference page takes from the code: ``field-table``, the fields of a pydantic model, and ``module-text``, the
docstring of a module, which describes a file format."""

from __future__ import annotations

import importlib

from docstring_text import blocks_of, inlines
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class FieldTable(SphinxDirective):
    """``{field-table} MODULE.CLASS``: a definition for each field, in the order of the class."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that stand for the directive."""
        module, _, name = self.arguments[0].rpartition(".")
        fields = nodes.definition_list(classes=["flags"])
        for field, info in getattr(importlib.import_module(module), name).model_fields.items():
            default = "required" if info.is_required() else f"default: {info.default!r}"
            term = nodes.term("", "", nodes.literal(field, field), ids=[nodes.make_id(f"{name}-{field}")])
            text = nodes.paragraph("", "", *inlines(f"{info.title}: {info.description} ({default})"))
            fields += nodes.definition_list_item("", term, nodes.definition("", text))
        return [fields]


class ModuleText(SphinxDirective):
    """``{module-text} MODULE``: its docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that stand for the directive."""
        return blocks_of(importlib.import_module(self.arguments[0]).__doc__ or "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("field-table", FieldTable)
    app.add_directive("module-text", ModuleText)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
