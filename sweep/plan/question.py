"""The question of a search, as `sweep.experiment.question` reads it."""

from sweep.experiment.question import Measure, Question, parse_question

__all__ = ["Measure", "Question", "parse_question"]
