# One image for API, worker and migration; the command says which.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
WORKDIR /src
# The dependencies first: they change less often than the source, and are checked by hash.
COPY requirements.runtime.lock .
RUN /venv/bin/pip install --require-hashes -r requirements.runtime.lock
COPY pyproject.toml README.md LICENSE worker.py ./
COPY pilot pilot
COPY workflows_def workflows_def
COPY activities activities
COPY api api
RUN /venv/bin/pip install --no-deps --no-build-isolation . \
    && /venv/bin/pip uninstall --yes hatchling editables

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home pilot && install -d -o pilot -g pilot /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PILOT_HOST=0.0.0.0 \
    PILOT_PORT=8000 \
    PILOT_DATA_DIR=/data
USER pilot
WORKDIR /home/pilot
EXPOSE 8000
CMD ["pilot", "api"]
