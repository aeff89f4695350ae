"""Make the two users of the lab's Superset and the role of its readers, or give them the passwords of the secrets file.

Run in Superset's environment, with its configuration: `python -m quintet.dashboards.users`. Prints `RESULT {json}` with
what changed, never a password. Passwords are read from the secrets file, so that they stand in no argument and no log.
"""

from __future__ import annotations

import sys

from superset.app import create_app
from werkzeug.security import check_password_hash

from quintet.call import tell
from quintet.dashboards.server import ADMIN, READERS, VIEWER
from quintet.settings import load_lab

__all__ = ["ensure_users"]

#: User and roles. Gamma may look at dashboards and charts of the datasets that another role allows.
USERS = ((ADMIN, ("Admin",)), (VIEWER, ("Gamma", READERS)))


def ensure_users() -> dict[str, list[str]]:
    """Create what is missing and mend what differs; returns the names by what was done."""
    lab = load_lab()
    done: dict[str, list[str]] = {"created": [], "updated": []}
    application = create_app()
    with application.app_context():
        manager = application.appbuilder.sm
        manager.add_role(READERS)  # leaves one that is there as it is
        for name, roles in USERS:
            password = lab.secret(f"superset_{name}")
            user = manager.find_user(username=name)
            wanted = [manager.find_role(role) for role in roles]
            if user is None:
                if not manager.add_user(name, name.title(), "Lab", f"{name}@lab.invalid", wanted, password):
                    raise SystemExit(f"Superset did not make the user {name}: read what it says above")
                done["created"].append(name)
                continue
            if not check_password_hash(user.password, password):
                manager.reset_password(user.id, password)
                done["updated"].append(name)
            if set(user.roles) != set(wanted):
                user.roles = wanted
                manager.update_user(user)
                done["updated"].append(name)
    return done


if __name__ == "__main__":
    sys.exit(tell(ensure_users))
