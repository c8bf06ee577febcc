"""The books in PostgreSQL: the only place with SQL."""
