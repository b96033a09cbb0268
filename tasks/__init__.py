"""The steps of a job. Each does its work once, records it, and is safe to run again."""
