# Tallystick without a PostgreSQL of its own: docker build -t tallystick .
#
# The tag says what it is built on. Pin it by its digest for builds that must not change by
# themselves; docs/deploy.md says how.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1

# Neither pip nor what builds packages comes into the image that runs: they stay in this stage,
# and wheels alone are taken, so that nothing is compiled either.
RUN python -m venv --without-pip /opt/tallystick
COPY requirements-build.lock requirements.lock requirements-otel.lock /locks/
# requirements-otel.lock has what sends traces as well: docs/monitoring.md.
ARG LOCK=requirements.lock
RUN python -m pip install --quiet --target /opt/build --only-binary=:all: \
        --require-hashes -r /locks/requirements-build.lock \
    && python -m pip --python /opt/tallystick/bin/python install --quiet --only-binary=:all: \
        --no-compile --require-hashes -r /locks/${LOCK}

COPY pyproject.toml LICENSE models.toml packs.toml /app/
COPY adapters /app/adapters
COPY app /app/app
COPY domain /app/domain
COPY migrations /app/migrations
COPY persistence /app/persistence
COPY resolvers /app/resolvers
COPY schema /app/schema
# Run from its checkout, as everywhere. Compiled here, so that nothing has to be written when it
# runs: without the files' times and with hashes in one order, so that the same sources give the
# same bytes.
RUN PYTHONPATH=/opt/build python -m pip --python /opt/tallystick/bin/python install --quiet \
        --no-compile --no-deps --no-build-isolation --editable /app \
    && PYTHONHASHSEED=0 /opt/tallystick/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/tallystick/lib /app \
    && chmod -R go-w,a+rX /app /opt/tallystick

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Tallystick" \
      org.opencontainers.image.description="Prepaid credits for AI products, on PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/tallystick /opt/tallystick
COPY --from=build /app /app

# A container listens to all who reach it, and who does is decided where it is started.
# Files in SECRETS_DIR are settings; Docker and Kubernetes put secrets there.
ENV PATH=/opt/tallystick/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    SECRETS_DIR=/run/secrets

# A number, so that Kubernetes sees that it is not root, and so that a volume's owner can be set.
USER 10001:10001
WORKDIR /app
EXPOSE 8000

# A process that lives but has lost its database is better left alone: /healthz, not /readyz.
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 CMD ["python", "-ISc", \
    "import http.client, os; call = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=3); call.request('GET', '/healthz'); raise SystemExit(call.getresponse().status != 200)"]

# The process itself is told to stop, and drains (SHUTDOWN_SECONDS): no shell stands between.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tallystick"]
CMD ["serve"]
