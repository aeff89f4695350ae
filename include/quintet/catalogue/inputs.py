"""Catalogue entry of what starts the project `lakehouse` from outside: announcements of folders with files."""

from __future__ import annotations

from quintet.catalogue.model import Column, Pii, Topic

__all__ = ["INPUTS_ANNOUNCED"]

SLUG = "lakehouse"

INPUTS_ANNOUNCED = Topic(
    project=SLUG,
    name=f"{SLUG}.inputs.announced",
    owner="retail-data",
    description="Folders that hold files to be taken in, told by whoever put them there",
    # One order for all: the pipeline takes one folder after the other.
    partitions=1,
    retention_hours=30 * 24,
    key=("announcement_id",),
    has_dead_letters=True,
    columns=(
        Column(
            "announcement_id",
            "string",
            "What makes it one announcement: 1 to 100 of letters, digits and _.~:+-, chosen by the sender",
            nullable=False,
        ),
        Column("folder", "string", "Absolute path of the folder, where the lab's user may read it", nullable=False),
        Column("sender", "string", "Who asks for it: a person or a program", Pii.INDIRECT, nullable=False),
        Column("announced_at", "timestamp", "When it was announced by the sender's clock, UTC", nullable=False),
    ),
    identity=("announcement_id",),
)
