"""Looks for keys and passwords in the files that git keeps. Run by `make check`.

What it takes for one and is none (a sha256, an address in a test) is listed in known_secrets.json, as the sha1 of its
text by file. After a look at what it names, `python tests/secret_scan.py --accept` lists that too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).parent.parent
KNOWN = ROOT / "tests" / "known_secrets.json"
ASKS_THE_WEB = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
LEFT_OUT = {KNOWN.relative_to(ROOT).as_posix(), "constraints.txt", "constraints.lock", "serve.lock"}


def main(accept: bool) -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [name for name in listed.split("\0") if name and name not in LEFT_OUT and not (ROOT / name).is_symlink()]
    if len(files) < 100:
        print(f"secret scan: examined only {len(files)} files; it is looking in the wrong place")
        return 1
    found = secrets_in(files)
    if accept:
        kept = {name: sorted(each) for name, each in sorted(found.items())}
        KNOWN.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return 0
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    new = [told for name, each in found.items() for digest, told in each.items() if digest not in known.get(name, ())]
    for told in new:
        print(f"secret scan: {told}")
    print(f"secret scan: {len(files)} files, {len(new)} new")
    return 1 if new else 0


def secrets_in(files: list[str]) -> dict[str, dict[str, str]]:
    """By file and by the sha1 of what was found: where it is and what it looks like. Nothing is asked for elsewhere."""
    found: dict[str, dict[str, str]] = {}
    with default_settings() as settings:
        settings.disable_filters(
            "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
        )  # asks the web
        secrets = SecretsCollection(root=str(ROOT))
        secrets.scan_files(*files)
        for name, one in secrets:
            found.setdefault(name, {})[one.secret_hash] = f"{name}:{one.line_number}: {one.type}"
    return found


if __name__ == "__main__":
    sys.exit(main("--accept" in sys.argv))
