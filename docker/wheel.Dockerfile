# The wheel of a checkout, built as its own wheels are: from its source distribution, by the backend that it names, for
# the Python and the C library of the base image. common/engine/wheels.py assembles the build context.
ARG BASE

FROM ${BASE} AS build
COPY source /source
RUN --mount=type=secret,id=pipconf,target=/run/secrets/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    --mount=type=cache,target=/root/.cache/pip \
    export PIP_CONFIG_FILE=/run/secrets/pip.conf \
 && if [ -s /run/secrets/ca.pem ]; then export PIP_CERT=/run/secrets/ca.pem; fi \
 && pip --disable-pip-version-check wheel --progress-bar=off --no-deps --wheel-dir=/wheels \
      /source/*

FROM scratch
COPY --from=build /wheels /
