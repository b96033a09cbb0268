"""Submits jobs to the model of the old design: `python -m tests.benchmarks.baselines.old_client JOB...`."""

import sys

from tests.benchmarks.baselines.old_app import start_job

if __name__ == "__main__":
    for job_id in sys.argv[1:]:
        start_job.delay(job_id)
