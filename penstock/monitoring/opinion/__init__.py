"""Opinion monitoring in use: mentions, series, alerts, their delivery, feeds and the monthly report."""
