"""Alembic's entry: runs the migrations on the connection that `videojobs.ledger.migrate` hands over."""

from alembic import context

from videojobs.ledger.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
