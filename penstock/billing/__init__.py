"""What it costs and who owes it: catalogue, funding, rating, ledger, invoices and payments."""
