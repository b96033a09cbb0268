"""One flow per deployment, plus the subflow `remove_text`. Each reads from top to bottom as the steps of a job."""
