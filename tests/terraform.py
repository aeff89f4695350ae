"""Terraform against an emulated cloud: moto answers the AWS API on loopback, in a process of its own.

Terraform and the AWS provider are the machine's. The provider lies in a folder as `terraform providers mirror` makes;
QUINTET_TF_PLUGINS names it, or Terraform's configuration, or it is found below /opt. Tests that want them are skipped,
with the reason, where one of them is not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "REGION",
    "Cloud",
    "Ended",
    "Made",
    "Root",
    "cloud_server",
    "provider_mirror",
    "running_provider",
    "terraform_program",
    "working_copy",
]

REGION = "eu-central-1"
#: The repository's part that Terraform reads.
SOURCES = ("infrastructure", "ansible/group_vars/all/ports.yml")
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cloud:
    """Where the emulated cloud is."""

    url: str

    @property
    def variables(self) -> dict[str, str]:
        """Environment of a program that shall take this cloud for the real one."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            # A provider that runs for several commands takes it from the first and stumbles over it at the second.
            "AWS_CA_BUNDLE": "",
        }

    def client(self, service: str) -> Any:
        return _client(self.url, service)


@cache  # reading what a service is like takes a second
def _client(url: str, service: str) -> Any:
    import boto3

    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@dataclass(frozen=True)
class Ended:
    """How a Terraform command ended."""

    code: int
    output: str

    def well(self) -> Ended:
        assert self.code == 0, self.output[-6000:]
        return self

    @property
    def flat(self) -> str:
        """The output in one line, without Terraform's frames: messages can be looked for whole."""
        return re.sub(r"[\s│╷╵]+", " ", self.output)


@dataclass(frozen=True)
class Root:
    """A root module: its folder, and the environment of the commands in it."""

    folder: Path
    variables: Mapping[str, str]

    def below(self, path: str) -> Root:
        """Another root in a folder of this one."""
        return replace(self, folder=self.folder / path)

    def asking(self, provider: Mapping[str, str]) -> Root:
        """The same, its commands asking a provider that runs already."""
        return replace(self, variables={**self.variables, **provider})

    def run(self, command: str, *arguments: str) -> Ended:
        line = ["nice", "-n", "10", terraform_program(), command, "-no-color", *arguments]
        ended = subprocess.run(
            line,
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout)

    def init(self, *arguments: str) -> Root:
        self.run("init", "-input=false", *arguments).well()
        return self

    def apply(self, *arguments: str) -> Ended:
        return self.run("apply", "-input=false", "-auto-approve", *arguments)

    def plan(self, *arguments: str) -> Ended:
        """Code 0: nothing to do; 2: there are changes; 1: it failed."""
        return self.run("plan", "-input=false", "-detailed-exitcode", *arguments)

    def outputs(self) -> dict[str, Any]:
        found = json.loads(self.run("output", "-json").well().output)
        return {name: output["value"] for name, output in found.items()}


@dataclass(frozen=True)
class Made:
    """An applied environment: its root, the arguments that it was applied with, and its outputs."""

    root: Root
    arguments: tuple[str, ...]
    outputs: Mapping[str, Any]


def terraform_program() -> str:
    """Path of the machine's Terraform."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("Terraform is not on this machine")
    return program


def provider_mirror() -> Path:
    """Folder with the AWS provider."""
    named = os.environ.get("QUINTET_TF_PLUGINS")
    places = [Path(named)] if named else [*_configured(), *sorted(Path("/opt").glob("*"))]
    for place in places:
        if (place / "registry.terraform.io" / "hashicorp" / "aws").is_dir():
            return place
    pytest.skip("no mirror with Terraform's AWS provider: name it in QUINTET_TF_PLUGINS")


def _configured() -> list[Path]:
    file = Path(os.environ.get("TF_CLI_CONFIG_FILE") or Path.home() / ".terraformrc")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [Path(path) for path in re.findall(r'^\s*path\s*=\s*"(.+)"', text, re.MULTILINE)]


def working_copy(folder: Path, cloud: Cloud) -> dict[str, str]:
    """Copy what Terraform reads below `folder`; the environment for commands in it."""
    for source in SOURCES:
        here, there = ROOT / source, folder / source
        there.parent.mkdir(parents=True, exist_ok=True)
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        else:
            shutil.copy(here, there)
    settings = folder / "terraform.rc"
    settings.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{provider_mirror()}"\n  }}\n}}\n',
        encoding="utf-8",
    )
    return {
        **cloud.variables,
        "TF_CLI_CONFIG_FILE": str(settings),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        # Half of a command's work would be the collection of garbage: programs that end soon have room instead.
        "GOGC": "off",
        "GOMEMLIMIT": "500MiB",
        "TF_VAR_ssh_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample player",
        "TF_VAR_image_owner": "self",
    }


@contextmanager
def running_provider(root: Root, log: Path) -> Iterator[dict[str, str]]:
    """What lets commands ask one process of the provider that an initialised root has, until the block is left.

    Otherwise each command reads the provider's 700 MB, to know them by their hash, and starts it. The process takes one
    command at a time: it has the settings of the last one.
    """
    [program] = root.folder.glob(".terraform/providers/*/hashicorp/aws/*/*/terraform-provider-aws_*")
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["nice", "-n", "10", program, "-debug"],
            env={**os.environ, **root.variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            yield {"TF_REATTACH_PROVIDERS": _reattachment(process, log)}
        finally:
            process.terminate()
            process.wait(20)


def _reattachment(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        text = log.read_text(errors="replace")
        assert process.poll() is None, text[-2000:]
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.+)'$", text, re.MULTILINE):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"the provider did not start: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def cloud_server(folder: Path) -> Iterator[Cloud]:
    """An emulated cloud with nothing in it but an image of Debian."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    line = [sys.executable, str(Path(__file__).with_name("emulated_cloud.py")), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "cloud.log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            _wait(port, process, folder / "cloud.log")
            cloud = Cloud(f"http://127.0.0.1:{port}")
            disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}
            cloud.client("ec2").register_image(
                Name="debian-12-amd64-20260101-1", RootDeviceName="/dev/xvda", BlockDeviceMappings=[disk]
            )
            yield cloud
        finally:
            process.terminate()
            process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the emulated cloud did not start: {log.read_text(errors='replace')[-2000:]}")
