"""Read-only questions across the domains: one definition per figure, each agreeing with the ledger."""
