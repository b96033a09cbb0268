"""Names of the blocks that hold the vendors' accounts, without Prefect."""


def default_block_name(provider_key: str) -> str:
    """The block that `make deploy` creates for a provider."""
    return provider_key.replace("_", "-")
