"""Provision Kafka's users and prove that it can be used.

Usage: client.py ready|check <servers> <secrets file>
       client.py users <servers> <secrets file> <super users, JSON> <clients with their rights, JSON>

`ready` exits 0 when a broker answers behind its password. `users` gives clients the passwords of the secrets file and
exactly the rights given; prints `changed` or `same`. `check` sends a message through a topic of its own and tries what
must be refused.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

#: Seconds for one answer of the broker, and for everything that is waited for.
ANSWER, LIMIT = 10, 30


def main(verb: str, servers: str, secrets_file: str, *arguments: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    secrets = yaml.safe_load(Path(secrets_file).read_text(encoding="utf-8"))
    try:
        if verb == "ready":
            enter(servers, "broker", secrets["kafka_broker"]).list_topics(timeout=5)
        elif verb == "users":
            super_users, clients = (json.loads(argument) for argument in arguments)
            changed = users(servers, secrets, [*super_users, *clients]) | rights(servers, secrets, clients)
            sys.stdout.write("changed\n" if changed else "same\n")
        else:
            check(servers, secrets)
    except (KafkaException, ValueError) as error:
        sys.stderr.write(f"{servers}: {error}\n")
        return 1
    return 0


def settings(servers: str, user: str, password: str) -> dict[str, Any]:
    """Settings of a client that enters as this user."""
    return {
        "bootstrap.servers": servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
        "socket.timeout.ms": ANSWER * 1000,
        "log_level": 0,
    }


def enter(servers: str, user: str, password: str) -> AdminClient:
    """A client with rights to administer, as far as the user has them."""
    return AdminClient(settings(servers, user, password))


def lets_in(servers: str, user: str, password: str) -> bool:
    """Tell whether the broker takes the password. Raises KafkaException when it answers nothing at all."""
    seen: list[KafkaError] = []
    client = AdminClient({**settings(servers, user, password), "error_cb": seen.append})
    end = time.monotonic() + ANSWER
    while time.monotonic() < end:
        try:
            client.list_topics(timeout=1)
            return True
        except KafkaException as error:
            client.poll(0)
            if any(told.code() == KafkaError._AUTHENTICATION for told in seen):
                return False
            last = error
    raise last


def users(servers: str, secrets: Mapping[str, str], names: list[str]) -> bool:
    """Give each user the password of the secrets file where the broker has another; tells whether any had."""
    wrong = [name for name in names if not lets_in(servers, name, secrets[f"kafka_{name}"])]
    if not wrong:
        return False
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
    given = [UserScramCredentialUpsertion(name, scram, secrets[f"kafka_{name}"].encode()) for name in wrong]
    admin = enter(servers, "broker", secrets["kafka_broker"])
    for done in admin.alter_user_scram_credentials(given).values():
        done.result(timeout=ANSWER)
    return True


def rights(servers: str, secrets: Mapping[str, str], clients: Mapping[str, list[dict[str, Any]]]) -> bool:
    """Add the rights that are missing and take those that are not declared; tells whether there were any."""
    admin = enter(servers, "broker", secrets["kafka_broker"])
    wanted = {binding for name, entries in clients.items() for binding in bindings(name, entries)}
    every = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    found = set(admin.describe_acls(every).result(timeout=ANSWER))
    missing, surplus = list(wanted - found), list(found - wanted)
    done = {**(admin.create_acls(missing) if missing else {})}
    done |= admin.delete_acls([as_filter(binding) for binding in surplus]) if surplus else {}
    for answer in done.values():
        answer.result(timeout=ANSWER)
    return bool(missing or surplus)


def bindings(user: str, entries: list[dict[str, Any]]) -> Iterator[AclBinding]:
    """Each right of a user in Kafka's terms."""
    for entry in entries:
        for operation in entry["operations"]:
            yield AclBinding(
                ResourceType[entry["resource"].upper()],
                entry["name"],
                ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )


def as_filter(binding: AclBinding) -> AclBindingFilter:
    """Filter that finds this one right."""
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def check(servers: str, secrets: Mapping[str, str]) -> None:
    """Send a message through a topic of its own, which is removed again. Raises ValueError and KafkaException."""
    name = f"quintet-check-{uuid.uuid4().hex[:8]}"
    admin = enter(servers, "admin", secrets["kafka_admin"])
    client = settings(servers, "quintet", secrets["kafka_quintet"])
    admin.create_topics([NewTopic(name, 1)])[name].result(timeout=ANSWER)
    try:
        send(client, name)
        if receive(client, name) != name:
            raise ValueError("the message that came back is another one")
        refuse(AdminClient(client), name)
    finally:
        admin.delete_topics([name])[name].result(timeout=ANSWER)
        admin.delete_consumer_groups([name])[name].exception(timeout=ANSWER)
    if lets_in(servers, "quintet", "wrong"):
        raise ValueError("a wrong password was let in")


def send(client: Mapping[str, Any], topic: str) -> None:
    """Write the topic's name into it, acknowledged by every copy."""
    producer = Producer({**client, "enable.idempotence": True})
    failed: list[KafkaError] = []
    producer.produce(topic, value=topic.encode(), on_delivery=lambda error, _: failed.append(error) if error else None)
    if producer.flush(LIMIT) or failed:
        raise ValueError(f"the message was not written: {failed or 'no answer'}")


def receive(client: Mapping[str, Any], topic: str) -> str:
    """Read the first message as a group of the topic's name."""
    consumer = Consumer({**client, "group.id": topic, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                consumer.commit(message, asynchronous=False)
                return str(message.value().decode())
        raise ValueError(f"no message within {LIMIT} s")
    finally:
        consumer.close()


def refuse(client: AdminClient, topic: str) -> None:
    """Try to remove a topic without the right to."""
    error = client.delete_topics([topic])[topic].exception(timeout=ANSWER)
    if not isinstance(error, KafkaException) or error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise ValueError(f"removing a topic without the right gave {error!r}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
