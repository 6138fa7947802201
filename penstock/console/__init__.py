"""The operator's office: the admin interface (/admin/v1) and the console's pages, on this machine's loopback."""
