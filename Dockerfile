# Millrace without a package manager, without a shell at its start, and without the usage reports of ONNX Runtime.
#   docker build --tag millrace:0.1.0 .
#   docker build --tag millrace:0.1.0-gpu --target gpu .      (linux/amd64, CUDA 12)

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
# The GPU library of ONNX Runtime comes from NuGet, and only where it is wanted.
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.mjs scripts/runtime-in-thread.mjs scripts/image-files.mjs scripts/
COPY src src
RUN node scripts/build.mjs && npm prune --omit=dev --ignore-scripts --no-audit --no-fund
COPY LICENSE NOTICE ./
COPY models models
COPY deploy/grafana deploy/grafana
COPY deploy/prometheus deploy/prometheus
COPY docs/runbooks docs/runbooks
# What the image has beside its base: /image/files belongs to root, /image/folders to whom the process runs as.
RUN node scripts/image-files.mjs /image

FROM build AS build-gpu
ENV ONNXRUNTIME_NODE_INSTALL=cuda12
RUN node node_modules/onnxruntime-node/script/install.js && node scripts/image-files.mjs /image

FROM nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04 AS gpu
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Millrace" \
      org.opencontainers.image.description="Keeps a vector index equal to documents that change (CUDA 12)." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}-gpu" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build-gpu /image/files /
COPY --from=build-gpu --chown=65532:65532 /image/folders /
ENV NODE_ENV=production \
    HOME=/home/millrace \
    MILLRACE_MODELS=/home/millrace/.cache/millrace/models \
    ORT_DISABLE_TELEMETRY=1
USER 65532:65532
WORKDIR /var/lib/millrace
EXPOSE 9464
ENTRYPOINT ["millrace"]
CMD ["--help"]

# The last stage is what `docker build .` makes.
FROM node:24.21.0-bookworm-slim AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Millrace" \
      org.opencontainers.image.description="Keeps a vector index equal to documents that change." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing is installed in a running container.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-*
COPY --from=build /image/files /
COPY --from=build --chown=65532:65532 /image/folders /
ENV NODE_ENV=production \
    HOME=/home/millrace \
    MILLRACE_MODELS=/home/millrace/.cache/millrace/models \
    ORT_DISABLE_TELEMETRY=1
USER 65532:65532
WORKDIR /var/lib/millrace
EXPOSE 9464
ENTRYPOINT ["millrace"]
CMD ["--help"]
