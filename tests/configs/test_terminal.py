"""Tables and sentences at any width: no word is broken, nothing is cut, no line is longer than the screen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from configs.figure import figure
from configs.terminal import PLAIN_WIDTH, Column, console, draw, fits, lines, prose, say, say_whole, tell

NAME = "splitwise-ha 6P+4T conv 24 rps"
KEY = "42a820720a81827132f7475914fd1dbe90702d96b4f811877caea87e38c849da"


def table() -> list[Column]:
    return [
        Column("run", [NAME, "baseline"]),
        Column("key", [KEY[:10], KEY[:8]]),
        Column("verdict", ["too slow: TTFT p50 p90 p99, TBT p50", "within SLO"]),
        Column("TTFT p50 (s)", ["0.163", "1.20"], right=True, spare=1),
        Column("TTFT p99 (s)", ["0.907", "1.39"], right=True, spare=2),
    ]


def test_with_room_every_cell_is_in_one_line() -> None:
    drawn = draw(table(), 120).plain.split("\n")
    assert drawn[0].split() == ["run", "key", "verdict", "TTFT", "p50", "(s)", "TTFT", "p99", "(s)"]
    assert len(drawn) == 4
    assert fits(table(), 120) and not fits(table(), 60)


def test_with_less_room_cells_go_on_in_further_lines_between_words() -> None:
    drawn = draw(table(), 70).plain
    assert max(map(len, drawn.split("\n"))) <= 70
    assert "No room" not in drawn
    assert drawn.split().count("TTFT") == 3, "two heads and a verdict"
    assert KEY[:10] in drawn.split()


def test_columns_without_room_are_named_with_the_width_that_they_need() -> None:
    drawn = draw(table(), 48, more="--format csv").plain
    note = " ".join(drawn.split()).partition("No room for: ")[2]
    assert note == "TTFT p99 (s). COLUMNS=52 or a wider terminal shows all, as does --format csv."
    assert "No room" in draw(table(), 51).plain
    assert "No room" not in draw(table(), 52).plain


def test_where_not_even_the_needed_columns_fit_each_row_is_a_paragraph_with_all_of_them() -> None:
    drawn = draw(table(), 24).plain
    assert max(map(len, drawn.split("\n"))) <= 24
    assert "TTFT p99 (s): 1.39" in " ".join(drawn.split())


def test_a_word_that_is_longer_than_the_screen_stays_whole() -> None:
    drawn = draw([Column("key", [KEY]), Column("name", ["a b c"])], 40).plain
    assert KEY in drawn.split("\n")


def test_whole_cells_are_continued_only_when_leaving_out_columns_does_not_help() -> None:
    columns = [Column("run", [NAME], whole=True), Column("trace", ["rr_conv_24_2min"], spare=1)]
    assert NAME in draw(columns, 40).plain.split("\n")[2]
    assert "rr_conv_24_2min" not in draw(columns, 40).plain.split("\n")[2]
    assert max(map(len, draw(columns, 20).plain.split("\n"))) <= 20


def test_texts_of_files_are_shown_as_they_are_and_escaped() -> None:
    drawn = draw([Column("[bold]run", ["[/nope] \x1b[31mred\n:smile:", Text("two\nlines\x1b")])], 80)
    assert drawn.plain.split("\n")[2:] == ["[/nope] \\x1b[31mred\\n:smile:", "two", "lines\\x1b"]
    assert drawn.plain.startswith("[bold]run")
    assert drawn.spans == []


def test_a_printed_table_has_no_markup_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    screen = console()
    say(screen, "a [/nope] \x1b]0;title\x07")
    say_whole(screen, "python -m sweep '[red]x.yaml'")
    screen.print(draw([Column("a", ["[red]x[/red]"])], 80), soft_wrap=True)
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == ["a [/nope] \\x1b]0;title\\x07", "python -m sweep '[red]x.yaml'"]
    assert out.splitlines()[-1] == "[red]x[/red]"


@pytest.mark.parametrize(
    ("columns", "width"),
    [(None, PLAIN_WIDTH), ("", PLAIN_WIDTH), ("60", 60), ("200", 200), ("0", PLAIN_WIDTH), ("x", PLAIN_WIDTH)],
)
def test_output_that_is_no_terminal_is_as_wide_as_COLUMNS_says_else_80(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert console().width == width
    assert console(error=True).width == width


@pytest.mark.parametrize("columns", ["1", "9" * 400, "99999999", "²", "-5", "1e9"])
def test_an_odd_COLUMNS_is_held_within_bounds(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert 20 <= console().width <= 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1.00"), (0.163_4, "0.163"), (0.0509, "0.0509"), (12.34, "12.3"), (123.4, "123"),
        (9.999, "10.0"), (0.9999, "1.00"), (99.96, "100"), (1234.5, "1,234"), (-2.215, "-2.21"), (math.inf, "inf"),
        (math.nan, "-"), (None, "-"),
    ],
)  # fmt: skip
def test_a_figure_has_three_significant_digits(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_a_unit_follows_a_figure_but_no_missing_one() -> None:
    assert (figure(1.5, " s"), figure(None, " s")) == ("1.50 s", "-")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Zs"]), min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)
COLUMNS = st.tuples(
    st.sampled_from([0, 0, 1, 2]), st.booleans(), st.booleans(), st.lists(CELLS, min_size=4, max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(COLUMNS, min_size=1, max_size=6), st.integers(20, 120))
def test_at_any_width_every_word_is_whole_and_no_line_is_too_long(
    made: list[tuple[int, bool, bool, list[str]]], width: int
) -> None:
    columns = [Column(head, cells, right, spare, whole) for spare, right, whole, (head, *cells) in made]
    drawn = draw(columns, width)
    longest = max(column.narrowest for column in columns)
    screen = Console(width=1000)
    for line in drawn.split("\n", allow_blank=True):
        assert screen.measure(line).maximum <= max(width, longest + len("  ;"))
    words = " ".join(drawn.plain.split())
    for column in columns:
        if not column.spare:
            for text in column.texts:
                assert all(word in words for word in text.plain.split())


def test_prose_goes_on_between_words() -> None:
    assert prose("one two three four", 9).plain == "one two\nthree\nfour"
    assert lines("a\nb", "c").plain == "a\\nb\nc"


def test_a_message_goes_on_between_words_on_a_terminal_and_is_one_line_in_a_log() -> None:
    message = "warning: a file of the experiment has a name that is long"
    printed = []
    for is_terminal in (True, False):
        screen = Console(width=20, force_terminal=is_terminal, color_system=None)
        with screen.capture() as captured:
            tell(screen, message)
        printed.append(captured.get())
    assert max(map(len, printed[0].splitlines())) <= 20 and printed[0].split() == message.split()
    assert printed[1] == message + "\n"
