"""`eproxyctl runs`: what was run, and what is in a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.errors import RunError

app = typer.Typer()
Root = Annotated[Path, typer.Option("--root", help="Where run directories are.")]


@app.callback(invoke_without_command=True)
def list_runs(context: typer.Context, root: Root = Path("runs"), format: common.FormatFlag = None) -> None:
    """List run directories: command, rows, and whether one is being written to.

    Example: eproxyctl runs
    """
    if context.invoked_subcommand:
        return
    records = [_record(path.parent) for path in sorted(root.rglob("run.json"))]
    if not records:
        say(f"no runs in {root}", always=False)
    output.write_records(records, output.chosen_format(format, None))


def _record(folder: Path) -> dict[str, Any]:
    from filelock import FileLock, Timeout

    from eproxyctl.runs.directory import read_stamp
    from eproxyctl.runs.files import lines

    stamp = read_stamp(folder) or {}
    statuses = [line.get("status") for line in lines(folder / "rows.jsonl")]
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
        lock.release()
        active = False
    except Timeout:
        active = True
    return {
        "run": str(folder),
        "command": stamp.get("command", ""),
        "rows": len(statuses),
        "diverged": statuses.count("diverged"),
        "failed": statuses.count("failed"),
        "active": active,
    }


@app.command("show")
def show_run(folder: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """Show one run: its stamp, its spec as resolved, its files.

    Example: eproxyctl runs show runs/quickstart/score
    """
    import json

    from eproxyctl.runs.directory import read_stamp

    stamp = read_stamp(folder)
    if stamp is None:
        raise RunError(f"{folder} is no run directory", hint="eproxyctl runs lists them")
    parts = [json.dumps(stamp, indent=2)]
    resolved = folder / "resolved.yaml"
    if resolved.exists():
        parts.append(resolved.read_text("utf-8").rstrip())
    files = sorted(path for path in folder.iterdir() if path.name != "lock" and path.is_file())
    parts.append("\n".join(f"{path.stat().st_size:>10,}  {path}" for path in files))
    output.emit("\n\n".join(parts) + "\n")
