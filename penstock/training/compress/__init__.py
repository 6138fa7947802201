"""What every compression takes and gives, and what people may set of one."""
