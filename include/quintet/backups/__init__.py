"""Backups of the lab's PostgreSQL: taken by pgBackRest, proven by a restore, copied to the object store.

Full backups and those that hold what changed since, together with the log of changes (WAL), bring the database back as
it was at any moment since the oldest of them. `restore` does that, `drill` proves it.
"""
