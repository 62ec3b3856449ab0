"""What results say: which cluster carries which load within the SLO, answers to a planner, comparisons of runs."""
