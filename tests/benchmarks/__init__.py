"""Measures the product's performance on this machine beside its alternatives: `make bench`, into docs/benchmarks.md.

__main__.py             the command: which parts, in which form
profiles.py             how much is measured in the full and in the short form
latency.py              a: from the vendor being done to the job being completed
overhead.py             b: a job's time beside the vendors' processing and the transfers
density.py              c: memory, processor time and requests of waiting jobs
throughput.py           d: jobs per minute, and what limits them
result_transfer.py      e: the transfer of a vendor's result into storage
uploads.py              f: many uploads at once; upload_client.py sends them
lecture.py              g: a lecture's slides, speech and PDF
concurrent_lectures.py  h: many lectures on one worker
endurance.py            i: a worker's memory over many runs
harness.py              the local stack, jobs, workers, the vendors' records
resource_usage.py       memory and processor time of each service
loop_lag.py             how late an event loop is
instrumented_worker.py  our worker with a lag monitor, or a profiler
baselines/              the same job without Prefect: bare asyncio, DBOS, the old design; a plain copy, a plain lecture
stats.py, report.py, plot.py    results, and their presentation
"""
