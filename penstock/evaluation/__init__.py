"""What a candidate is worth: metrics with intervals, latency, cost, parity, the report and the gate."""
