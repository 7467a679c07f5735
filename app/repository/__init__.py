"""All that talks to PostgreSQL. psycopg is imported here and nowhere else."""
