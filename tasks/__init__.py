"""One step of a job each: do it once, record it, be safe to run again."""
