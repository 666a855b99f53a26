# coordsidecar alone, on Python's slim image:
#
#   docker build -t coordsidecar .
#   docker build -t coordsidecar --build-arg EXTRAS=grpc .     with etcd+grpc://
#
# To put it before a job of yours, see examples/docker/. It needs no root: docker run --user 1000.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=""
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
COPY adapters adapters
# An environment of its own: what the job installs, and its versions, do not touch it. pip compiles
# all modules here, since a user other than root could not write the result where it is used, and
# a compilation at each start would make each takeover slower.
RUN python -m venv --without-pip /opt/coordsidecar \
    && pip --python /opt/coordsidecar/bin/python install --no-cache-dir --compile ".${EXTRAS:+[$EXTRAS]}"

# A folder with a Python of its own, for images that have none (docs/bundle.md):
#
#   docker build -t coordsidecar-bundle --target bundle .
FROM python:${PYTHON}-slim AS make-bundle
ARG EXTRAS=""
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev musl-tools
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
COPY adapters adapters
COPY bundle bundle
RUN python -m bundle ${EXTRAS:+--extras "$EXTRAS"} /bundle

FROM scratch AS bundle
COPY --from=make-bundle /bundle /bundle
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bundle/coordsidecar"]

FROM python:${PYTHON}-slim
COPY --from=build /opt/coordsidecar /opt/coordsidecar
# A link rather than a longer PATH, so that `python` stays the image's own to the job.
RUN ln -s /opt/coordsidecar/bin/coordsidecar /usr/local/bin/coordsidecar
STOPSIGNAL SIGTERM
ENTRYPOINT ["coordsidecar"]
CMD ["--help"]
