# coordsidecar alone, on Python's slim image:
#
#   docker build -t coordsidecar .
#   docker build -t coordsidecar --build-arg EXTRAS=grpc .               with etcd+grpc://
#   docker build -t coordsidecar --build-arg BASE=python@sha256:... .    on this very image
#
# To put it before a job of yours, see examples/docker/. It runs as any user, with a read-only root
# and without capabilities: docker run --read-only --cap-drop all --user 1000
#
# The same sources on the same BASE give the same files, compiled modules included. Only times and
# the image's id differ, unless the builder sets those too:
#
#   buildah build --timestamp 1577836800 -t coordsidecar .
#   docker buildx build --output type=image,rewrite-timestamp=true -t coordsidecar .

ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG EXTRAS=""
# The time that is written into archives.
ARG SOURCE_DATE_EPOCH=1577836800
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY examples/docker/locks examples/docker/locks
COPY examples/docker/precompile.py examples/docker/precompile.py
# pip takes nothing that has not the hash in these files, what it builds wheels with included.
RUN python -m venv --without-pip /build \
    && pip --python /build/bin/python install --require-hashes -r examples/docker/locks/build.txt \
    && pip --python /build/bin/python wheel --require-hashes --no-build-isolation --no-deps \
        --wheel-dir /wheels -r "examples/docker/locks/${EXTRAS:-run}.txt"
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
COPY adapters adapters
# An environment of its own: what the job installs, and its versions, do not touch it. All of it is
# compiled here, and of the standard library what a start imports: the user of the image could not
# write that where it is used, and a compilation at each start would make each takeover slower.
RUN pip --python /build/bin/python wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/coordsidecar \
    && pip --python /opt/coordsidecar/bin/python install --no-index --no-deps /wheels/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/coordsidecar/lib \
    && python examples/docker/precompile.py /out /opt/coordsidecar/bin/coordsidecar \
    && mkdir -p /out/opt /out/usr/local/bin /out/var/lib \
    && mv /opt/coordsidecar /out/opt/ \
    # A link rather than a longer PATH, so that `python` stays the image's own to the job.
    && ln -s /opt/coordsidecar/bin/coordsidecar /out/usr/local/bin/coordsidecar \
    # Where lock files may be kept: a volume that is mounted here is anybody's to write, as is /tmp.
    && mkdir -m 1777 /out/var/lib/coordsidecar

# A folder with a Python of its own, for images that have none (docs/bundle.md):
#
#   docker build -t coordsidecar-bundle --target bundle .
FROM build AS make-bundle
ARG EXTRAS=""
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev musl-tools
COPY bundle bundle
RUN python -m bundle --wheels /wheels ${EXTRAS:+--extras "$EXTRAS"} /bundle

FROM scratch AS bundle
COPY --from=make-bundle /bundle /bundle
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bundle/coordsidecar"]

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="coordsidecar" \
      org.opencontainers.image.description="Makes any command active-passive: one instance runs it, the others stand by and take over." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /out /
# Nobody's: a number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["coordsidecar"]
CMD ["--help"]
