"""The verb that announces a folder of files in Kafka, which starts a run of its project."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.output import AsJson, print_json, say
from quintet.errors import InputError
from quintet.settings import load_lab

__all__ = ["register"]

#: Projects that take announcements -> the program that sends one.
_PROGRAMS = {"lakehouse": "quintet.lakehouse.announce"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(announce)


def announce(
    project: Annotated[str, typer.Argument(help="Slug of the project.")],
    input_folder: Annotated[Path, typer.Option("--input", help="Folder with the files.")],
    sender: Annotated[str | None, typer.Option(help="Who asks for it; else user and machine.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Announce it also when it was announced before, unchanged.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Announce a folder of files in Kafka: Airflow starts a run for it."""
    from quintet.runs.programs import run_module

    if project not in _PROGRAMS:
        raise typer.BadParameter(
            f"project '{project}' takes no announcements; these do: {', '.join(_PROGRAMS)}", param_hint="PROJECT"
        )
    lab = load_lab()
    lab.require("an announcement", "lakehouse", "streaming")
    folder = input_folder.resolve()
    if not folder.is_dir():
        raise InputError(f"the input folder {folder} does not exist", remedy="Name a folder with input files")
    sent = run_module(
        lab,
        "streaming",
        _PROGRAMS[project],
        f"--input={folder}",
        f"--sender={sender or f'{getpass.getuser()}@{socket.gethostname()}'}",
        *(["--again"] if again else []),
    )
    if "fault" in sent:
        raise InputError(sent["fault"])
    if as_json:
        print_json(sent)
    else:
        say(f"announced {sent['folder']} ({sent['files']} files) as {sent['announcement_id']}")
