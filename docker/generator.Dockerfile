# The load generator: Locust's master and workers with this project's scenarios. `make generator` assembles the build
# context: requirements.lock, common/, loadtests/, docker/.
ARG BASE

FROM ${BASE} AS build
RUN python3 -m venv --without-pip /venv
COPY requirements.lock /requirements.lock
# The site's package indexes and CA bundle are mounted for this step only and end up in no layer.
RUN --mount=type=secret,id=pipconf,target=/run/secrets/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    --mount=type=cache,target=/root/.cache/pip \
    export PIP_CONFIG_FILE=/run/secrets/pip.conf \
 && if [ -s /run/secrets/ca.pem ]; then export PIP_CERT=/run/secrets/ca.pem; fi \
 && pip --python /venv/bin/python3 --disable-pip-version-check install --root-user-action=ignore --progress-bar=off \
      --no-deps --require-hashes --only-binary=:all: --requirement /requirements.lock

FROM ${BASE}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
COPY --from=build /venv /venv
COPY common /generator/common
COPY loadtests /generator/loadtests
COPY docker /generator/docker
WORKDIR /generator
USER 10001:10001
ENTRYPOINT ["python3", "-m", "loadtests"]
