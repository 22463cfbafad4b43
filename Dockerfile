# One image for all three programs: `docker run pilot-canvas api`, `worker` or `migrate`.
# Base images are named by version, not by digest: a rebuild brings the distribution's fixes,
# and all that is ours is pinned by the hashes of requirements.runtime.lock.
FROM node:24-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY web ./
RUN npm run build

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
WORKDIR /src
# The dependencies first: they change less often than the source.
COPY requirements.runtime.lock .
RUN /venv/bin/pip install --require-hashes -r requirements.runtime.lock
COPY pyproject.toml README.md LICENSE worker.py ./
COPY pilot pilot
COPY workflows_def workflows_def
COPY activities activities
COPY api api
COPY --from=web /src/api/canvas/build api/canvas/build
COPY supabase supabase
COPY examples examples
RUN /venv/bin/pip install --no-deps --no-build-isolation . \
    && /venv/bin/pip uninstall --yes hatchling editables

FROM python:3.11-slim-bookworm
# tini as process 1: it passes signals on from the first moment on, and reaps what is left.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini=0.19.0-* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home pilot \
    && install -d -o pilot -g pilot /data
COPY --from=build /venv /venv
# Nothing is written but in /tmp, where code nodes' sandboxes start from (so it may not be
# mounted `noexec`), and in /data where the store is SQLite: the root may be read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PILOT_HOST=0.0.0.0 \
    PILOT_PORT=8000 \
    PILOT_DATA_DIR=/data
# By number: Kubernetes' runAsNonRoot cannot tell whether a name is root's.
USER 10001:10001
WORKDIR /home/pilot
EXPOSE 8000
# A worker drains and an API closes its streams (docs/deploy.md).
STOPSIGNAL SIGTERM
# Of the API; compose and Kubernetes have a check of their own for workers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PILOT_PORT'] + '/', timeout=4)"]
ENTRYPOINT ["tini", "--", "pilot"]
CMD ["api"]
