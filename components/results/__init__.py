"""Results: reports on models, their comparison, page and figures, and the journal."""
