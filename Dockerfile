# An image of Flagstone: docker build -t flagstone .
# Python's packages and the map library are made in stages of their own; neither pip's cache nor Node is in the result.

FROM python:3.11-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -r requirements.txt

FROM node:22-bookworm-slim AS maps
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin flagstone
WORKDIR /srv/flagstone
COPY --from=packages /opt/venv /opt/venv
COPY --from=maps /build/node_modules node_modules
COPY migrations_sample migrations_sample
COPY wsgi.py LICENSE ./
COPY app app
# Nothing is written later: without this every start of a server or a command would compile all of it again.
RUN /opt/venv/bin/python -m compileall -q app wsgi.py

# Inside a container every address is the container's own: who may reach it is decided outside.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=wsgi \
    FLAGSTONE_BIND=0.0.0.0
EXPOSE 8081
USER flagstone

# /livez, not /readyz: starting the container again does not mend a database. The slim image has no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8081') + '/livez', timeout=4)"]

CMD ["gunicorn", "-c", "python:app.gunicorn_conf", "wsgi:app"]
