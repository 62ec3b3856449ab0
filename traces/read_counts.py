"""What was read of a trace, what was left out, and why: the counts that every reader keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim_core.errors import TraceError
from sim_core.limits import limits
from traces.time_unit import TimeUnit

ZERO_OUTPUT = ("drop", "keep", "error")


@dataclass(slots=True)
class LeftOut:
    """Rows left out because of one column; `reason` is that of the first."""

    count: int
    first_row: int
    reason: str


@dataclass(slots=True)
class ReadCounts:
    """Rows are numbered from 1, without the header, as in TraceError.

    `zero_output` says what happens to requests without output: drop, keep (as prompts with one token of output, the
    least that can be simulated) or error.
    """

    source: str
    skip_bad_rows: bool = False
    zero_output: str = "error"
    time_unit: TimeUnit | None = None  # if the user named it or the file showed it; None: the format's own
    rows: int = 0  # read so far
    blank_lines: int = 0
    zero_output_rows: int = 0
    late_rows: int = 0  # earlier than the row before
    first_late: str = ""
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    @property
    def rows_left_out(self) -> int:
        """Bad rows; requests without output are counted in `zero_output_rows`."""
        return sum(part.count for part in self.left_out.values())

    def error(self, reason: str, row: int | None = None, column: str = "") -> TraceError:
        """An error about the file, for the caller to raise."""
        return TraceError(reason, source=self.source, row=row, column=column)

    def bad_row(self, row: int, reason: str, column: str = "") -> None:
        """Counts a row that cannot be used. TraceError unless bad rows are to be left out."""
        if not self.skip_bad_rows:
            raise self.error(reason, row, column)
        if column in self.left_out:
            self.left_out[column].count += 1
        else:
            self.left_out[column] = LeftOut(1, row, reason)

    def blank(self, count: int) -> None:
        """Counts blank lines, which are no rows of a trace. TraceError for too many: they take time and say nothing."""
        self.blank_lines += count
        if self.blank_lines > limits().blank_lines:
            raise self.error(limits().more_than("blank_lines", "blank lines"))

    def late(self, count: int, first: str) -> None:
        """Counts rows out of order; `first` describes the first of them."""
        self.late_rows += count
        self.first_late = self.first_late or first

    def notes(self) -> list[str]:
        """Facts that a user should know even of a faultless file."""
        return [f"{self.source}: time unit: {self.time_unit.text()}"] if self.time_unit else []

    def lines(self) -> list[str]:
        """Warnings for the user, one line a kind; none for a faultless file."""
        lines = []
        for column, part in self.left_out.items():
            where = f"row {part.first_row}" + (f", column {column}" if column else "")
            lines.append(f"{self.source}: {part.count:,} bad rows left out, the first {where}: {part.reason}")
        if self.zero_output_rows:
            done = "kept, with one token" if self.zero_output == "keep" else "left out"
            lines.append(f"{self.source}: {self.zero_output_rows:,} requests without output (failures) were {done}")
        if self.late_rows:
            more = f" ({self.late_rows:,} such rows)" if self.late_rows > 1 else ""
            lines.append(f"{self.source}, {self.first_late}{more}; the rows were sorted by arrival")
        return lines
