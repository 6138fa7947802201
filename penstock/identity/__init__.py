"""Who is who: customers, their consent, and the keys their programs call with."""
