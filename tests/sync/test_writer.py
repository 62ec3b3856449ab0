from __future__ import annotations

import threading

import pytest

from sync import SinkWriter


class MemorySink:
    """Keeps outcomes; `broken` decides which calls raise, `gate` lets writes through."""

    def __init__(self, broken=lambda outcome: False):
        self.broken, self.gate = broken, threading.Event()
        self.gate.set()
        self.kept, self.opened, self.closed, self.attempts = {}, 0, 0, []

    def open(self, sweep):
        self.opened += 1
        if self.broken(None):
            raise ConnectionError("http://ann:hunter22@host does not answer")

    def write(self, outcome):
        assert self.gate.wait(30)
        self.attempts.append(outcome.key)
        if self.broken(outcome):
            raise ConnectionError("http://ann:hunter22@host does not answer")
        self.kept[outcome.key] = outcome

    def page(self):
        return "#/experiments/1" if self.opened else None

    def close(self):
        self.closed += 1


@pytest.fixture
def journal(outcome):
    return {made.key: made for made in map(outcome, range(10))}


@pytest.fixture
def writer_of(sweep, journal):
    def make(sink, **options):
        return SinkWriter(sink, sweep, journal.get, **({"retry_s": 0.0} | options))

    return make


def wait_until(condition):
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def test_everything_submitted_is_delivered_in_order_and_the_sink_closed(writer_of, journal):
    sink = MemorySink()
    writer = writer_of(sink)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    done = writer.close()
    assert list(sink.kept.values()) == list(journal.values())
    assert (done.delivered, done.undelivered, done.failures, done.error) == (10, (), 0, None)
    assert (sink.opened, sink.closed) == (1, 1)


def test_who_delivers_learns_where_to_look(writer_of, journal):
    writer = writer_of(MemorySink())
    assert writer.close().page is None
    opened = writer_of(MemorySink())
    opened.start()
    assert opened.close().page == "#/experiments/1"


def test_the_sink_is_open_when_start_returns(writer_of):
    sink = MemorySink()
    writer = writer_of(sink)
    writer.start()
    assert sink.opened == 1
    writer.close()


def test_submit_does_not_wait_for_a_slow_sink_and_holds_no_more_than_its_capacity(writer_of, journal):
    sink, read = MemorySink(), []
    sink.gate.clear()
    writer = writer_of(sink, capacity=2)
    writer._reload = lambda key: read.append(key) or journal[key]
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    assert (len(writer.state().undelivered), sink.kept) == (10, {})
    sink.gate.set()
    assert writer.close().delivered == 10
    assert read == list(journal)[2:]


def test_an_outcome_of_an_earlier_start_is_delivered_by_its_key(writer_of, journal):
    sink = MemorySink()
    writer = writer_of(sink)
    writer.start()
    for key in journal:
        writer.submit_key(key)
    writer.close()
    assert sink.kept == journal


def test_a_sink_that_never_answers_ends_nothing_and_all_keys_are_reported(writer_of, journal):
    sink = MemorySink(broken=lambda outcome: True)
    writer = writer_of(sink)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    done = writer.close()
    assert sorted(done.undelivered) == sorted(journal)
    assert (done.delivered, done.error) == (0, "http://ann:***@host does not answer")
    assert done.failures > 0


def test_closing_does_not_try_every_outcome_on_a_sink_that_is_down(writer_of, journal):
    sink = MemorySink(broken=lambda outcome: outcome is not None)
    writer = writer_of(sink, retry_s=1000.0, longest_retry_s=1000.0)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    wait_until(lambda: writer.state().failures == 1)
    assert sorted(writer.close().undelivered) == sorted(journal)
    assert len(sink.attempts) < len(journal)


def test_what_failed_while_the_sink_was_down_arrives_once_it_is_back(writer_of, journal):
    answers = iter([False] * 4 + [True] * 6)  # open, three writes; then a write and five openings fail
    sink = MemorySink(broken=lambda outcome: next(answers, False))
    writer = writer_of(sink)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    wait_until(lambda: len(sink.kept) == 10)
    done = writer.close()
    assert sink.kept == journal
    assert (done.delivered, done.undelivered, done.failures) == (10, (), 6)


def test_a_sink_that_comes_back_at_the_end_gets_everything_when_closing(writer_of, journal):
    down = threading.Event()
    down.set()
    sink = MemorySink(broken=lambda outcome: down.is_set())
    writer = writer_of(sink, retry_s=1000.0, longest_retry_s=1000.0)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    wait_until(lambda: writer.state().failures)
    down.clear()
    done = writer.close()
    assert (done.delivered, done.undelivered, sink.kept) == (10, (), journal)


def test_while_a_sink_does_not_answer_the_writer_says_so_and_then_no_more(writer_of, journal):
    down = threading.Event()
    sink = MemorySink(broken=lambda outcome: down.is_set())
    writer = writer_of(sink)
    writer.start()
    assert writer.trouble() == ""
    down.set()
    for outcome in list(journal.values())[:3]:
        writer.submit(outcome)
    wait_until(lambda: writer.trouble() == "3 results wait: http://ann:***@host does not answer")
    down.clear()
    writer.submit(list(journal.values())[3])
    wait_until(lambda: writer.trouble() == "")
    writer.close()


def test_one_odd_outcome_does_not_keep_the_others_back(writer_of, journal):
    odd = list(journal)[4]
    sink = MemorySink(broken=lambda outcome: outcome is not None and outcome.key == odd)
    writer = writer_of(sink)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    done = writer.close()
    assert (done.delivered, done.undelivered) == (9, (odd,))
    assert sink.attempts.count(odd) <= 4


def test_several_odd_outcomes_in_a_row_do_not_keep_the_others_back_when_closing(writer_of, journal):
    odd = list(journal)[:3]
    sink = MemorySink(broken=lambda outcome: outcome is not None and outcome.key in odd)
    sink.gate.clear()
    writer = writer_of(sink)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    wait_until(lambda: writer._current is not None)
    writer._closing = True  # as the first thing that `close` does; now the writing may begin
    sink.gate.set()
    done = writer.close()
    assert (done.delivered, sorted(done.undelivered)) == (7, odd)


def test_an_outcome_that_cannot_be_read_back_is_reported(writer_of, journal):
    sink = MemorySink()
    writer = writer_of(sink)
    writer.start()
    writer.submit_key("f" * 64)
    writer.submit_key(next(iter(journal)))
    done = writer.close()
    assert (done.delivered, done.undelivered) == (1, ("f" * 64,))
    assert "cannot be read back" in done.error


def test_closing_with_a_time_limit_reports_what_still_waits(writer_of, journal):
    sink = MemorySink()
    sink.gate.clear()
    writer = writer_of(sink)
    writer.start()
    for outcome in journal.values():
        writer.submit(outcome)
    wait_until(lambda: writer._current is not None)
    done = writer.close(timeout_s=0.05)
    assert (done.delivered, sorted(done.undelivered)) == (0, sorted(journal))
    sink.gate.set()
    writer.close()


def test_nothing_can_be_submitted_after_closing(writer_of, journal):
    writer = writer_of(MemorySink())
    writer.start()
    writer.close()
    with pytest.raises(RuntimeError, match="submit after close"):
        writer.submit(next(iter(journal.values())))
