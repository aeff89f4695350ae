"""An object store as the role leaves it: its users from the role's template, its buckets by the role's program."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from paths import ROOT
from quintet.objects import Bucket
from weed_server import ADMIN, WeedServer

__all__ = ["Store", "running_store"]

ROLE = ROOT / "ansible" / "roles" / "objects"


@dataclass(frozen=True)
class Store:
    """A running store; `layout` is what the role gives its program, `secrets` the file of keys."""

    server: WeedServer
    layout: dict[str, Any]
    secrets: Path

    def bucket(self, user: str, name: str = "lake") -> Bucket:
        return Bucket(name, endpoint=self.server.endpoint, user=user, secret=self.secret(user))

    def secret(self, user: str) -> str:
        return str(yaml.safe_load(self.secrets.read_text())[f"objects_{user}"])

    def client(self, verb: str, **changed: Any) -> subprocess.CompletedProcess[str]:
        """Run the role's program, its layout changed."""
        given = [self.server.endpoint, str(self.secrets), json.dumps({**self.layout, **changed})]
        line = [sys.executable, str(ROLE / "files" / "client.py"), verb, *given]
        return subprocess.run(line, capture_output=True, text=True, check=False)


def layout_of_role() -> dict[str, Any]:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    options = yaml.safe_load((ROOT / "ansible" / "group_vars" / "all" / "options.yml").read_text(encoding="utf-8"))
    return {
        **{name: defaults[f"objects_{name}"] for name in ("buckets", "versioned", "users")},
        "former_days": options["lake_former_days"],
        "upload_days": options["lake_upload_days"],
    }


@contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """A store in a folder until the block is left."""
    layout = layout_of_role()
    secrets = {f"objects_{user['name']}": uuid.uuid4().hex for user in layout["users"]} | {"objects_admin": ADMIN[1]}
    (folder / "secrets.yaml").write_text(yaml.safe_dump(secrets))
    # As Ansible renders: no blank lines of blocks.
    environment = jinja2.Environment(trim_blocks=True, autoescape=False)  # noqa: S701 - JSON
    template = environment.from_string((ROLE / "templates" / "users.json.j2").read_text(encoding="utf-8"))
    users = template.render(objects_users=layout["users"], secrets_values=secrets)
    data = folder / "data"
    data.mkdir()
    server = WeedServer(data)
    server.write_users(json.loads(users))
    server.start()
    found = Store(server, layout, folder / "secrets.yaml")
    try:
        done = found.client("provision")
        assert (done.returncode, done.stdout) == (0, "changed\n"), done.stderr
        yield found
    finally:
        server.kill()
