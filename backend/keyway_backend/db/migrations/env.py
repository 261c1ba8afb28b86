"""Alembic's entry. The connection is handed in by `keyway_backend.db.migrate`; there is no alembic.ini."""

from alembic import context
from keyway_backend.db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
