"""The two commands of the README as people start them: in the background of a script, with a noisy installer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
IN_THE_BACKGROUND = "trap '' INT; exec \"$0\" -m pytest -n 0 tests/runtime/test_workflows.py -k 'ctrl_c and sqlite'"


def test_the_tests_pass_where_the_shell_ignores_ctrl_c() -> None:
    done = subprocess.run(["sh", "-c", IN_THE_BACKGROUND, sys.executable], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


def test_the_installer_speaks_into_a_log_whose_end_is_shown_when_it_fails(tmp_path: Path) -> None:
    for installs, code, printed in ((True, 0, []), (False, 2, ["WARNING 99", "broken"])):
        (tmp_path / "constraints.txt").touch()
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
        _noisy_python(tmp_path / "python", installs=installs)
        command = ["make", "--always-make", f"PYTHON={tmp_path / 'python'}", ".venv/.demo"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        shown = done.stdout + done.stderr
        assert "WARNING 1\n" not in shown and all(line in shown for line in printed)
        assert len(shown.splitlines()) < 45
        assert "WARNING 1\n" in (tmp_path / ".venv" / "install.log").read_text()


def _noisy_python(file: Path, *, installs: bool) -> None:
    """A Python whose environments hold a pip that warns a hundred times, and then installs or fails."""
    pip = 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo "WARNING $i"; done; '
    pip += "exit 0" if installs else "echo broken >&2; exit 1"
    inner = file.with_name("inner")
    inner.write_text(f"#!/bin/sh\n{pip}\n")
    inner.chmod(0o755)
    made = f"mkdir -p .venv/bin && cp {inner} .venv/bin/python"
    file.write_text(f'#!/bin/sh\ncase "$2" in venv) {made};; esac\n')
    file.chmod(0o755)
