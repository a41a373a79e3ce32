# Every image of the project: `steps` computes, `fetch` brings data sets and weights in, `tracking` is MLflow's server.
# None has an ENTRYPOINT: a command is given whole, as in `docker run graft-steps python -m components split --help`.
ARG BASE=python:3.11-slim

FROM ${BASE} AS installer
COPY requirements-setup.txt /requirements/setup.txt
RUN python -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r /requirements/setup.txt \
 && python -m venv --without-pip /opt/graft
ENV UV_PYTHON=/opt/graft/bin/python UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_REQUIRE_HASHES=1 \
    UV_BUILD_CONSTRAINT=/requirements/setup.txt

FROM installer AS steps-packages
ARG ACCELERATOR=gpu
COPY requirements-steps-${ACCELERATOR}.txt /requirements/steps.txt
RUN /opt/uv/bin/uv pip install -r /requirements/steps.txt

FROM installer AS fetch-packages
COPY requirements-fetch.txt /requirements/fetch.txt
RUN /opt/uv/bin/uv pip install -r /requirements/fetch.txt

FROM installer AS tracking-packages
COPY requirements-tracking.txt /requirements/tracking.txt
RUN /opt/uv/bin/uv pip install -r /requirements/tracking.txt

# What the images share: whoever runs them writes to /tmp and to what is mounted alone.
FROM ${BASE} AS runtime
ENV PATH=/opt/graft/bin:$PATH HOME=/tmp USER=graft PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /graft
USER 1000:1000
CMD ["python"]

FROM runtime AS tracking
COPY --from=tracking-packages /opt/graft /opt/graft

FROM runtime AS fetch
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git openssh-client \
 && rm -rf /var/lib/apt/lists/*
USER 1000:1000
COPY --from=fetch-packages /opt/graft /opt/graft
COPY components components
ARG REVISION=
ENV GRAFT_REVISION=${REVISION}
LABEL org.opencontainers.image.revision=${REVISION}

FROM runtime AS steps
COPY --from=steps-packages /opt/graft /opt/graft
COPY pretraining/*.weights.h5 pretraining/
COPY components components
ARG REVISION=
ENV GRAFT_REVISION=${REVISION}
LABEL org.opencontainers.image.revision=${REVISION}
