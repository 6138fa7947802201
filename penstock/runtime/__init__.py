"""How work runs: durable workflows, child processes, progress and locks. Knows no domain."""
