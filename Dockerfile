# syntax=docker/dockerfile:1

# A tag may name another image tomorrow; a digest cannot. This file has no digest, because it has to come from the
# registry that you use. These commands print the digest, and build with it:
#
#   docker buildx imagetools inspect golang:1.26 --format '{{.Manifest.Digest}}'
#   docker build --build-arg GO_IMAGE=golang:1.26@sha256:… -t kasse .
ARG GO_IMAGE=golang:1.26
FROM --platform=$BUILDPLATFORM $GO_IMAGE AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
# Go stamps the commit, its time, and whether a file was changed: .git and all files that git tracks are here.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w" -o /kasse ./cmd/kasse

# Only the program, and the certificates with which it verifies Stripe: no shell, no package to patch, no writable file.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /kasse /kasse
USER 65532:65532

# 8080 is the public API, 9090 has metrics and probes: publish 8080 only. The admin listener is not on loopback here,
# because Prometheus and the orchestrator connect from outside the container.
ENV ADMIN_ADDR=:9090
EXPOSE 8080 9090

ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="kasse" \
      org.opencontainers.image.description="A headless payments service between shops and Stripe" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# Stop the container with a time longer than SHUTDOWN_TIMEOUT (25 s): docker stop --time 30.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/kasse", "healthcheck"]
ENTRYPOINT ["/kasse"]
