"""What the capture of the shop's price list needs: PostgreSQL with the shop's database, a registry, Kafka Connect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apicurio_server import apicurio_server
from connect_server import ConnectServer
from labs import lab_below
from postgres_server import PASSWORD, enter, postgres_server
from quintet.settings import Lab

__all__ = ["ShopCapture", "shop_capture"]


@dataclass(frozen=True)
class ShopCapture:
    """The lab and its worker."""

    lab: Lab
    connect: ConnectServer


@contextmanager
def shop_capture(folder: Path, kafka_servers: str) -> Iterator[ShopCapture]:
    """All of them until the block is left; no connector and no table is there at first."""
    home, database, registry, connect = (folder / name for name in ("lab", "postgres", "registry", "connect"))
    for path in (database, registry, connect):
        path.mkdir()
    with postgres_server(database, {"wal_level": "logical"}) as postgres, apicurio_server(registry) as schemas:
        with enter(postgres, autocommit=True) as owner:
            owner.execute(f"create role shop login password '{PASSWORD}'")
            owner.execute(f"create role debezium login replication password '{PASSWORD}'")
            owner.execute("create database shop owner shop")
        worker = ConnectServer(connect, kafka_servers, home / "config" / "secrets.yaml")
        lab = lab_below(
            home,
            more_doors={
                "kafka": int(kafka_servers.rpartition(":")[2]),
                "postgres": postgres,
                "registry": schemas,
                "connect": worker.port,
            },
            options={
                "kafka": {"security_protocol": "PLAINTEXT", "mechanism": "PLAIN", "user": "quintet", "admin": "quintet"}
            },
            secrets={"kafka_quintet": "none", "postgres_shop": PASSWORD, "postgres_debezium": PASSWORD},
        )
        try:
            worker.start()
            yield ShopCapture(lab, worker)
        finally:
            worker.stop()
