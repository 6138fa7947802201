"""penstock.toml read into frozen records, validated to the line; and the plan of changes to apply."""
