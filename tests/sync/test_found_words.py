"""The sentences and tables of what a planner found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync.analysis.found import notes, sentence, sentences, tables
from sync.analysis.found.compare import comparison, ratios
from sync.analysis.found.words import PARTIAL
from sync.results.found import Audit, More, Rate
from tests.sync.plans import baseline, cheapest_baseline, checked, least, most, plan, plans, undecided


def said(name: str) -> list[str]:
    return sentences(plans()[name])


def test_a_rate_is_an_interval_with_what_it_stands_on_against_the_baseline() -> None:
    first, second, compared = said("most decided")
    assert first.startswith(
        "Splitwise-HA 25P+32T carries 150 to 153 requests/s of conv within the SLO (95%, 16 seeds, 10 min of arrivals;"
        " estimate 151.4), 1.31 times [1.28, 1.34] Baseline-H100. "
    )
    assert "At 153 TBT p90 is beyond its limit: it is short of machines for decodes." in first
    assert "It does not hold for an hour: in the last third of an hour TTFT p99 takes 2.1 times what it may." in first
    assert "Of the 3 other clusters of the design that were searched 2 carry less, 1 may carry as much." in first
    assert first.endswith("At 150 it takes 93.1% of its tightest limit.")
    assert second.startswith("Baseline-H100 40 carries 114 to 117 requests/s of conv within the SLO (95%, 16 seeds")
    assert "It holds for an hour, too (4 seeds)." in second
    assert compared == (
        "Of the 2 designs Splitwise-HA 25P+32T carries most (150 to 153 requests/s); Baseline-H100 40 comes next (114"
        " to 117 requests/s): the intervals do not overlap."
    )


def test_an_interval_that_is_too_wide_says_so_and_overlapping_ones_leave_the_order_open() -> None:
    first, _, compared = said("most open")
    assert "It is not decided: the interval is 14.3% wide, and 3% was asked for (64 seeds were run)." in first
    assert "Whether it holds for longer than 10 min was not checked." in first
    assert compared == (
        "It is open which of Splitwise-HA 25P+32T and Baseline-H100 40 carries most: their intervals overlap (140 to"
        " 160 requests/s; 139 to 143 requests/s)."
    )


def test_the_cheapest_cluster_says_what_rules_the_cheaper_ones_out_and_what_more_load_costs() -> None:
    first, second, compared = said("least decided")
    assert first.startswith(
        "To carry 70 requests/s of conv within the SLO, Splitwise-HA 12P+16T costs least of its design: $738.56 an hour"
        " (95%, 8 seeds, 10 min of arrivals). Every cheaper cluster of the design fails or has fewer machines than one"
        " that does (2 probed, 30 below them; 5 of these were probed after all, none carries the load)."
    )
    assert (
        "Next smaller: 12P+15T fails at TBT p90 (1.4 times what it may; it is short of machines for decodes)." in first
    )
    assert "It takes 71.0% of its tightest limit." in first
    assert first.endswith(
        "A tenth more load (77 requests/s) costs about $62.00 an hour more (13P+17T, an estimate from 3 seeds)."
    )
    assert "Every cheaper cluster of the design fails (1 probed)." in second
    assert compared == (
        "Of the 2 designs Splitwise-HA 12P+16T costs least ($738.56 an hour); Baseline-H100 24 comes next ($913.92 an"
        " hour)."
    )


def test_cheaper_clusters_that_are_not_decided_are_named_with_the_span_of_the_least() -> None:
    first, *_ = said("least undecided")
    assert "Splitwise-HA 12P+16T is enough, at $738.56 an hour" in first
    assert (
        "whether it costs least is open. 2 cheaper clusters are not decided: 11P+16T ($700.48 an hour; 64 seeds take"
        in first
    )
    assert (
        "98.7% of TTFT p99) and 13P+13T ($723.84 an hour; not probed) (no more than 64 seeds were asked for)." in first
    )
    assert "The least is from $700.48 an hour to $738.56 an hour." in first


def test_nothing_that_carries_is_said_as_none() -> None:
    first, _, compared = said("none most")
    assert first == (
        "Splitwise-HA carries no rate of conv within the SLO, not even 0.5 requests/s (95%, 10 min of arrivals). TBT"
        " p90 is beyond its limit: it is short of machines for decodes."
    )
    assert compared.endswith("Splitwise-HA carries nothing.")
    (only,) = said("none least")
    assert only == (
        "No Splitwise-HA cluster of the search can carry 70 requests/s of conv within the SLO (95%, 10 min of"
        " arrivals). 40P+40T fails at TTFT p99 (2 times what it may; it is short of machines for prompts)."
    )


def test_a_search_that_was_interrupted_begins_with_that_and_gives_its_bracket() -> None:
    assert said("interrupted") == [
        PARTIAL,
        "It is open how much of conv Splitwise-HA carries within the SLO; it is at least 100 and less than 180"
        " requests/s.",
    ]


def test_a_search_that_a_failure_ended_says_why() -> None:
    assert said("failed") == [
        "It is open which Splitwise-HA cluster costs least to carry 70 requests/s of conv within the SLO: a run failed:"
        " no memory."
    ]


@pytest.mark.parametrize(
    ("measure", "value", "words"),
    [
        ("power", 37.0, "has the least power weight of its design: power weight 37.0"),
        ("watts", 226_400.0, "draws least of its design: 226 kW"),
        ("machines", 28.0, "needs the fewest machines of its design: 28 machines"),
    ],
)
def test_each_measure_has_its_words(measure: str, value: float, words: str) -> None:
    assert words in sentence(least(measure=measure, value=value))


def test_rates_are_rounded_so_that_nothing_more_is_promised_than_was_found() -> None:
    text = sentence(most(rate=Rate(150.37821, 151.92716, 152.91234)))
    assert "carries 150.3 to 153 requests/s" in text
    assert "estimate 151.9" in text


def test_few_seeds_and_one_open_end_are_said() -> None:
    text = sentence(most(seeds=3, decided=False, rate=Rate(150.0, 150.0, None)))
    assert "carries at least 150 requests/s of conv within the SLO (95%, 3 seeds, too few to be that sure" in text
    assert "How much more it carries is open." in text


def test_an_audit_that_finds_a_cluster_which_carries_warns() -> None:
    text = sentence(least(audit=Audit(30, 5, ("splitwise-ha 12P+14T",))))
    assert "Warning: of 5 clusters that were ruled out" in text
    assert "12P+14T carries the load: here more machines do not always carry more." in text
    assert "none carries the load" not in text


def test_more_load_in_proportion_is_no_search() -> None:
    text = sentence(least(more=More(77.0, 812.42, "splitwise-ha 12P+16T", 0, is_in_proportion=True)))
    assert "costs about $73.86 an hour more (in proportion to the load, not searched)." in text


def test_a_ratio_is_the_least_over_the_most_and_the_reverse() -> None:
    (pair,) = ratios([baseline(), most()])
    assert (pair.one.system, pair.other.system) == ("splitwise-ha", "baseline-h100")
    assert pair.low == pytest.approx(150.0 / 117.0)
    assert pair.high == pytest.approx(153.0 / 114.0)
    (cost,) = ratios([undecided(), cheapest_baseline()])
    assert (cost.low, cost.high) == pytest.approx((700.48 / 913.92, 738.56 / 913.92))
    assert ratios([most(rate=Rate(150.0, 150.0, None)), baseline()]) == []


def test_a_dearer_answer_whose_cheaper_clusters_are_open_may_be_the_cheapest() -> None:
    open_one = checked(11, 16, "undecided", limit="TTFT p99", seeds=64)
    rival = replace(cheapest_baseline(decided=False), undecided=(replace(open_one, cost=700.0),))
    assert comparison([least(), rival]).startswith(
        "It is open which of Splitwise-HA 12P+16T and Baseline-H100 24 costs"
    )
    twin = cheapest_baseline(value=least().value, cost=least().cost)
    assert ", as does Baseline-H100 24." in comparison([least(), twin])


def test_the_terminal_counts_the_certificate_and_the_document_has_all_of_it() -> None:
    short, whole = (tables(plans()["least decided"], whole=whole) for whole in (False, True))
    (counted,) = [table for table in short if "were ruled out" in table.title]
    assert counted.rows[0] == ("Splitwise-HA", "2", "30", "0", "5", "0", "TBT p90 1, TTFT p99 1")
    (full,) = [table for table in whole if "each other cluster of Splitwise-HA" in table.title]
    assert len(full.rows) == len(least().certificate)
    assert not [table for table in short if "each other cluster" in table.title]


def test_the_table_of_designs_has_the_best_first_and_every_fact_of_the_answer() -> None:
    designs = tables(plan(baseline(), most()))[0]
    assert designs.heads == (
        *("design", "requests/s", "estimate", "machines", "$/h", "kW", "limit", "of limit", "decided", "seeds"),
        "for longer",
    )
    assert designs.rows[0] == (
        *("Splitwise-HA 25P+32T", "150 to 153", "151.4", "25 H100 prompt + 32 A100 token", "1,515.20", "463"),
        *("TBT p90", "93.1%", "yes", "16", "fails over an hour"),
    )
    assert designs.rows[1][0] == "Baseline-H100 40"


def test_all_rows_of_all_tables_are_as_wide_as_their_heads() -> None:
    every = [table for made in plans().values() for table in tables(made, whole=True)]
    assert len(every) > 20
    assert all(len(row) == len(table.heads) for table in every for row in table.rows)


def test_the_notes_say_what_the_search_took() -> None:
    assert notes(plan(most()))[-1] == (
        "The whole search: 406 runs, of which 12 were made ahead and not needed; 20,000,000 requests."
    )
