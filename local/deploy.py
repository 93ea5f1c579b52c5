"""The stack on local AWS, by the same two commands as on AWS: `sam build`, `sam deploy`.

A build is kept under the hash of what went into it (`.aws-sam/builds/HASH`), so that an unchanged project is not
built again and two callers never build over each other.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.instance import ROOT, Instance, LocalAwsError
from local.settings import CONSUMER, OWNER

STACK = "meshift"
CONFIG = "local"
PACKED = "packed.yaml"
"""The built template, with archives in the place of folders."""
INPUTS = ("template.yaml", "samconfig.toml", "functions", "statemachine")
# What the accounts' stacks differ in: the consumer trusts the owner.
PARAMETERS: dict[str, dict[str, str]] = {OWNER: {}, CONSUMER: {"TrustedAccounts": OWNER}}


def deploy(
    instance: Instance,
    accounts: dict[str, dict[str, str]] = PARAMETERS,
    root: Path = ROOT,
    **parameters: str,
) -> str:
    """Build the project and deploy its stack in these accounts; gives the build's name.

    One after the other: the emulator keeps workers by the function's name alone, so a deployment kills those of
    another account's function of that name, and with it the custom resource that is being made there.
    `accounts` holds parameters by account, the keywords are for all of them. Nothing is done where this
    instance has this very build with these parameters already.
    """
    built = build(root, instance.state / "build.log")
    wanted = {account: {**parameters, **own} for account, own in accounts.items()}
    missing = [a for a in wanted if _note(instance, a, built, wanted[a]) != _noted(instance, a)]
    for account in missing:
        _deploy(instance, account, built, wanted[account], root)
    return built.name


def build(root: Path = ROOT, log: Path | None = None) -> Path:
    """Build the project unless this very content has been built; gives the directory of the build."""
    builds = root / ".aws-sam" / "builds"
    builds.mkdir(parents=True, exist_ok=True)
    built = builds / content_hash(root)
    with _locked(builds / ".lock"):
        if not (built / "template.yaml").exists():
            part = builds / f"{built.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            command = ["build", "--beta-features", "--build-dir", str(part)]
            _sam(command, root, {}, log or builds / "build.log")
            _pack(part)
            part.rename(built)
        os.utime(built)
        _forget_old(builds)
    return built


def outputs(instance: Instance, account: str = OWNER) -> dict[str, str]:
    """The outputs of the account's stack."""
    stacks = instance.client("cloudformation", account).describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}


def content_hash(root: Path = ROOT) -> str:
    """A hash of everything that goes into a build."""
    digest = hashlib.sha256(sys.version.encode())
    for name in INPUTS:
        top = root / name
        for path in sorted([top] if top.is_file() else top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _pack(built: Path) -> None:
    """Zip once what functions share: the SAM CLI does it for each function anew, in every deployment."""
    text = (built / "template.yaml").read_text()
    for folder in [path for path in built.iterdir() if path.is_dir()]:
        archive = folder.with_name(f"{folder.name}.zip")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                opened.write(path, path.relative_to(folder))
        text = text.replace(f"CodeUri: {folder.name}\n", f"CodeUri: {archive.name}\n")
    (built / PACKED).write_text(text)


def _deploy(instance: Instance, account: str, built: Path, own: dict[str, str], root: Path) -> None:
    command = ["deploy", "--stack-name", STACK, "--template-file", str(built / PACKED)]
    overrides = [*_configured_overrides(root), *(f"{name}={value}" for name, value in own.items())]
    if overrides:
        command += ["--parameter-overrides", *overrides]
    _sam(command, root, instance.environment(account), instance.state / f"deploy-{account}.log")
    (instance.state / f"deployed-{account}").write_text(_note(instance, account, built, own))


def _configured_overrides(root: Path) -> list[str]:
    """samconfig.toml's own overrides: those on the command line replace, not complete, them."""
    config: Any = tomllib.loads((root / "samconfig.toml").read_text())
    given = config.get(CONFIG, {}).get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    if isinstance(given, dict):
        return [f"{name}={value}" for name, value in given.items()]
    return shlex.split(given) if isinstance(given, str) else list(given)


def _sam(command: list[str], root: Path, variables: dict[str, str], log: Path) -> None:
    """Run the SAM CLI without the user's AWS settings; its output goes to the log."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    scripts = Path(sys.executable).parent
    environment = {
        **kept,
        "PATH": f"{scripts}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",  # it sleeps as long before it looks for the first time
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **variables,
    }
    configured = ["--config-file", str(root / "samconfig.toml"), "--config-env", CONFIG]
    with log.open("wb") as out, tempfile.TemporaryDirectory(prefix="meshift-sam-") as temporary:
        done = subprocess.run(
            [str(scripts / "sam"), *command, *configured],
            cwd=root, env={**environment, "TMPDIR": temporary}, check=False,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LocalAwsError(f"`sam {command[0]}` failed:\n{tail}\n(all of it: {log})")


def _note(instance: Instance, account: str, built: Path, own: dict[str, str]) -> str:
    return f"{instance.pid} {instance.port} {account} {built.name} {sorted(own.items())}"


def _noted(instance: Instance, account: str) -> str:
    note = instance.state / f"deployed-{account}"
    return note.read_text() if note.exists() else ""


def _forget_old(builds: Path, keep: int = 4, seconds: float = 3600) -> None:
    """Remove old builds, but none that somebody may be deploying."""
    found = sorted((p for p in builds.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in found[keep:]:
        if time.time() - old.stat().st_mtime > seconds:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its holder."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
