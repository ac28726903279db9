"""The page of all benchmarks: `fit` reads the measurements, `figures` and `tables` show them, `write` writes."""
