"""Make the two users of the lab's Airflow, or give them the passwords of the secrets file again.

Run in the Airflow environment: `python -m quintet.airflow.users`. Prints `RESULT {json}` with what changed, never a
password. Passwords are read from the secrets file, so that they stand in no argument and no log.
"""

from __future__ import annotations

import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from werkzeug.security import check_password_hash

from quintet.call import tell
from quintet.settings import load_lab

__all__ = ["ensure_users"]

#: User name and role; the password is the secret `airflow_<user name>`.
USERS = (("admin", "Admin"), ("viewer", "Viewer"))


def ensure_users() -> dict[str, list[str]]:
    """Create what is missing and reset what differs; returns the names by what was done."""
    lab = load_lab()
    done: dict[str, list[str]] = {"created": [], "updated": []}
    with get_application_builder() as builder:
        manager = builder.sm
        for name, role in USERS:
            password = lab.secret(f"airflow_{name}")
            user = manager.find_user(username=name)
            if user is None:
                manager.add_user(name, name.title(), "Lab", f"{name}@lab.invalid", manager.find_role(role), password)
                done["created"].append(name)
            elif not check_password_hash(user.password, password):
                manager.reset_password(user.id, password)
                done["updated"].append(name)
    return done


if __name__ == "__main__":
    sys.exit(tell(ensure_users))
