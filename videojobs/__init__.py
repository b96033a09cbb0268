"""The core: requests, job state, vendors, media. It imports neither Prefect nor FastAPI."""
