"""The same job without Prefect: what the product is measured against. Nothing here is part of the product."""
