"""A small schema registry, for tests of what writes to topics and reads from them."""

from __future__ import annotations

import json

from serving import JsonHandler

__all__ = ["Answers"]


class Answers(JsonHandler):
    """A registry: gives every schema a number, keeps the rules of subjects."""

    schemas: list[str] = []  # noqa: RUF012
    rules: dict[str, str] = {}  # noqa: RUF012
    is_well = True

    def do_GET(self) -> None:
        what, _, name = self.path.removeprefix("/apis/ccompat/v7/").rpartition("/")
        if not type(self).is_well:
            self.say(500, {"message": "out of order"})
        elif what == "schemas/ids" and int(name) <= len(self.schemas):
            self.say(200, {"schema": self.schemas[int(name) - 1]})
        elif what == "config" and name in self.rules:
            self.say(200, {"compatibilityLevel": self.rules[name]})
        elif self.path.endswith("/config"):
            self.say(200, {"compatibilityLevel": "NONE"})
        else:
            self.say(404, {"message": "not found"})

    def do_POST(self) -> None:
        if not type(self).is_well:
            self.say(500, {"message": "out of order"})
            return
        schema = json.loads(self.given())["schema"]
        if schema not in self.schemas:
            self.schemas.append(schema)
        self.say(200, {"id": self.schemas.index(schema) + 1})

    def do_PUT(self) -> None:
        self.rules[self.path.rpartition("/")[2]] = json.loads(self.given())["compatibility"]
        self.say(200, {})
