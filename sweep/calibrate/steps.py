"""The command line `python -m sim_core steps LOG...`: a table of measured steps from vLLM's log."""

from __future__ import annotations

import csv
from argparse import RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

from configs.command_line import Parser
from configs.terminal import console, say, say_whole
from sim_core.errors import OutputError, SpecError
from sim_core.performance.measured_steps import COLUMNS
from sim_core.whole_file import replacing
from sweep.calibrate.formats.base import content_of
from sweep.calibrate.vllm_log import LoggedStep, grouped, read_log

_ABOUT = """Makes a table of measured steps, which performance_model=table reads, from logs of vLLM, started with
--enable-logging-iteration-details and --no-async-scheduling. docs/calibration.md says what a log cannot tell.

  python -m sim_core steps vllm.log --model llama2-70b --hardware h100-80gb --tensor-parallel 8 --out steps.csv"""


def steps(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises SimError for mistakes of the user."""
    options = steps_parser().parse_args(list(arguments))
    found: list[LoggedStep] = []
    left_out: Counter[str] = Counter()
    for path in options.logs:
        log = read_log(content_of(path).text.splitlines(), options.kv_tokens, options.block)
        if not log.steps and not log.left_out:
            reason = "has no line of an iteration; start vLLM with --enable-logging-iteration-details"
            raise SpecError(reason if log.kv_tokens else f"{reason}, and give --kv-tokens", source=str(path))
        if log.kv_tokens is None:
            reason = "does not say the size of the KV cache; give --kv-tokens, as vLLM logs it at its start"
            raise SpecError(reason, source=str(path))
        found += log.steps
        left_out += log.left_out
    rows = grouped(found)
    _check(rows, options.logs)
    _write(options.out, rows, (options.model, options.hardware, options.tensor_parallel))
    with suppress(BrokenPipeError):  # `... | head` may be gone
        screen = console()
        say(screen, f"{len(found):,} steps as {len(rows):,} rows in {options.out}")
        for reason, count in sorted(left_out.items()):
            say(screen, f"left out: {count:,} {reason}")
        say(screen, "To use it in runs and sweeps:")
        say_whole(screen, f"  performance_model=table performance_model.db_path={options.out.resolve()}")
    return 0


def steps_parser() -> Parser:
    """The parser of the command line."""
    made = Parser(prog="python -m sim_core steps", description=_ABOUT, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("logs", nargs="+", type=Path, metavar="LOG", help="of vLLM")
    made.add_argument("--model", required=True, help="as applications.0.model_architecture has it")
    made.add_argument("--hardware", required=True, help="the GPU, as `python -m sim_core machines` has it")
    made.add_argument("--tensor-parallel", required=True, type=int, metavar="N", help="GPUs of the engine")
    made.add_argument("--kv-tokens", type=int, metavar="N", help="of the KV cache (default: as the log says)")
    made.add_argument("--block", type=int, default=16, metavar="N", help="tokens of a block of it (default: 16)")
    made.add_argument("--out", type=Path, default=Path("steps.csv"), metavar="FILE", help="(default: steps.csv)")
    return made


def _check(rows: Sequence[LoggedStep], logs: Sequence[Path]) -> None:
    """Raise SpecError where a table would lack a kind of steps."""
    for name in ("prompt_tokens", "decodes"):
        sizes = {getattr(row, name) for row in rows} - {0}
        if len(sizes) < 2:
            kind = "prompts alone" if name == "prompt_tokens" else "decodes alone"
            reason = f"has steps of {kind} of {len(sizes)} sizes; a table needs two: send some requests one at a time"
            raise SpecError(reason, source=", ".join(map(str, logs)))


def _write(path: Path, rows: Sequence[LoggedStep], measured_on: tuple[str, str, int]) -> None:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([*measured_on, row.prompt_tokens, row.decodes, row.context_tokens, repr(row.seconds)])
    try:
        with replacing(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise OutputError(str(error.strerror), source=str(path)) from error
