"""The same job without Prefect, as a baseline for the product. Nothing here is part of the product."""
