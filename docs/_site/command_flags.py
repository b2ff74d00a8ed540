"""The directive ``command-flags``: the purpose and the flags of a command, as its own parser says them."""

from __future__ import annotations

import contextlib
import importlib
import io
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator
from unittest.mock import patch

from docstring_text import blocks_of
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MARK = "\0"


def help_page(module: str) -> list[str | ArgumentParser]:
    """What ``--help`` of the command whose ``main`` is in ``module`` prints: texts, and the parsers of its flags."""
    said, parsers = io.StringIO(), list[ArgumentParser]()

    def noted(parser: ArgumentParser) -> str:
        parsers.append(parser)
        return f"\n\n{MARK}"  # some commands cut the line of usage off, up to the first empty line

    main = importlib.import_module(module).main
    with patch.object(ArgumentParser, "format_help", noted), contextlib.redirect_stdout(said):
        with contextlib.suppress(SystemExit):
            main(["--help"])
    first, *texts = said.getvalue().split(MARK)
    page: list[str | ArgumentParser] = [first.strip() or parsers[0].description or ""]
    for parser, text in zip(parsers, texts, strict=True):
        page += [parser, f"{text}\n{parser.epilog or ''}"]
    return page


def sentence(parser: ArgumentParser, action: Action) -> str:
    """The help text of a flag with its default, as the help page has it; the choices, if nothing names them."""
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    choices = [str(choice) for choice in action.choices or ()]
    unnamed = choices if action.metavar is None and not all(choice in text for choice in choices) else []
    return text + (f" (one of {', '.join(unnamed)})" if unnamed else "")


def spelling(parser: ArgumentParser, action: Action) -> str:
    """How a flag is written: its names, and its value."""
    formatter = parser._get_formatter()
    if not action.option_strings:
        return formatter._format_args(action, action.dest)
    value = "" if action.nargs == 0 else f" {formatter._format_args(action, action.dest.upper())}"
    return ", ".join(action.option_strings) + value


def flags(parser: ArgumentParser) -> Iterator[Action]:
    """The arguments that a help page shows, but for ``--help``."""
    return (action for action in parser._actions if action.help != SUPPRESS and "--help" not in action.option_strings)


def flag_list(parser: ArgumentParser, command: str) -> nodes.definition_list:
    """The flags of a parser; each can be linked to, as ``command-flag``."""
    listed = nodes.definition_list(classes=["flags"])
    for action in flags(parser):
        names = spelling(parser, action)
        name = f"{command}-{(action.option_strings or [action.dest])[-1].strip('-')}"
        term = nodes.term("", "", nodes.literal(names, names), ids=[nodes.make_id(name)])
        text = nodes.paragraph("", sentence(parser, action))
        listed += nodes.definition_list_item("", term, nodes.definition("", text))
    return listed


class CommandFlags(SphinxDirective):
    """``{command-flags} MODULE``: one command. Its flags can be linked to and searched for."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that stand for the directive."""
        found: list[nodes.Node] = []
        for number, part in enumerate(help_page(self.arguments[0])):
            name = self.arguments[0].rpartition(".")[2] + f"-{number}" * (number > 1)
            found += blocks_of(part) if isinstance(part, str) else [flag_list(part, name)]
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-flags", CommandFlags)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
