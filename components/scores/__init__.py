"""Scores and statistics: numbers from labels and predictions, without files and figures."""
