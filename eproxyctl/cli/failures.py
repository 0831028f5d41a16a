"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from eproxyctl.errors import EproxyError, Problem, SpecError

BUG = 70
INTERRUPTED = 130
TERMINATED = 143
CLOSED_PIPE = 141
SHOWN = 160
"""Characters of a line that are shown around a fault."""


class Terminated(BaseException):
    """SIGTERM arrived."""


class Group(TyperGroup):
    """Runs a command and turns what it raises into a message on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        previous = signal.signal(signal.SIGTERM, _terminate) if _in_main_thread() else None
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except EproxyError as error:
            show(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            say("interrupted; the same command continues", style="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except Terminated:
            say("terminated; the same command continues", style="yellow")
            raise typer.Exit(TERMINATED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(CLOSED_PIPE) from None
        except OSError as error:
            where = f"use {error.filename}" if error.filename else "write the output"
            show(EproxyError(f"cannot {where}: {error.strerror or error}", hint="check the disk and permissions"))
            raise typer.Exit(6) from None
        except RecursionError:
            show(SpecError("the spec is nested too deeply"))
            raise typer.Exit(SpecError.exit_code) from None
        finally:
            if previous is not None:
                signal.signal(signal.SIGTERM, previous)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def stderr() -> Console:
    """A console on today's stderr."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def say(message: str, *, style: str = "", always: bool = True) -> None:
    """A line on stderr; hints (`always` False) only on a terminal."""
    console = stderr()
    if always or console.is_terminal:
        console.print(Text(message, style=style), soft_wrap=True)  # a command stays one line, to be copied


def show(error: EproxyError) -> None:
    """An error, its problems with line and caret, and what to do."""
    console = stderr()
    console.print(Text.assemble(("error", "bold red"), ": ", error.message))
    problems = error.problems if isinstance(error, SpecError) else ()
    for problem in problems:
        _problem(console, problem)
    if error.hint:
        console.print(Text.assemble(("  hint: ", "cyan"), error.hint))


def _problem(console: Console, problem: Problem) -> None:
    console.print(Text.assemble((problem.where, "bold"), f": {problem.message}"))
    if problem.line:
        start = max(0, problem.column - 1 - SHOWN // 2) if len(problem.line) > SHOWN else 0
        line = problem.line[start : start + SHOWN]
        before = line[: problem.column - start - 1]
        pad = "".join("\t" if c == "\t" else " " for c in before)
        console.print(Text(f"    {line}"))
        console.print(Text(f"    {pad}^", style="red"))
    if problem.hint:
        console.print(Text.assemble(("    hint: ", "cyan"), problem.hint))
