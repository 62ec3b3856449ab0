"""What results say: who carries which load within the SLO, answers to a planner, comparisons."""
