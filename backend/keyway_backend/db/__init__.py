"""The database: engine, schema and migrations. Feature stores hold the statements."""
