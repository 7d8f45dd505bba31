package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// frontEnd is the image in the Dockerfile's first line.
const frontEnd = "docker/dockerfile:1"

// entry is the entry point of the Redis image. Like that of Docker's image it disables protected mode, which would
// refuse other containers. Debian's package has no such script.
const entry = "#!/bin/sh\nif [ \"$1\" = redis-server ]; then exec \"$@\" --protected-mode no; fi\nexec \"$@\"\n"

// makeBases builds the images that the Dockerfile and compose.yaml name: Debian with redis-server, Debian with Go, and
// BuildKit's front end. The Go image contains the modules, since this network has no route to the internet.
func (c *check) makeBases(ctx context.Context) error {
	c.step("base images: redis:7.2-alpine, golang:1.26, %s", frontEnd)
	root := filepath.Join(c.work, "root")
	if err := os.WriteFile(filepath.Join(root, "usr/local/bin/entry"), []byte(entry), 0o755); err != nil {
		return err
	}
	const importing = `tar -C %s -c . | "%s" import %s - %s`
	redis := `--change 'WORKDIR /data' --change 'ENTRYPOINT ["/usr/local/bin/entry"]' --change 'CMD ["redis-server"]'`
	script := fmt.Sprintf(importing, root, c.docker, redis, "redis:7.2-alpine")
	if _, err := c.command(ctx, "sh", "-c", script); err != nil {
		return err
	}
	for from, to := range map[string]string{"go": "usr/local/go", "go-proxy": "go-proxy"} {
		if err := os.Rename(filepath.Join(c.work, from), filepath.Join(root, to)); err != nil {
			return err
		}
	}
	golang := `--change 'ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'` +
		` --change 'ENV GOPATH=/go' --change 'ENV GOTOOLCHAIN=local' --change 'ENV GOPROXY=file:///go-proxy'` +
		` --change 'ENV GOSUMDB=off'`
	script = fmt.Sprintf(importing, root, c.docker, golang, "golang:1.26")
	if _, err := c.command(ctx, "sh", "-c", script); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	return c.makeFrontEnd(ctx)
}

// makeFrontEnd builds the image of BuildKit's Dockerfile front end from its Go module.
func (c *check) makeFrontEnd(ctx context.Context) error {
	dir := filepath.Join(c.work, "frontend")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	const name = "dockerfile-frontend"
	if err := os.Rename(filepath.Join(c.work, name), filepath.Join(dir, name)); err != nil {
		return err
	}
	file := "FROM scratch\nCOPY dockerfile-frontend /bin/dockerfile-frontend\n" +
		"LABEL moby.buildkit.frontend.network.none=\"true\"\n" +
		"LABEL moby.buildkit.frontend.caps=\"moby.buildkit.frontend.inputs," +
		"moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts\"\n" +
		"ENTRYPOINT [\"/bin/dockerfile-frontend\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o600); err != nil {
		return err
	}
	_, err := c.runDocker(ctx, "build", "--tag", frontEnd, dir)
	return err
}

// buildImages builds the Dockerfile twice. The second image stands for the next release.
func (c *check) buildImages(ctx context.Context) error {
	revision, err := c.command(ctx, "git", "-C", filepath.Join(c.work, "src"), "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	for _, version := range []string{"one", "two"} {
		c.step("docker build, VERSION=%s", version)
		printed, err := c.runDocker(
			ctx, "build", "--build-arg", "VERSION="+version, "--build-arg", "REVISION="+revision, "--tag",
			"kasse:"+version, filepath.Join(c.work, "src"),
		)
		if err != nil {
			return err
		}
		if !strings.Contains(printed, frontEnd) {
			return fmt.Errorf("the front end %s was not used:\n%s", frontEnd, tail(printed))
		}
	}
	size, err := c.runDocker(
		ctx, "image", "inspect", "--format", "{{.Size}} bytes, user {{.Config.User}}, {{.Config.Labels}}",
		"kasse:two",
	)
	c.step("the image: %s", size)
	return err
}
