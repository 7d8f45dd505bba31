// Package deploy_test checks the deployment files without a container engine or cluster. It uses BuildKit's
// linter, kustomize's build, Kubernetes' types and Compose's loader. It has its own module, since the product
// needs none of them.
//
// Not checked: whether the base images exist, and whether a cluster accepts the manifests.
package deploy_test

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/opencontainers/go-digest"
)

const root = "../.."

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fakeRegistry replaces the registry. Its images have a platform and nothing else.
type fakeRegistry struct{}

// ResolveImageConfig returns the image's configuration.
func (fakeRegistry) ResolveImageConfig(
	_ context.Context, ref string, _ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"` + runtime.GOARCH + `","os":"linux","config":{}}`)
	return ref, digest.FromBytes(config), config, nil
}

// lint returns the faults that BuildKit's linter finds.
func lint(t *testing.T, dockerfile []byte) []string {
	t.Helper()
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", dockerfile)
	source.Definition = &llb.Definition{}
	result, err := dockerfile2llb.DockerfileLint(
		t.Context(), dockerfile, dockerfile2llb.ConvertOpt{SourceMap: source, MetaResolver: fakeRegistry{}},
	)
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	if result.Error != nil {
		faults = append(faults, result.Error.Message)
	}
	for _, warning := range result.Warnings {
		faults = append(faults, warning.RuleName+": "+warning.Detail)
	}
	return faults
}

func TestDockerfile(t *testing.T) {
	if faults := lint(t, read(t, "Dockerfile")); len(faults) > 0 {
		t.Errorf("BuildKit's linter found: %s", strings.Join(faults, "\n"))
	}
	bad := "FROM golang:1.26 as build\nENV A b\nRUNN true\n"
	if faults := lint(t, []byte(bad)); len(faults) == 0 {
		t.Error("the linter finds no fault in a bad Dockerfile")
	}
}

func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
	return all
}

// builtIn returns the default image of the build stage.
func builtIn(t *testing.T) string {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	_, global, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := stages(t)[0].BaseName
	for _, arg := range global {
		for _, pair := range arg.Args {
			if pair.Value != nil {
				base = strings.ReplaceAll(base, "$"+pair.Key, *pair.Value)
			}
		}
	}
	return base
}

// TestImage: the shipped stage has a program, certificates, a numeric user and a health check, and nothing
// else.
func TestImage(t *testing.T) {
	var user, healthcheck, entrypoint, environment string
	shipped := stages(t)[1]
	for _, command := range shipped.Commands {
		switch c := command.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.HealthCheckCommand:
			healthcheck = strings.Join(c.Health.Test, " ")
		case *instructions.EntrypointCommand:
			entrypoint = strings.Join(c.CmdLine, " ")
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				environment += pair.String()
			}
		case *instructions.RunCommand:
			t.Error("the shipped stage has a RUN, and no shell")
		}
	}
	if base := builtIn(t); !pinned.MatchString(base) {
		t.Errorf("the build image has no exact version: %s", base)
	}
	got := strings.Join([]string{shipped.BaseName, environment, user, healthcheck, entrypoint}, ", ")
	if want := "scratch, ADMIN_ADDR=:9090, 65532:65532, CMD /kasse healthcheck, /kasse"; got != want {
		t.Errorf("the image is %s, want %s", got, want)
	}
}

// TestBuildSteps runs the steps of the build stage in a clean clone, without the files that .dockerignore
// excludes.
func TestBuildSteps(t *testing.T) {
	sent, work := filepath.Join(t.TempDir(), "sent"), t.TempDir()
	run(t, ".", "git", "clone", "--quiet", "--no-hardlinks", root, sent)
	for _, name := range []string{".env", "bin/kasse", "test/spec/node_modules/a/b", "a/b.test"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(sent, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sent, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ignore(t, sent)
	program := filepath.Join(work, "kasse")
	src := filepath.Join(work, "src")
	if err := os.Mkdir(src, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, command := range stages(t)[0].Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			for _, from := range c.SourcePaths {
				if from == "." {
					from = "./."
				}
				run(t, sent, "cp", "-a", from, src)
			}
		case *instructions.RunCommand:
			run(t, src, "sh", "-c", strings.ReplaceAll(strings.Join(c.CmdLine, " "), " /kasse ", " "+program+" "))
		}
	}
	inspect(t, program, strings.TrimSpace(run(t, sent, "git", "rev-parse", "HEAD")))
}

// ignore removes the files that .dockerignore excludes.
func ignore(t *testing.T, folder string) {
	t.Helper()
	patterns, err := ignorefile.ReadAll(bytes.NewReader(read(t, ".dockerignore")))
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		name, _ := filepath.Rel(folder, path)
		if err != nil || name == "." {
			return err
		}
		if ignored, err := matcher.MatchesOrParentMatches(name); err != nil || !ignored {
			if text, _ := os.ReadFile(path); string(text) == "secret" {
				t.Errorf("%s is sent to the builder", name)
			}
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if entry.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inspect checks that the program is stamped with the commit, is linked statically, and runs.
func inspect(t *testing.T, program, commit string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	stamped := map[string]string{}
	for _, setting := range info.Settings {
		stamped[setting.Key] = setting.Value
	}
	if stamped["vcs.revision"] != commit || stamped["vcs.modified"] != "false" {
		t.Errorf(
			"the program is stamped with %q, modified %q; the commit is %s", stamped["vcs.revision"],
			stamped["vcs.modified"], commit,
		)
	}
	if runtime.GOOS == "linux" {
		file, err := elf.Open(program)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, part := range file.Progs {
			if part.Type == elf.PT_INTERP {
				t.Error("the program is not static")
			}
		}
	}
	if printed := run(t, "/", program, "keygen"); !strings.Contains(printed, " ksk_") {
		t.Errorf("keygen printed %q", printed)
	}
}

// run runs a command with Go's defaults, as in the image: GOFLAGS replaces the settings of this machine.
func run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "GOFLAGS=-buildvcs=auto")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(output)
}
