"""Checkpoints on the Hugging Face hub, or in its cache; huggingface_hub is imported when it is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from zsxai.errors import InputError, MissingExtraError, first_line
from zsxai.weights import hash_files

# The hub's own errors are OSErrors; AssertionError is torch's word on a device that it was not built for.
LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AssertionError, SafetensorError)


def hub_package() -> Any:
    """The package ``huggingface_hub``.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the Hugging Face hub needs the package 'huggingface_hub': pip install 'zsxai[hf]'"
        ) from error
    return huggingface_hub


def resolve(argument: str, patterns: list[str]) -> tuple[Path, str]:
    """The folder of a checkpoint on this machine, downloaded where it is a hub id, and where it comes from.

    Raises:
        InputError: If it cannot be had.
    """
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return folder, str(folder.resolve())
    if argument.startswith(("/", ".", "~")) or argument.count("/") > 1:
        raise InputError(f"there is no folder {argument!r}")
    found = snapshot(argument, patterns)
    return found, f"https://huggingface.co/{argument.partition('@')[0]}/tree/{found.name}"


def hub_file(repository: str, name: str) -> tuple[Path, str]:
    """One file of a hub repository, downloaded unless it is in the cache, and where it comes from.

    Raises:
        InputError: If it cannot be had, or is not what the hub says it is.
    """
    # Not by the call for a single file, which tries again for half a minute without a connection.
    folder = snapshot(repository, [name], f"the file {name}")
    file = folder / name
    if not file.is_file():
        raise InputError(f"{repository!r} has no {name!r} on the Hugging Face hub, or in its cache while offline")
    check_hub_hash(file)
    return file, f"https://huggingface.co/{repository}/blob/{folder.name}/{name}"


def snapshot(name: str, patterns: list[str], wanted: str = "the folder") -> Path:
    """Files of a hub repository, downloaded unless they are in the cache.

    Args:
        name: ``owner/name``, or ``owner/name@revision``.
        patterns: Which files.
        wanted: What to give in place of the id where the hub does not help; for the error.

    Raises:
        InputError: If they cannot be had.
        MissingExtraError: If huggingface_hub is not installed.
    """
    repository, _, revision = name.partition("@")
    download = hub_package().snapshot_download
    try:
        return Path(download(repository, revision=revision or None, allow_patterns=patterns))
    except LOAD_ERRORS as error:
        raise InputError(
            f"cannot get {repository!r} from the Hugging Face hub ({first_line(error)}): check the id and the "
            f"connection, or download it elsewhere ('hf download {repository}') and give {wanted}"
        ) from error


def check_hub_hash(file: Path) -> None:
    """See that a file in the hub's cache is what the hub says it is; other files pass.

    Raises:
        InputError: If it is not.
    """
    # The cache keeps a large file under its SHA-256 and links to it.
    stored = file.resolve().name
    if re.fullmatch("[0-9a-f]{64}", stored) and hash_files([file]) != stored:
        raise InputError(f"{str(file)!r} is damaged: its SHA-256 is not the hub's; delete it and load again")


def licence(folder: Path) -> str:
    """What the README of a checkpoint says, several joined by ``OR``, or ``unknown``."""
    from yaml import YAMLError

    cards = hub_package().ModelCard
    try:
        found = cards.load(folder / "README.md", ignore_metadata_errors=True).data.to_dict().get("license")
    # Other people's files: no card is worth a model that does not load.
    except (*LOAD_ERRORS, AttributeError, YAMLError):
        return "unknown"
    return " OR ".join(map(str, found)) if isinstance(found, list) else str(found or "unknown")
