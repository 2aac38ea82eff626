"""More photos than one process holds: units of work, workers on this machine or on Ray, results as Parquet files."""
