# syntax=docker/dockerfile:1

# A tag may name another image tomorrow; a digest cannot. This file names none, since a digest has to be read from the registry
# that you pull from. It prints the digest, and builds by it:
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
# Go stamps the commit, its time and whether anything was changed, since .git and all that it tracks are here.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w" -o /kasse ./cmd/kasse

# Nothing but the program and the certificates it trusts Stripe by: no shell, no package to patch, nothing to write to.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /kasse /kasse
USER 65532:65532

# The public API; metrics and probes, which stay inside: publish 8080 only. Others than this container must reach the probes.
ENV ADMIN_ADDR=:9090
EXPOSE 8080 9090

ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="kasse" \
      org.opencontainers.image.description="A headless payments service between shops and Stripe" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# Give it more than SHUTDOWN_TIMEOUT (25 s) to end: docker stop --time 30.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/kasse", "healthcheck"]
ENTRYPOINT ["/kasse"]
