"""The five documents' tables beside ours: ``python -m benchmarks.results``.

A plan of commands (:mod:`.plan`), what runs them (:mod:`.running`), the measured rows they leave (``records/*.json``,
:mod:`.ledger`), and ``RESULTS.md`` with its figures, which are drawn from these rows and from nothing else
(:mod:`.tables`, :mod:`.page`, :mod:`.figures`).
"""
