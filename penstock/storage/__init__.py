"""One database (SQLite or Postgres), one transaction per request or job, one blob store."""
