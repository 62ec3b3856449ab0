"""What was read of a trace and what was left out of it, and why: the counts that every reader keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim_core.errors import TraceError
from traces.time_unit import TimeUnit

ZERO_OUTPUT = ("drop", "keep", "error")


@dataclass(slots=True)
class LeftOut:
    """Rows that were left out for one column; `reason` is the first one's."""

    count: int
    first_row: int
    reason: str


@dataclass(slots=True)
class Tally:
    """Rows count from 1 without the header, as in TraceError.

    `zero_output` says what becomes of requests without output: dropped, kept (as prompts with one token of output, the
    least that can be simulated) or an error.
    """

    source: str
    skip_bad_rows: bool = False
    zero_output: str = "error"
    time_unit: TimeUnit | None = None  # where it was told or found out; None: as the format's definition says
    rows: int = 0  # seen
    zero_output_rows: int = 0
    late_rows: int = 0  # earlier than the row before
    first_late: str = ""
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    @property
    def rows_left_out(self) -> int:
        """For whatever reason, requests without output apart."""
        return sum(part.count for part in self.left_out.values())

    def error(self, reason: str, row: int | None = None, column: str = "") -> TraceError:
        """To be raised."""
        return TraceError(reason, source=self.source, row=row, column=column)

    def bad_row(self, row: int, reason: str, column: str = "") -> None:
        """Counts a row that cannot be used. TraceError unless bad rows are to be left out."""
        if not self.skip_bad_rows:
            raise self.error(reason, row, column)
        if column in self.left_out:
            self.left_out[column].count += 1
        else:
            self.left_out[column] = LeftOut(1, row, reason)

    def zeros(self, count: int) -> None:
        """Counts requests without output."""
        self.zero_output_rows += count

    def late(self, count: int, first: str) -> None:
        """Counts rows out of order; `first` says which was the first."""
        self.late_rows += count
        self.first_late = self.first_late or first

    def notes(self) -> list[str]:
        """What a user should know even of a file that is as it should be."""
        return [f"{self.source}: time unit: {self.time_unit.text()}"] if self.time_unit else []

    def lines(self) -> list[str]:
        """What a user should know, a line a kind; empty when the file was as it should be."""
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
