"""HTTP: each view reads the request, asks the backend and writes the response."""
