"""Names of the AudioSet ontology as a vocabulary (Gemmeke et al., "Audio Set", ICASSP 2017)."""

from __future__ import annotations

import re
from pathlib import Path

from zsxai.concepts.building.tags import read_json
from zsxai.data.checks import existing_file, read_table
from zsxai.errors import InputError

_COMMA = re.compile(r",(?![^()]*\))")


def read_names(path: str | Path) -> list[str]:
    """The names that are not abstract, split at commas, in lower case, each once, in the order of the file.

    Args:
        path: The ontology's own ``ontology.json``, or a CSV file with the columns name and abstract (0 or 1).

    Raises:
        InputError: If it is neither.
    """
    file = existing_file(path, "ontology")
    if file.suffix.lower() == ".json":
        entries = read_json(file)
        if not isinstance(entries, list) or not all(isinstance(e, dict) and e.get("name") for e in entries):
            raise InputError(f"{file} is no list of named classes, as ontology.json is")
        names = [str(e["name"]) for e in entries if "abstract" not in e.get("restrictions", ())]
    else:
        names = [row["name"] for row in read_table(file, ("name", "abstract")) if row["abstract"].strip() == "0"]
    parts = (part.strip().lower().removeprefix("and ") for name in names for part in _COMMA.split(name))
    return list(dict.fromkeys(part for part in parts if part not in ("", "etc.")))
