# Every image of the project: `steps` computes, `fetch` brings data sets and weights in, `tracking` is MLflow's server.
# None has an ENTRYPOINT: a command is given whole, as in `docker run graft-steps python -m components split --help`.
ARG BASE=python:3.11-slim

FROM ${BASE} AS installer
COPY requirements-setup.txt /opt/
RUN python -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r /opt/requirements-setup.txt
COPY requirements-*.txt /opt/

# What the images share: whoever runs them writes to /tmp and to what is mounted, nowhere else.
FROM ${BASE} AS runtime
RUN useradd --uid 1000 --home-dir /tmp --no-create-home graft \
 && python -m venv --without-pip /opt/graft
ENV PATH=/opt/graft/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 \
    UV_PYTHON=/opt/graft/bin/python UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_REQUIRE_HASHES=1 \
    UV_BUILD_CONSTRAINT=/opt/installer/requirements-setup.txt
WORKDIR /graft
CMD ["python"]

FROM runtime AS tracking
RUN --mount=from=installer,source=/opt,target=/opt/installer \
    /opt/installer/uv/bin/uv pip install -r /opt/installer/requirements-tracking.txt
USER 1000:1000

FROM runtime AS fetch
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git openssh-client \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=from=installer,source=/opt,target=/opt/installer \
    /opt/installer/uv/bin/uv pip install -r /opt/installer/requirements-fetch.txt
COPY requirements-fetch.txt requirements.txt
COPY components components
ENV DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=/tmp/dvc
USER 1000:1000
ARG REVISION=
ENV GRAFT_REVISION=${REVISION}
LABEL org.opencontainers.image.revision=${REVISION}

FROM runtime AS steps
ARG ACCELERATOR=gpu
RUN --mount=from=installer,source=/opt,target=/opt/installer \
    /opt/installer/uv/bin/uv pip install -r /opt/installer/requirements-steps-${ACCELERATOR}.txt
COPY requirements-steps-${ACCELERATOR}.txt requirements.txt
COPY pretraining/*.weights.h5 pretraining/
COPY components components
USER 1000:1000
ARG REVISION=
ENV GRAFT_REVISION=${REVISION}
LABEL org.opencontainers.image.revision=${REVISION}
