"""The core: what a job is, where it stands, how a vendor talks. Nothing here knows Prefect."""
