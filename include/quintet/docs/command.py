"""The page about the `quintet` command, rendered from its parser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

__all__ = ["command_page", "verbs"]

INTRODUCTION = """\
# The command quintet

Generated from the command by `quintet docs`.

Every verb takes `--help`. With `--json` a verb prints one JSON value on the standard output and nothing else there;
progress, warnings and errors go to the standard error. An error says what failed, on which object, and what to do.
"""

#: Type of a parameter -> the word for its value.
WORDS = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def verbs() -> Iterator[tuple[str, Any]]:
    """Every verb as it is typed, with its parser; verbs of a group follow each other."""
    import typer

    from quintet.cli.main import app

    yield from _leaves("quintet", typer.main.get_command(app))


def command_page() -> str:
    """Markdown of the page: exit codes, then verbs with arguments and options."""
    from quintet.cli.main import EXIT_CODES

    parts = [INTRODUCTION, "## Exit codes\n", "| code | meaning |\n|---|---|"]
    parts += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join([*parts, "", *(_verb(name, parser) for name, parser in verbs())])


def _leaves(name: str, parser: Any) -> Iterator[tuple[str, Any]]:
    for word, child in getattr(parser, "commands", {}).items():
        yield from _leaves(f"{name} {word}", child)
    if not hasattr(parser, "commands"):
        yield name, parser


def _verb(name: str, parser: Any) -> str:
    arguments = [entry for entry in parser.params if entry.param_type_name == "argument"]
    options = [entry for entry in parser.params if entry.param_type_name == "option"]
    usage = " ".join([name, *map(_usage, arguments), *(_usage(entry) for entry in options if entry.required)])
    lines = [f"## {name}\n", f"`{usage}`\n", f"{parser.help}\n", "| parameter | meaning | default |", "|---|---|---|"]
    lines += [f"| `{_usage(entry)}` | {entry.help} | |" for entry in arguments]
    lines += [f"| {_spelling(entry)} | {entry.help} | {_default(entry)} |" for entry in options]
    return "\n".join([*lines, ""])


def _usage(entry: Any) -> str:
    if entry.param_type_name == "option":
        return f"{entry.opts[-1]} {_value(entry)}"
    word = entry.name.upper() + ("..." if entry.nargs == -1 else "")
    return word if entry.required else f"[{word}]"


def _spelling(entry: Any) -> str:
    value = "" if entry.is_flag else f" {_value(entry)}"
    spellings = ", ".join(f"`{word}{value}`" for word in [*entry.opts, *entry.secondary_opts])
    return f"{spellings}, repeatable" if entry.multiple else spellings


def _value(entry: Any) -> str:
    annotation = entry.type_descriptor.annotation
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    if get_origin(annotation) is Literal:
        return "/".join(get_args(annotation))
    members = getattr(annotation, "__members__", None)
    return "/".join(member.value for member in members.values()) if members else WORDS[annotation]


def _default(entry: Any) -> str:
    if entry.required:
        return "must be given"
    if entry.is_flag and entry.secondary_opts:
        return f"`{(entry.opts if entry.default else entry.secondary_opts)[0]}`"
    return "" if entry.default in (None, False) else f"`{entry.default}`"
