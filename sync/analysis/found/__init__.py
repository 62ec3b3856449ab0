"""What a planner found, in words and tables: the answer of a sweep that has a question (`sync.results.found`).

from sync import load_sweep
from sync.analysis.found import sentences

plan = load_sweep("how-many").found
print(*sentences(plan), sep="\\n")
"""

from sync.analysis.found.as_json import found_values, plan_values
from sync.analysis.found.tables import notes, tables
from sync.analysis.found.terms import of_search
from sync.analysis.found.words import sentence, sentences

__all__ = ["found_values", "notes", "of_search", "plan_values", "sentence", "sentences", "tables"]
