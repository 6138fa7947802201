"""How much was used: quantities, running totals, corrections and exports of the usage log. Never asks "what price"."""
