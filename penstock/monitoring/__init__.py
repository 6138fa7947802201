"""What comes back from use: ratings and corrections."""
