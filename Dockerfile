# syntax=docker/dockerfile:1

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /kasse ./cmd/kasse

# Nothing but the program and the certificates it trusts Stripe by: no shell, no package to patch.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /kasse /kasse
USER 65532:65532

# The public API; metrics and probes, which stay inside.
EXPOSE 8080 9090

# Give it more than SHUTDOWN_TIMEOUT (25 s) to end: docker stop --time 30.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/kasse", "healthcheck"]
ENTRYPOINT ["/kasse"]
