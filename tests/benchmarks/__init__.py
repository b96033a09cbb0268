"""Measures what the product promises on this machine, beside its alternatives: `make bench`, into docs/benchmarks.md.

__main__.py     the command: which parts, in which form
forms.py        how much is measured in the full and in the short form
latency.py      a: from the vendor being done to the job being completed
overhead.py     b: what a job takes beside the vendors' time and the transfers
density.py      c: memory, processor time and requests of jobs that wait
throughput.py   d: jobs a minute, and what is in the way of more
copying.py      e: a vendor's result on its way into storage
front_door.py   f: many uploads at once; sending.py sends them
lecture.py      g: a lecture's slides, speech and PDF
lectures_at_once.py             h: many lectures on one worker
stand.py        the local stack, jobs, workers, the vendors' books
usage.py        memory and processor time of each part
loop_lag.py     how late an event loop is
watched_worker  our worker with that watch, or a profiler, in it
rivals/         the same job without Prefect: bare asyncio, DBOS, the old design; the plain copy, the plain lecture
figures.py, page.py, plot.py    what is measured, and how it is shown
"""
