"""The climb: rungs trained, measured and judged until the gate says yes; exploring; retraining."""
