"""Real servers for tests: PostgreSQL, Redis, nginx, gunicorn, and a proxy that cuts connections."""
